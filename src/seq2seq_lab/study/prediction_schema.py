"""The schema of `prediction:`: what a study is expected to show, as its config says it.

A mistake is a `ConfigError` that names its key, as in prediction.tests[2].arm. docs/predictions.md explains every key.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from seq2seq_lab.config.problems import closest
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.metrics.monitor import monitors
from seq2seq_lab.metrics.table import METRICS

Judge = Literal["interval", "mean", "each_seed"]
_KEYS = ("claim", "source", "shape", "published", "seeds", "by", "tests")
_TEST_KEYS = ("says", "arm", "minus", "sum", "metric", "part", "judge", "at_least", "at_most")
_TERM_KEYS = ("times", "arm", "part")
_PART_KEYS = ("source_length", "source_quarter")
OF_SEARCHES = ("length_ratio", "mean_score", "decoding_seconds")
"""Numbers that a run has where it is read with its searches; any other is named by its whole key in result.json."""
_FAMILIES = re.compile(r"loss_at_ratio_(0|1|0\.\d+)|word_f1_seen_\w+")
OFF = "or switch the prediction off by prediction=null"


@dataclass(frozen=True)
class Part:
    """A part of the test sentences: source lengths from `low` to `high` in words, or one quarter by source length."""

    low: int = 0
    high: int = 0
    quarter: int = 0

    def __str__(self) -> str:
        if self.quarter:
            return f"quarter {self.quarter} of the sources by length"
        return f"sources of {self.low} to {self.high} words"


@dataclass(frozen=True)
class Term:
    """`times` the score of an arm on all test sentences or a part of them; `path` is where the config has the arm."""

    times: float
    arm: dict[str, Any]
    part: Part | None
    path: str


@dataclass(frozen=True)
class Expectation:
    """One test of a prediction: a linear combination of scores lies within bounds. No metric: the study's own."""

    says: str
    terms: tuple[Term, ...]
    metric: str | None
    judge: Judge
    at_least: float
    at_most: float

    @property
    def wanted(self) -> str:
        """The bounds and what must lie within them."""
        bounds = [f"at least {self.at_least:g}"] * (self.at_least > -math.inf)
        bounds += [f"at most {self.at_most:g}"] * (self.at_most < math.inf)
        what = {"interval": "the interval", "mean": "the mean", "each_seed": "every seed"}
        return f"{' and '.join(bounds)}, {what[self.judge]}"


@dataclass(frozen=True)
class Prediction:
    """The whole of `prediction:`. An arm needs `seeds` runs; each value of the factor `by` has a table."""

    claim: str
    source: str
    shape: str
    published: tuple[tuple[str, str], ...]
    seeds: int
    by: str | None
    tests: tuple[Expectation, ...]


def parsed(prediction: Mapping[str, Any]) -> Prediction:
    """Return a prediction from its mapping; `ConfigError` for the first mistake in its shape, whatever the study."""
    path = "prediction"
    found = _mapping(prediction, path, _KEYS)
    claim, source, shape = (_text(found, key, path) for key in ("claim", "source", "shape"))
    seeds, by = found.get("seeds", 1), found.get("by")
    if type(seeds) is not int or seeds < 1:
        raise ConfigError(
            f"{path}.seeds={seeds}: must be a whole number >= 1, of runs for each arm"
        )
    if by is not None and not isinstance(by, str):
        raise ConfigError(f"{path}.by={by}: must be the name of a factor, as data")
    rows = [
        tuple(
            _text(_mapping(row, place, ("setting", "number")), key, place, is_number_fine=True)
            for key in ("setting", "number")
        )
        for place, row in _items(found.get("published") or [], f"{path}.published")
    ]
    published = tuple((setting, number) for setting, number in rows)
    tests = tuple(_test(row, place) for place, row in _items(found.get("tests"), f"{path}.tests"))
    if not tests:
        raise ConfigError(f"{path}.tests: none; write one test at least, {OFF}")
    return Prediction(claim, source, shape, published, seeds, by, tests)


def _test(value: Any, path: str) -> Expectation:
    found = _mapping(value, path, _TEST_KEYS)
    says = _text(found, "says", path)
    metric = found.get("metric")
    if metric is not None:
        check_metric(metric, f"{path}.metric")
    terms = _terms(found, path)
    if metric is not None and not is_of_sentences(metric) and any(term.part for term in terms):
        raise ConfigError(
            f"{path}.part: {metric} is not determined by sentences, so it has no part; leave part out, or choose a "
            f"metric of {', '.join(METRICS)}"
        )
    judge = found.get("judge", "interval")
    if judge not in get_args(Judge):
        raise ConfigError(
            f"{path}.judge={judge}: must be one of {', '.join(get_args(Judge))}{closest(str(judge), get_args(Judge))}"
        )
    return Expectation(says, terms, metric, judge, *_bounds(found, path))


def difference_of(found: Mapping[str, Any], path: str) -> tuple[Term, Term]:
    """Return the terms of `arm` and `minus`, on one `part` if there is one."""
    arm, minus = _terms(dict(found), path)
    return arm, minus


def _terms(found: dict[str, Any], path: str) -> tuple[Term, ...]:
    """Return the terms of `sum`, or of `arm` and `minus`."""
    if ("arm" in found) == ("sum" in found):
        raise ConfigError(f"{path}: needs one of `arm` (with or without `minus`) and `sum`")
    if "arm" in found:
        part = _part(found["part"], f"{path}.part") if "part" in found else None
        keys = {"arm": 1.0, "minus": -1.0}
        return tuple(
            Term(times, _arm(found[key], f"{path}.{key}"), part, f"{path}.{key}")
            for key, times in keys.items()
            if key in found
        )
    for key in ("minus", "part"):
        if key in found:
            raise ConfigError(f"{path}.{key}: does not go with `sum`; give each term its own")
    terms = []
    for place, row in _items(found["sum"], f"{path}.sum"):
        term = _mapping(row, place, _TERM_KEYS)
        times = _number(term, "times", place)
        if times is None or times == 0.0:
            raise ConfigError(f"{place}.times: must be a number other than 0, as in -1.3")
        if "arm" not in term:
            raise ConfigError(
                f"{place}.arm: missing; give the factors of an arm, or {{}} for all runs"
            )
        part = _part(term["part"], f"{place}.part") if "part" in term else None
        terms.append(Term(times, _arm(term["arm"], f"{place}.arm"), part, f"{place}.arm"))
    if not terms:
        raise ConfigError(f"{path}.sum: no term in it; write one at least")
    return tuple(terms)


def _arm(value: Any, path: str) -> dict[str, Any]:
    is_fine = isinstance(value, Mapping) and not any(
        isinstance(one, Mapping | list) for one in value.values()
    )
    if not is_fine:
        raise ConfigError(
            f"{path}={value}: must map factors to values, as {{model/attention: dot}}"
        )
    return {str(key): one for key, one in value.items()}


def _part(value: Any, path: str) -> Part:
    found = _mapping(value, path, _PART_KEYS)
    if len(found) != 1:
        raise ConfigError(f"{path}: needs one of {' and '.join(_PART_KEYS)}")
    if "source_quarter" in found:
        quarter = found["source_quarter"]
        if type(quarter) is not int or not 1 <= quarter <= 4:
            raise ConfigError(f"{path}.source_quarter={quarter}: must be 1, 2, 3 or 4")
        return Part(quarter=quarter)
    ends = found["source_length"]
    is_pair = (
        isinstance(ends, list | tuple) and len(ends) == 2 and all(type(n) is int for n in ends)
    )
    if not is_pair or not 0 <= ends[0] <= ends[1]:
        raise ConfigError(
            f"{path}.source_length={ends}: must be [fewest, most] words of the source, as in [16, 20]"
        )
    return Part(*ends)


def _bounds(found: dict[str, Any], path: str) -> tuple[float, float]:
    low, high = (_number(found, key, path) for key in ("at_least", "at_most"))
    if low is None and high is None:
        raise ConfigError(f"{path}: no bound; give at_least, at_most or both")
    if low is not None and high is not None and low > high:
        raise ConfigError(f"{path}.at_least={low:g}: must be <= at_most, which is {high:g}")
    return -math.inf if low is None else low, math.inf if high is None else high


def check_metric(name: Any, path: str) -> None:
    """Raise `ConfigError` for a name that no run can have; a whole key of result.json is known when runs are done."""
    known = [
        *METRICS,
        *OF_SEARCHES,
        *(n.partition("/")[2] for n in monitors() if n.startswith("val/")),
    ]
    if isinstance(name, str) and ("/" in name or name in known or _FAMILIES.fullmatch(name)):
        return
    raise ConfigError(
        f"{path}={name}: no such metric{closest(str(name), known)}; there are {', '.join(METRICS)}, and any other "
        "number of result.json by its whole key, as test/NAME"
    )


def is_of_sentences(metric: str) -> bool:
    """Tell whether the test sentences determine this metric, named alone or with its split."""
    split, _, name = metric.rpartition("/")
    return name in METRICS and split in ("", "test")


def _mapping(value: Any, path: str, keys: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}={value}: must be a mapping with the keys {', '.join(keys)}")
    for key in value:
        if key not in keys:
            raise ConfigError(
                f"{path}.{key}: no such key{closest(str(key), keys)}; there are {', '.join(keys)}"
            )
    return {key: one for key, one in value.items() if one is not None}


def _items(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{path}: must be a list")
    return [(f"{path}[{i}]", row) for i, row in enumerate(value)]


def _text(found: dict[str, Any], key: str, path: str, *, is_number_fine: bool = False) -> str:
    value = found.get(key)
    if is_number_fine and type(value) in (int, float):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{path}.{key}: missing, or not a text; write it down")
    return value


def _number(found: dict[str, Any], key: str, path: str) -> float | None:
    value = found.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ConfigError(f"{path}.{key}={value}: must be a number")
    return float(value)
