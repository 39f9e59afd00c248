"""The stored form of a trained model, and its export as a folder of safetensors and JSON.

An export is meant for other people and programs: no pickle, no optimizer, every file with its SHA-256 in export.json,
which is written last, so that a folder without it is not an export.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from seq2seq_lab.config.extension_facts import Facts, checked_facts, require
from seq2seq_lab.errors import CheckpointError, ConfigError, ResourceError
from seq2seq_lab.files import sha256_of, write_atomically, write_json, write_text
from seq2seq_lab.inference.publication import published
from seq2seq_lab.stored_text import parse_json

MANIFEST, WEIGHTS, CONFIG = "export.json", "model.safetensors", "config.json"
CARD = "README.md"
"""The model card: for people, and theirs to change; the manifest does not name it."""
TOKENIZERS = ("source_tokenizer", "target_tokenizer")
LANGUAGES = ("source_language", "target_language")
FORMAT = "seq2seq-lab model 1"
FILES = (WEIGHTS, CONFIG, *(f"{name}.json" for name in TOKENIZERS))


@dataclass(frozen=True)
class StoredModel:
    """Weights by name, the resolved config of the run, and the tokenizers as JSON texts."""

    weights: dict[str, Tensor]
    config: dict[str, Any]
    source_tokenizer: str
    target_tokenizer: str
    source_language: str
    target_language: str
    extensions: dict[str, Facts] = field(default_factory=dict)

    @property
    def max_source_tokens(self) -> int:
        """The length at which a source is cut."""
        return self.config["data"]["length_filter"]["max_source_tokens"]


def stored_model(contents: Any, weights: Any, path: Path) -> StoredModel:
    """Return what was read as a stored model; `CheckpointError` unless every part of it has the right type.

    Raises `UnsafeError` if an extension that the model needs is not there.
    `weights` may have names that begin with `model.`, as in a checkpoint.
    """
    texts: dict[str, str] = {}
    for name in (*TOKENIZERS, *LANGUAGES):
        text = contents.get(name) if isinstance(contents, dict) else None
        if isinstance(text, str):
            texts[name] = text
        else:
            raise CheckpointError(
                f"{path}: not a model of this version of seq2seq-lab, its {name} is no text; use another checkpoint"
            )
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(weight, Tensor) for name, weight in weights.items()
    ):
        raise CheckpointError(
            f"{path}: its weights are not tensors with names; use another checkpoint"
        )
    config = _checked_config(contents.get("config"), path)
    extensions = checked_facts(contents.get("extensions"), path)
    require(extensions, config, path)
    return StoredModel(weights, config, **texts, extensions=extensions)


def _checked_config(config: Any, path: Path) -> dict[str, Any]:
    try:
        config = parse_json(
            json.dumps(config, allow_nan=False)
        )  # plain values, of a depth that can be walked
        limit = config["data"]["length_filter"]["max_source_tokens"]
        nodes = [config["model"], config["decoding"], config["data"]]
        if type(limit) is not int or limit < 1:
            raise TypeError(f"max_source_tokens {limit!r}")
        if not all(isinstance(node, dict) for node in nodes):
            raise TypeError("a part is no mapping")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: its config is not that of a run ({error!r:.100}); use another checkpoint"
        ) from error
    return config


def is_export(path: Path) -> bool:
    """Return whether this is an exported folder."""
    return (path / MANIFEST).is_file()


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make an empty folder to write into; refuse one that has content. After an error it is as it was."""
    was_there = folder.is_dir()
    make_folder(folder)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for path in folder.iterdir():  # it was empty
                path.unlink()
            if not was_there:
                folder.rmdir()
        raise


def make_folder(folder: Path) -> None:
    """Make an empty folder; refuse one that has content."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = next(folder.iterdir(), None)
    except OSError as error:
        raise ResourceError(
            f"{folder}: cannot be made ({error.strerror}); choose another folder"
        ) from error
    if taken is not None:
        raise ConfigError(
            f"{folder}: there is something in it already ({taken.name}); choose an empty folder"
        )


def write_export(folder: Path, stored: StoredModel) -> None:
    """Write the four files and then the manifest; the config without the folders of this machine."""
    # tied weights share memory, which safetensors refuses: each name gets its own copy
    weights = {
        name: tensor.detach().clone().contiguous() for name, tensor in stored.weights.items()
    }
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path))
    facts = {name: getattr(stored, name) for name in ("extensions", *LANGUAGES)}
    write_json(folder / CONFIG, {"format": FORMAT, "config": published(stored.config), **facts})
    for name in TOKENIZERS:
        write_text(folder / f"{name}.json", getattr(stored, name))
    write_manifest(folder, FILES)


def write_manifest(folder: Path, names: tuple[str, ...]) -> None:
    """Write export.json with size and SHA-256 of these files."""
    facts = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in names
    }
    write_json(folder / MANIFEST, {"format": FORMAT, "files": facts})


def read_export(folder: Path) -> StoredModel:
    """Verify every checksum of an exported folder, then read it."""
    try:
        manifest = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = {name: manifest["files"][name]["sha256"] for name in FILES}
        found_format = manifest["format"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CheckpointError(
            f"{folder / MANIFEST}: not the manifest of an export; export the model again"
        ) from error
    if found_format != FORMAT:
        raise CheckpointError(
            f"{folder}: its format is {found_format!r}, known is {FORMAT!r}; use the version that wrote it"
        )
    for name in FILES:
        _check_sum(folder / name, expected[name])
    try:
        facts = parse_json((folder / CONFIG).read_text(encoding="utf-8"))
        texts = {n: (folder / f"{n}.json").read_text(encoding="utf-8") for n in TOKENIZERS}
        weights = load_file(folder / WEIGHTS)
        contents = {**facts, **texts}
    except (ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: not an exported model; export it again") from error
    return stored_model(contents, weights, folder)


def _check_sum(path: Path, expected: str) -> None:
    if not path.is_file():
        raise CheckpointError(
            f"{path}: missing, but {MANIFEST} names it; copy the whole folder again"
        )
    if sha256_of(path) != expected:
        raise CheckpointError(
            f"{path}: damaged, its SHA-256 differs from {MANIFEST}; copy or export it again"
        )
