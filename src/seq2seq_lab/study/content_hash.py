"""The content hash of a run: a SHA-256 of everything that decides its numbers, whatever machine or launcher runs it.

It covers the resolved config (torch threads included), the files that the config names, the source of what trains and
evaluates and of the extensions whose classes the config names, and the versions of the libraries that compute. Commits
alone do not matter: after an edit of the README or of the report every finished run still counts as done.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from seq2seq_lab.config.extension_registry import used
from seq2seq_lab.config.keys import computing
from seq2seq_lab.files import sha256_of

LIBRARIES = (
    "torch", "pytorch-lightning", "torchmetrics", "sacrebleu", "tokenizers", "sentencepiece", "entmax", "numpy",
    "unicode-rbnf", "babel", "spacy", "jieba",
)  # fmt: skip

_OF_MODELS = ("mean.ckpt", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "export.json")
"""What stands for the weights in a folder that a config names: a run's, or an export's, whose manifest has sums."""


_ABOVE_TRAINING = ("__main__.py", "commands", "doctor", "report", "testing")
"""The upper layers: they read what runs left and make none of their numbers, but for the command that trains."""


def content_hash(config: dict[str, Any]) -> str:
    """Return the content hash of a resolved config, 64 hex digits."""
    content = computing(config)
    parts: dict[str, Any] = {"config": content, "data": data_version(content), "code": code_hash()}
    extensions = {name: [one.version, one.sha256] for name, one in used(content).items()}
    if extensions:
        parts["extensions"] = extensions
    text = json.dumps({**parts, "libraries": _versions()}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def data_version(config: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of every file that the config names; the code covers generated data."""
    corpus = config.get("data", {}).get("corpus", {})
    paths = [_path(text) for text in (*_texts(config), *_texts(corpus))]
    for text in _texts(config.get("training", {}).get("initial_weights")):
        paths += [_path(text) / name for name in _OF_MODELS]
    for text in _texts(corpus):
        paths += _inside(_path(text))
    return {str(path): _sha256(path) for path in paths if _is(path, "is_file")}


def _path(text: str) -> Path:
    """Return the path that a text may be; parts of the program read `~`, too."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # the home of nobody
        return Path(text)


def _inside(folder: Path) -> list[Path]:
    """Return what lies in the folder of a corpus, at any depth; hidden files and folders are no data."""
    if not _is(folder, "is_dir"):
        return []
    found = sorted(folder.rglob("*"))
    return [p for p in found if not any(n.startswith(".") for n in p.relative_to(folder).parts)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:  # an empty one would be the working folder
        yield value
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if not str(key).endswith("_language"):
                yield from _texts(item)


def _is(path: Path, kind: str) -> bool:
    try:
        return bool(getattr(path, kind)())
    except (OSError, ValueError):  # not a path at all
        return False


def _sha256(path: Path) -> str:
    status = path.stat()
    return _sha256_of_version(path.absolute(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _sha256_of_version(path: Path, _changed: int, _size: int) -> str:
    return sha256_of(path)


def code_hash() -> str:
    """Return the SHA-256 of the source and tables that decide a run's numbers."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.tsv")]):
        place = path.relative_to(package)
        if place.parts[0] not in _ABOVE_TRAINING or place == Path("commands", "train.py"):
            digest.update(f"{place}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
