"""Reproduction of a stored run: its config as a new job, the environments compared, and the results compared."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq_lab.config.build import without_alias_keys
from seq2seq_lab.config.keys import MISSING, leaves
from seq2seq_lab.errors import CheckpointError, ConfigError
from seq2seq_lab.files import sha256_of, write_text
from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.interval import bootstrap_interval
from seq2seq_lab.stored_text import read_json, read_json_lines, read_yaml

EQUAL, WITHIN, DIFFERENT = "bit-equal", "within interval", "different"
FILES = ("config.yaml", "manifest.json", "result.json", "hypotheses/test.jsonl", "data_report.json")
_EDITED = "was it edited by hand? Give another run"
_OUTSIDE = ("study", "study_dir")
"""Keys that name the study of a run; they do not decide its numbers."""
_PARTS = ("code", "python", "versions", "data", "tokenizers", "hardware")
"""Parts of a manifest that may change the outcome of a run."""
_NO_HYDRA_FILES = {"output_subdir": None, "run": {"dir": "."}}
_NO_HYDRA_LOGS = [
    "_self_",
    {"override hydra/job_logging": "none"},
    {"override hydra/hydra_logging": "none"},
]


@dataclass(frozen=True)
class Verdict:
    """`outcome` is one of the three words; `lines` say why."""

    outcome: str
    lines: list[str]


def read_run(run: Path) -> dict[str, Any]:
    """Return the manifest of a finished run. Raises `CheckpointError` where one of its files is missing or broken."""
    for name in FILES:
        if not (run / name).is_file():
            raise CheckpointError(f"{run}: no {name} in it; give the folder of a finished run")
    return _json(run / "manifest.json")


def _json(path: Path) -> dict[str, Any]:
    return read_json(path, CheckpointError, _EDITED)


def stored_threads(manifest: dict[str, Any]) -> int:
    """Return the number of threads that the stored run had; 1 if that is not known."""
    hardware = manifest.get("hardware")
    threads = hardware.get("torch_threads") if isinstance(hardware, dict) else None
    return threads if type(threads) is int and 0 < threads < 4096 else 1


def write_job(run: Path, folder: Path, run_dir: Path) -> list[str]:
    """Write the stored config as a job of its own; return the flags with which train.py runs it.

    Only `run_dir` changes, and Weights & Biases is left out. Alias keys, to which nothing refers in a resolved config,
    are dropped; vocabulary sizes come from the data again.
    """
    try:
        stored = read_yaml(run / "config.yaml", CheckpointError, _EDITED)
        alone = {key: None for key in _OUTSIDE if key in stored}
        training = {**stored["training"], "logger": None}
        job = {**stored, **alone, "training": training, "run_dir": str(run_dir)}
        job = without_alias_keys(job)
        model = {side: _with_size(job["model"][side], side) for side in ("encoder", "decoder")}
    except (TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{run}/config.yaml: not the config of a run") from error
    job["model"] |= model | {f"{side}_vocab_size": MISSING for side in _SIDES.values()}
    job |= {"hydra": _NO_HYDRA_FILES, "defaults": _NO_HYDRA_LOGS}
    write_text(folder / "job.yaml", json.dumps(job, ensure_ascii=False))  # JSON is YAML
    return ["--config-dir", str(folder), "--config-name", "job"]


_SIDES = {"encoder": "source", "decoder": "target"}


def _with_size(node: Any, side: str) -> Any:
    """Let every vocabulary size of a side refer to the one that train.py fills in."""
    if not isinstance(node, dict):
        return node
    size = f"${{model.{_SIDES[side]}_vocab_size}}"
    return {k: size if k == "vocab_size" else _with_size(v, side) for k, v in node.items()}


def differences(stored: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return one line for each fact of the manifests that differs and may change the outcome."""
    before, now = (leaves({part: one.get(part) for part in _PARTS}) for one in (stored, new))
    return [
        f"{key.replace('.', ' ', 1)}: {_short(before.get(key))} -> {_short(now.get(key))}"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key)
    ]


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def numbers_of(run: Path) -> dict[str, Any]:
    """Return the numbers of result.json without the measured times and speeds."""
    return {k: v for k, v in _json(run / "result.json").items() if "second" not in k}


def compare(stored: Path, new: Path, metric: str) -> Verdict:
    """Say whether a new run equals the stored one: all numbers and hypotheses equal, or the metric in its interval.

    The interval is that of the stored run's metric over its test sentences, by bootstrap.
    """
    one, other = numbers_of(stored), numbers_of(new)
    unlike = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    texts = [
        path.name
        for path in sorted((stored / "hypotheses").glob("*.jsonl"))
        if not _same_hypotheses(path, new / "hypotheses" / path.name)
    ]
    if not unlike and not texts:
        return Verdict(EQUAL, [f"{len(one)} numbers and all hypotheses are the same"])
    lines = [f"{len(unlike)} of {len(one)} numbers differ, the first: {_shown(unlike, one, other)}"]
    lines += [f"hypotheses/{name} differs" for name in texts]
    low, high = interval(stored, metric)
    value = other.get(metric)
    lines.append(
        f"{metric}: {one.get(metric)} -> {value}; interval over sentences {low:.2f} to {high:.2f}"
    )
    inside = isinstance(value, int | float) and low <= value <= high
    return Verdict(WITHIN if inside else DIFFERENT, lines)


def _shown(names: list[str], one: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(f"{n} {one.get(n)} -> {other.get(n)}" for n in names[:3]) or "none"


def _same_hypotheses(stored: Path, new: Path) -> bool:
    """Return whether two files have the same bytes, but for the scores that a stored study leaves out."""
    if not new.is_file() or sha256_of(stored) == sha256_of(new):
        return new.is_file()
    old, made = (list(read_json_lines(p, CheckpointError, _EDITED)) for p in (stored, new))
    if any("score" in row for row in old):
        return False
    return old == [{k: v for k, v in row.items() if k != "score"} for row in made]


def interval(run: Path, metric: str) -> tuple[float, float]:
    """Return the bootstrap interval of a metric over the stored sentences. Raises `ConfigError` for an unknown one."""
    split, _, name = metric.partition("/")
    path = run / "hypotheses" / f"{split}.jsonl"
    if not path.is_file():
        raise ConfigError(f"--metric {metric}: the run has no {path.name}; try test/bleu")
    rows = list(read_json_lines(path, CheckpointError, _EDITED, ("hypothesis", "reference")))
    languages = _json(run / "data_report.json").get("languages")
    if not isinstance(languages, list) or [type(one) for one in languages] != [str, str]:
        raise CheckpointError(f"{run / 'data_report.json'}: names no two languages; {_EDITED}")
    language = languages[1]
    hypotheses = [row["hypothesis"] for row in rows]
    references = [tuple(row.get("references", [row["reference"]])) for row in rows]
    try:
        return bootstrap_interval(name, hypotheses, references, tokenize=bleu_tokenizer(language))
    except ValueError as error:
        raise ConfigError(f"--metric {metric}: {error}") from error
