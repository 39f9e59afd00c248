"""A run's inputs and output as artifacts: data, tokenizers and extensions go in, the model comes out.

Large files are sent by reference: path and checksum, not the content. The name of an input does not depend on the run
and its version follows from the content alone, so that all runs on the same data share one artifact.
"""

import math
import sys
from pathlib import Path
from typing import Any

from seq2seq_lab.config.extension_registry import extensions
from seq2seq_lab.errors import one_line
from seq2seq_lab.files import json_text
from seq2seq_lab.stored_text import parse_json
from seq2seq_lab.training.datamodule import Seq2SeqDataModule


def send_inputs(trainer: Any, data: Seq2SeqDataModule) -> None:
    """Send data, tokenizers and extensions to the loggers that take artifacts; call before the first step."""
    loggers = _loggers(trainer)
    if not loggers:
        return
    manifest = _manifest(trainer)
    try:
        found = [_data(data, manifest), _tokenizers(data, manifest), *_extensions(manifest)]
    except Exception as error:  # files may be gone, an extension's corpus may have any `paths`
        sys.stderr.write(f"note: data and tokenizers are no artifacts ({one_line(error)})\n")
        return
    for logger in loggers:
        for artifact in found:
            logger.log_artifact(**artifact, uses=True)


def send_model(trainer: Any, tested: Path | None, numbers: dict[str, float]) -> None:
    """Send the checkpoint that was tested with its final numbers; nothing where there is none."""
    loggers = _loggers(trainer)
    if not loggers or tested is None or not tested.is_file():
        return
    manifest = _manifest(trainer)
    finite = {name: value for name, value in sorted(numbers.items()) if math.isfinite(value)}
    facts = {
        key: manifest.get(key) for key in ("config_hash", "seed", "choices", "data", "tokenizers")
    }
    for logger in loggers:
        logger.log_artifact(
            _name("model", manifest.get("name")),
            "model",
            files=[str(tested.resolve())],
            texts={},
            metadata={**facts, "metrics": finite},
            uses=False,
        )


def _loggers(trainer: Any) -> list[Any]:
    if not trainer.is_global_zero or trainer.fast_dev_run:
        return []
    return [logger for logger in trainer.loggers if hasattr(logger, "log_artifact")]


def _manifest(trainer: Any) -> dict[str, Any]:
    """Return the manifest, {} where there is none: a run is not stopped for what others show of it."""
    try:
        path = Path(trainer.default_root_dir) / "manifest.json"
        return dict(parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _name(kind: str, of: object) -> str:
    """Return a name that W&B takes for an artifact."""
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in f"{kind}-{of or 'run'}")[:100]


def _data(data: Seq2SeqDataModule, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the corpus: its files, and in any case the hashes of the splits that were made of them."""
    splits = data.report["splits"]
    kept = {split: {key: one[key] for key in ("pairs", "sha256")} for split, one in splits.items()}
    paths = data.corpus.paths() if hasattr(data.corpus, "paths") else []
    return {
        "name": _name("data", (manifest.get("choices") or {}).get("data")),
        "type": "dataset",
        "files": [str(Path(path).expanduser().resolve()) for path in paths],
        "texts": {"splits.json": json_text(kept)},
        "metadata": {"languages": data.report["languages"], "splits": splits},
    }


def _tokenizers(data: Seq2SeqDataModule, manifest: dict[str, Any]) -> dict[str, Any]:
    sides = {"source": data.source_tokenizer, "target": data.target_tokenizer}
    return {
        "name": _name("tokenizers", (manifest.get("choices") or {}).get("data")),
        "type": "tokenizer",
        "files": [],
        "texts": {f"{side}.json": one.to_json() for side, one in sides.items()},
        "metadata": {"vocabulary": data.report["vocabulary"]},
    }


def _extensions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the source of each extension of the run, copied where it is text: it may change after the run."""
    found, there = [], extensions()
    for name, facts in (manifest.get("extensions") or {}).items():
        if name not in there:
            continue
        root, texts, binary = there[name].root, {}, []
        for path in there[name].files():
            entry = path.name if root.is_file() else path.relative_to(root).as_posix()
            try:
                texts[entry] = path.read_bytes().decode("utf-8")
            except (OSError, UnicodeDecodeError):
                binary.append(str(path.resolve()))
        kind = {"name": _name("extension", name), "type": "code", "metadata": dict(facts)}
        found.append({**kind, "files": binary, "texts": texts})
    return found
