"""A prediction is checked against the plan of its study before the first run: every arm that it names is planned.

prediction_schema.py reads its shape, report/prediction.py judges it. A mistake is a `ConfigError` that names its key.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from seq2seq_lab.config.problems import closest
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.search_folder import OWN, kind_of
from seq2seq_lab.study.matrix import arm_label
from seq2seq_lab.study.prediction_schema import OF_SEARCHES, OFF, parsed

SEARCH = "search"
"""The factor of further searches of a trained model: a run has it once it is decoded, not when it is planned."""


def fingerprint(prediction: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a prediction as JSON with sorted keys and no blanks, in UTF-8."""
    text = json.dumps(prediction, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_plan(
    prediction: Mapping[str, Any],
    factors: Collection[str],
    arms: Mapping[str, Mapping[str, str]],
    searches: Collection[str] = (),
) -> None:
    """Raise `ConfigError` unless a prediction is well formed and each of its arms fits one arm of the plan.

    `arms` are the factors of each arm, `searches` the names that an arm's `search` may have; without them any may come
    later, by `seq2seq-lab search`.
    """
    found = parsed(prediction)
    if found.by is not None and found.by not in factors:
        known = ", ".join(factors) or "none"
        raise ConfigError(
            f"prediction.by={found.by}: no factor of this study{closest(found.by, factors)}; its factors are {known}"
        )
    for test in found.tests:
        for term in test.terms:
            wanted = dict(term.arm)
            if SEARCH not in factors:
                _check_search(wanted.pop(SEARCH, None), test.metric, searches, term.path)
            arm_of(wanted, arms, term.path)


def searches_of(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the searches that a run makes by its callback, its own decoding included; [] without one."""
    callback = (config.get("training", {}).get("callback") or {}).get("searches")
    if not isinstance(callback, Mapping):
        return []
    kind = kind_of(config["decoding"])
    return [*callback["searches"], kind, OWN, f"{OWN}_{kind}"]


def _check_search(search: Any, metric: str | None, searches: Collection[str], path: str) -> None:
    if search is None and metric is not None and metric.rpartition("/")[2] in OF_SEARCHES:
        raise ConfigError(
            f"{path}: {metric} is a number of searches; name one, as in {{search: beam_5}} (docs/searches.md)"
        )
    if search is not None and searches and str(search) not in searches:
        known = ", ".join(searches)
        raise ConfigError(
            f"{path}.search={search}: no search of this study{closest(str(search), searches)}; there are {known}, and "
            "training.callback.searches makes more"
        )


def arm_of(
    wanted: Mapping[str, Any],
    arms: Mapping[str, Mapping[str, str]],
    path: str,
    advice: str = f"run all of the study, {OFF}",
) -> str:
    """Return the one arm that has these factor values; `ConfigError` with the advice if none fits, or several do."""
    factors = {key: None for values in arms.values() for key in values}
    for key in wanted:
        if key not in factors:
            known = ", ".join(factors) or "none"
            raise ConfigError(
                f"{path}: {key} is no factor of this study{closest(key, factors)}; its factors are {known}; "
                f"{advice}"
            )
    fitting = [
        arm
        for arm, values in arms.items()
        if all(_same(value, values.get(key, "")) for key, value in wanted.items())
    ]
    if len(fitting) == 1:
        return fitting[0]
    label = arm_label({key: _as_text(value) for key, value in wanted.items()})
    if fitting:
        raise ConfigError(
            f"{path}: {label} fits {len(fitting)} arms ({_listed(fitting)}); give further factors until one is left"
        )
    raise ConfigError(
        f"{path}: {label} fits no arm of this study{closest(label, arms)}; its arms are {_listed(list(arms))}; "
        f"{advice}"
    )


def _listed(arms: list[str]) -> str:
    more = f" and {len(arms) - 8} more" if len(arms) > 8 else ""
    return "; ".join(arms[:8]) + more


def _as_text(value: Any) -> str:
    """Return a value of a config as an override has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _same(value: Any, text: str) -> bool:
    """Tell whether a value of the config is what the override says; numbers as numbers: 0.001 is 1e-3."""
    given = _as_text(value)
    try:
        return given == text or float(given) == float(text)
    except ValueError:
        return isinstance(value, bool) and given == text.lower()
