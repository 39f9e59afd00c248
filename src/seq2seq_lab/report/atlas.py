"""The atlas of effects: for each design choice what one arm of a study gains over another, from several studies.

A declaration lists the choices and the bars. Each bar is a difference of two arms of one study, by the comparison of
the report (statistics.compare). What has no effect yet is listed: a choice without a bar, a bar without study or runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report.analysis import arm_scores
from seq2seq_lab.report.prediction_terms import places_of
from seq2seq_lab.report.records import AGAIN, Records, Run, read_records
from seq2seq_lab.report.reproduction_page import command
from seq2seq_lab.report.statistics import Comparison, Scores, compare, holm, scores_of
from seq2seq_lab.stored_text import read_yaml
from seq2seq_lab.study.prediction import SEARCH, arm_of
from seq2seq_lab.study.prediction_schema import Term, check_metric, difference_of

_KEYS = {"title", "choices", "bars"}
_BAR_KEYS = {"choice", "says", "study", "arm", "minus", "metric", "part", "published"}
_ADVICE = "docs/reports.md has an example"


@dataclass(frozen=True)
class Bar:
    """One effect as declared: `terms` are the arm and the one that is taken away, `published` what others found."""

    choice: str
    says: str
    study: str
    terms: tuple[Term, Term]
    metric: str | None = None
    published: str = ""


@dataclass(frozen=True)
class Declaration:
    """What an atlas shows: the choices in the order of the page, and the bars."""

    title: str
    choices: tuple[str, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Effect:
    """One bar with its numbers; `seeds` are those of the arm and of the other, `data` says what was translated."""

    bar: Bar
    metric: str
    comparison: Comparison
    seeds: tuple[int, int]
    sentences: int
    data: str
    command: str
    p_holm: float = math.nan


@dataclass(frozen=True)
class Atlas:
    """All effects in the order of the choices; `missing` are the bars that have none yet, with the reason."""

    declaration: Declaration
    effects: tuple[Effect, ...]
    missing: tuple[tuple[Bar, str], ...]

    @property
    def unmeasured(self) -> list[str]:
        """The choices without an effect."""
        known = {effect.bar.choice for effect in self.effects}
        return [choice for choice in self.declaration.choices if choice not in known]


def read_declaration(path: Path) -> Declaration:
    """Read the YAML of an atlas; `ConfigError` names the first mistake."""
    found = read_yaml(path, ConfigError, _ADVICE)
    if not isinstance(found, dict) or set(found) != _KEYS:
        raise ConfigError(f"{path}: must have the keys {', '.join(sorted(_KEYS))}; {_ADVICE}")
    choices, bars = found["choices"], found["bars"]
    if not isinstance(choices, list) or not all(isinstance(one, str) and one for one in choices):
        raise ConfigError(f"{path}: choices must be a list of names; {_ADVICE}")
    if len(set(choices)) < len(choices) or not isinstance(bars, list):
        raise ConfigError(f"{path}: choices must differ, and bars must be a list; {_ADVICE}")
    read = tuple(_bar(one, f"bars[{i}]", choices, path) for i, one in enumerate(bars))
    return Declaration(str(found["title"]), tuple(choices), read)


def _bar(value: Any, place: str, choices: Sequence[str], path: Path) -> Bar:
    needed = {"choice", "says", "study", "arm", "minus"}
    if not isinstance(value, Mapping) or not needed <= set(value) <= _BAR_KEYS:
        optional = ", ".join(sorted(_BAR_KEYS - needed))
        names = ", ".join(sorted(needed))
        raise ConfigError(f"{path}: {place}: must have {names}, and may have {optional}")
    texts = [value["choice"], value["says"], value["study"]]
    texts += [value[key] for key in ("metric", "published") if value.get(key) is not None]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ConfigError(
            f"{path}: {place}: choice, says, study, metric and published must be text"
        )
    if value["choice"] not in choices:
        known = ", ".join(choices)
        raise ConfigError(
            f"{path}: {place}: {value['choice']} is none of the choices; they are {known}"
        )
    if value.get("metric") is not None:
        check_metric(value["metric"], f"{path}: {place}.metric")
    arms = {key: value[key] for key in ("arm", "minus", "part") if key in value}
    terms = difference_of(arms, f"{path}: {place}")
    published = value.get("published") or ""
    return Bar(
        value["choice"], value["says"], value["study"], terms, value.get("metric"), published
    )


def read_atlas(path: Path, places: Sequence[Path]) -> Atlas:
    """Compute an atlas from the folders of its studies; `ConfigError` for a bar whose arm a study does not plan."""
    declaration = read_declaration(path)
    studies = {one.name: one for one in (_records(place, declaration) for place in places)}
    if len(studies) < len(places):
        raise ConfigError("two of the studies have one name; give each study once")
    effects: list[Effect] = []
    missing: list[tuple[Bar, str]] = []
    for choice in declaration.choices:
        for bar in (one for one in declaration.bars if one.choice == choice):
            found = _effect(bar, studies.get(bar.study))
            if isinstance(found, Effect):
                effects.append(found)
            else:
                missing.append((bar, found))
    ps = holm([effect.comparison.p for effect in effects])
    corrected = (replace(e, p_holm=p) for e, p in zip(effects, ps, strict=True))
    return Atlas(declaration, tuple(corrected), tuple(missing))


def _records(place: Path, declaration: Declaration) -> Records:
    """Return the records of a study, with its searches if a bar names one."""
    records = read_records(place)
    wanted = [
        term.arm for bar in declaration.bars if bar.study == records.name for term in bar.terms
    ]
    if SEARCH not in records.factors and any(SEARCH in arm for arm in wanted):
        return read_records(place, searches=True)
    return records


def _effect(bar: Bar, records: Records | None) -> Effect | str:
    """Return the effect of a bar, or why there is none yet."""
    if records is None:
        return f"the study {bar.study} is not stored"
    factors = {run.arm: run.factors for run in records.runs}
    factors |= {run.arm: run.factors for run in records.unfinished}
    arms = [arm_of(term.arm, factors, term.path, "name one of them") for term in bar.terms]
    if arms[0] == arms[1]:
        raise ConfigError(
            f"{bar.terms[1].path}: is the arm itself; name another arm of {bar.study}"
        )
    key = (bar.metric or records.metric).removeprefix(f"{records.split}/")
    if left := [run for run in records.unfinished if run.arm in arms]:
        done = sum(len(records.arms[arm]) for arm in arms)
        return f"{done} of {done + len(left)} runs of its arms are done"
    two = replace(records, arms={arm: records.arms[arm] for arm in reversed(arms)})
    scores = arm_scores(two, key)
    if set(scores) != set(arms):
        return f"no finished run of an arm has {records.split}/{key}"
    runs = [records.arms[arm] for arm in arms]
    parts = [_of_part(scores[a], r[0], t) for a, r, t in zip(arms, runs, bar.terms, strict=True)]
    new, old = parts
    if new is None or old is None:
        return f"{records.split}/{key} of a part is not known"
    count = 0 if new.statistics is None else new.statistics.shape[1]
    return Effect(
        bar, f"{records.split}/{key}", compare(old, new, with_resampling=False),
        (len(new.seeds), len(old.seeds)), count or len(runs[0][0].translated), data_of(runs[0][0]),
        command(records.name, records.runs),
    )  # fmt: skip


def _of_part(scores: Scores, run: Run, term: Term) -> Scores | None:
    """Return the scores on the part of a term; None if sentences do not determine the metric."""
    if term.part is None:
        return scores
    if scores.metric is None or scores.statistics is None:
        return None
    places = places_of(run, term.part)
    if len(places) < 2:
        return None
    found = scores_of(scores.metric, scores.seeds, scores.statistics[:, places])
    return replace(found, models=scores.models)


def data_of(run: Run) -> str:
    """Return the corpus of a run and its languages, if it has some (zxx is none); empty if there is no config."""
    path = Path(run.model or run.folder) / "config.yaml"  # a search has no config of its own
    found = read_yaml(path, ConfigError, AGAIN) if path.is_file() else {}
    data = found.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("corpus"), dict):
        return ""
    name = str(data["corpus"].get("_target_", "")).rpartition(".")[2]
    languages = [data.get(f"{side}_language") for side in ("source", "target")]
    return name if {None, "zxx"} & {*languages} else f"{name} {'-'.join(map(str, languages))}"
