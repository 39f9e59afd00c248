"""Which runs of a sweep train as one pack: those whose configs differ in nothing but the seed."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from seq2seq_lab.config.keys import child, computing

_SEED, _FREE = "seed", ("name",)
_PRECISIONS = {"32", "32-true", "64", "64-true", "None"}
_ONE_DEVICE = {"1", "[0]"}
_OFF = {"None", "False", "auto"}


def packs(configs: Sequence[dict[str, Any]], size: int) -> list[list[int]]:
    """Return the indices of the runs of each pack, in order; a run with no partner is a pack of its own.

    `configs` are resolved. Packs have at most `size` runs, and those of equal runs differ by one at most.
    """
    groups: dict[str, list[int]] = {}
    for index, config in enumerate(configs):
        own = "" if reason_alone(config) is None else str(index)
        groups.setdefault(own + _what_is_equal(config), []).append(index)
    return sorted(part for group in groups.values() for part in _parts(group, size))


def _parts(group: list[int], size: int) -> list[list[int]]:
    count = -(-len(group) // size)
    each, more = divmod(len(group), count)
    ends = [number * each + min(number, more) for number in range(count + 1)]
    return [group[start:end] for start, end in itertools.pairwise(ends)]


def _what_is_equal(config: dict[str, Any]) -> str:
    kept = {key: value for key, value in computing(config).items() if key not in _FREE}
    return json.dumps(_without_seeds(kept), sort_keys=True, default=str)


def _without_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seeds(item) for key, item in value.items() if key != _SEED}
    return [_without_seeds(item) for item in value] if isinstance(value, list) else value


def reason_alone(config: dict[str, Any]) -> str | None:
    """Return why a run cannot be part of a pack, as key=value; None if it can."""
    trainer = child(config, "training.trainer") or {}
    accelerator = str(trainer.get("accelerator", "auto"))
    allowed = {
        "devices": str(trainer.get("devices", 1)) in _ONE_DEVICE,
        "num_nodes": trainer.get("num_nodes", 1) == 1,
        "strategy": str(trainer.get("strategy", "auto")) == "auto",
        "accelerator": accelerator in {"auto", "cpu", "gpu", "cuda"},
        "precision": str(trainer.get("precision")) in _PRECISIONS,
        "max_time": trainer.get("max_time") is None,
        "profiler": str(trainer.get("profiler")) in _OFF,
        "detect_anomaly": str(trainer.get("detect_anomaly")) in _OFF,
    }
    wrong = next((key for key, is_allowed in allowed.items() if not is_allowed), None)
    if wrong is not None:
        return f"training.trainer.{wrong}={trainer.get(wrong)}"
    # of Rich's bars a process can show one
    callbacks = (child(config, "training.callback") or {}).items()
    targets = {name: str(child(part, "_target_")) for name, part in callbacks}
    bar = next((name for name, target in targets.items() if "RichProgressBar" in target), None)
    return None if bar is None else f"training.callback.{bar}._target_={targets[bar]}"


def has_own_batches(configs: Sequence[dict[str, Any]]) -> bool:
    """Tell whether the runs of a pack see other batches: their orders are drawn by other seeds."""
    return len({str(child(config, "data.seed")) for config in configs}) > 1
