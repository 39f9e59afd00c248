"""What differs between two runs: config, data, code and versions, and numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seq2seq_lab.config.keys import RECORDING, is_below, items, leaves, without
from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.metrics.table import METRICS, lower_is_better
from seq2seq_lab.report.records import Translated, read_translated
from seq2seq_lab.report.resampling import paired_bootstrap
from seq2seq_lab.report.run_list import DONE, ListedRun, read_run
from seq2seq_lab.stored_text import read_json

SPLIT = "test"
_ENVIRONMENT = ("code", "extensions", "python", "versions", "hardware")
_MISSING = "absent"
_JUDGED = (*(f"{split}/{name}" for split in ("test", "val") for name in ("loss", "perplexity")),)


@dataclass(frozen=True)
class Side:
    """One of the two runs; `problems` say what of it cannot be compared."""

    run: ListedRun
    data_report: dict[str, Any]
    signatures: dict[str, Any]
    translated: tuple[Translated, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """A key whose value differs; `below` are the changes that follow from it."""

    key: str
    old: Any
    new: Any
    below: tuple["Change", ...] = ()


@dataclass(frozen=True)
class Number:
    """A number of both runs; `is_better` is None where no direction is known. The interval is the difference's."""

    name: str
    old: float | None
    new: float | None
    is_better: bool | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None


def read_side(folder: Path) -> Side:
    """Read a run, finished or not. Raises `ConfigError` for a folder that is none."""
    if not any((folder / name).is_file() for name in ("manifest.json", "config.yaml")):
        what = "no run there" if folder.is_dir() else "no such folder"
        raise ConfigError(
            f"{folder}: {what}; give the folder of a run, which holds config.yaml and manifest.json "
            "(seq2seq-lab runs lists them)"
        )
    run = read_run(folder)
    problems = [] if run.state == DONE else [f"{run.state}{f': {run.reason}' * bool(run.reason)}"]
    if "config.yaml" not in run.reason and not run.config:
        problems.append("config.yaml: not the YAML of a run")
    found: list[Any] = []
    for read, name, nothing in (
        (_json, "data_report.json", {}),
        (_json, "hypotheses/signatures.json", {}),
        (_translated, f"hypotheses/{SPLIT}.jsonl", ()),
    ):
        try:
            found.append(read(folder / name) if (folder / name).is_file() else nothing)
        except DataError as error:
            problems.append(str(error).removeprefix(f"{folder}/").rstrip("; "))
            found.append(nothing)
    return Side(run, found[0], found[1], found[2], tuple(problems))


def _json(path: Path) -> dict[str, Any]:
    return read_json(path, DataError, "")


def _translated(path: Path) -> tuple[Translated, ...]:
    return read_translated(path, "")


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return a change for each key of two flat dicts that differs."""
    keys = dict.fromkeys([*old, *new])
    found = [Change(key, old.get(key, _MISSING), new.get(key, _MISSING)) for key in keys]
    return [one for one in found if one.old != one.new or type(one.old) is not type(one.new)]


def config_changes(old: ListedRun, new: ListedRun) -> list[Change]:
    """Return what differs in the configs: choices first, with the keys that they bring; then keys.

    A key that an override changed comes with the keys that changed in the same way: they follow from it.
    """
    chosen = [
        one
        for one in changes(old.choices, new.choices)
        if not is_below(one.key.replace("/", "."), RECORDING)
    ]
    flat = [leaves(without(run.config, RECORDING)) for run in (old, new)]
    rest = changes(*flat) if old.config and new.config else []
    if any(one.key in {"model", "data"} for one in chosen):
        rest = [one for one in rest if one.key != "name"]
    owned: dict[str, list[Change]] = {one.key: [] for one in chosen}
    free = []
    for one in rest:
        owner = _owner(one.key, owned)
        if owner is None:
            free.append(one)
        elif not one.key.endswith("._target_"):  # the choice says it
            owned[owner].append(one)
    choices = [replace(one, below=tuple(owned[one.key])) for one in chosen]
    return [*choices, *_with_followers(free, {*old.words, *new.words})]


def _owner(key: str, groups: Iterable[str]) -> str | None:
    """Return the most special group whose parts a config key has in this order: `model/cell` for `model.x.cell.y`."""
    found = [group for group in groups if _has_parts(key.split("."), _parts_of(group))]
    return max(found, key=lambda group: len(_parts_of(group)), default=None)


def _parts_of(group: str) -> list[str]:
    _, at, package = group.partition("@")
    return package.split(".") if at else group.split("/")


def _has_parts(key: Sequence[str], parts: Sequence[str]) -> bool:
    left = iter(key)
    return all(part in left for part in parts)


def _with_followers(free: list[Change], given: set[str]) -> list[Change]:
    heads = [one for one in free if one.key in given]
    others = [one for one in free if one.key not in given]
    found = []
    for head in heads:
        same = [one for one in others if (one.old, one.new) == (head.old, head.new)]
        others = [one for one in others if one not in same]
        found.append(replace(head, below=tuple(same)))
    return [*found, *others]


def data_changes(old: Side, new: Side) -> list[Change]:
    """Return what differs in the data: hashes, counts, vocabularies and tokenizers."""
    return changes(_data_of(old), _data_of(new))


def _data_of(side: Side) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for split, part in items(side.data_report.get("splits")):
        if isinstance(part, dict):
            flat[f"{split} pairs"] = part.get("pairs")
            flat |= {f"{split} dropped, {why}": n for why, n in items(part.get("dropped"))}
    flat |= {f"vocabulary {key}": value for key, value in items(side.data_report.get("vocabulary"))}
    flat["languages"] = side.data_report.get("languages")
    for key, name in (("data", "sha256 of"), ("tokenizers", "sha256 of tokenizer")):
        flat |= {f"{name} {part}": text for part, text in items(side.run.manifest.get(key))}
    return flat


def environment_changes(old: ListedRun, new: ListedRun) -> list[Change]:
    """Return what differs in code, versions and hardware."""
    flat = [leaves({key: run.manifest.get(key) for key in _ENVIRONMENT}) for run in (old, new)]
    return [replace(one, key=one.key.replace(".", " ", 1)) for one in changes(*flat)]


def sentences_agree(old: Side, new: Side) -> bool:
    """Tell whether both runs translated the same sources with the same references."""
    texts = [[(t.source, t.references) for t in side.translated] for side in (old, new)]
    return bool(texts[0]) and texts[0] == texts[1]


def metric_of(old: Side, new: Side, name: str) -> Metric | None:
    """Return the row of METRICS as both runs made it; None if that is unknown, or they made it in different ways."""
    if name not in METRICS:
        return None
    signatures = {str(side.signatures.get(name, "")) for side in (old, new)}
    if len(signatures) > 1 or (METRICS[name].needs_signature and "" in signatures):
        return None
    return METRICS[name].made_as(signatures.pop())


def numbers(old: Side, new: Side) -> list[Number]:
    """Return all numbers of both runs; scores of the test first, with the interval of their difference.

    Numbers of different data are not judged.
    """
    one, other = (side.run.result for side in (old, new))
    rows = [f"{split}/{name}" for split in (SPLIT, "val") for name in METRICS]
    names = dict.fromkeys([*rows, *_JUDGED, *sorted({*one, *other})])
    found = [Number(name, one.get(name), other.get(name)) for name in names]
    found = [number for number in found if (number.old, number.new) != (None, None)]
    unlike = other_data(old, new)
    found = [n if n.name.partition("/")[0] in unlike else _judged(n) for n in found]
    if sentences_agree(old, new):
        found = [_with_interval(number, old, new) for number in found]
    took = Number("seconds", old.run.seconds, new.run.seconds)
    return [*found, took] if (took.old, took.new) != (None, None) else found


def other_data(old: Side, new: Side) -> list[str]:
    """Return the splits whose pairs are not the same in both runs, as far as their manifests say."""
    hashes = [dict(items(side.run.manifest.get("data"))) for side in (old, new)]
    return [split for split in (SPLIT, "val") if hashes[0].get(split) != hashes[1].get(split)]


def _judged(number: Number) -> Number:
    """Add whether the new number is better, where a direction is known."""
    name, one, other = number.name, number.old, number.new
    has_direction = name.rpartition("/")[2] in METRICS or name in _JUDGED or "loss" in name
    if not has_direction or one is None or other is None or one == other:
        return number
    return replace(number, is_better=(other < one) == lower_is_better(name))


def _with_interval(number: Number, old: Side, new: Side) -> Number:
    split, _, name = number.name.partition("/")
    metric = metric_of(old, new, name) if split == SPLIT else None
    if metric is None:
        return number
    references = [t.references for t in old.translated]
    texts = [[t.hypothesis for t in side.translated] for side in (old, new)]
    found = paired_bootstrap(metric, *metric.statistics_of_several(texts, references))
    if not all(map(math.isfinite, (found.low, found.high))):
        return number
    return replace(number, interval=(found.low, found.high), p=found.p)


def is_main(name: str) -> bool:
    """Tell whether a number is shown unless all are asked for."""
    split, _, metric = name.partition("/")
    is_score = metric in METRICS and split in {SPLIT, "val"}
    return is_score or name in {"seconds", "model/parameters", "train/epochs", *_JUDGED}
