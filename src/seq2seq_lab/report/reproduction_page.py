"""The page of a reproduction: claim, command, our numbers beside the published ones, every test and the verdict.

Made from the files of a study alone, as seq2seq-lab report STUDY --reproduction FOLDER; the same files give the same
bytes. There is no date on it.
"""

import math
import shlex
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ConfigError, printable
from seq2seq_lab.files import write_text
from seq2seq_lab.report.analysis import analyse_declared
from seq2seq_lab.report.axis import axis_label
from seq2seq_lab.report.notes import notes_of
from seq2seq_lab.report.prediction_text import HEAD, READING, Judged, claim_lines, judged
from seq2seq_lab.report.records import Records, Run, read_records
from seq2seq_lab.report.reproduction_figure import column_name, drawing, panels
from seq2seq_lab.report.several import Column, Several, in_columns
from seq2seq_lab.report.several_page import signatures
from seq2seq_lab.report.tables import (
    NO_COMPARISON,
    digits_for,
    interval_text,
    markdown_row,
    markdown_text,
    number,
    signed,
    unfinished_markdown,
)
from seq2seq_lab.study.stored_study import name_of

ARMS = (
    "arm", "seeds", "mean", "sd", "95 % interval", "difference", "95 % interval", "parameters", "time per run",
)  # fmt: skip
_OF_PLACE = ("study_dir=", "run_dir=")
"""Arguments that say where a study lies; they decide no number."""
_OF_LAUNCH = (
    "hydra/launcher=",
    "hydra.launcher.",
    "training/logger=",
    "training.logger.",
    "resume=",
)
"""Arguments that may change from one start of a study to the next; they decide no number either."""
_VERSIONS = ("seq2seq-lab", "torch", "sacrebleu")


def write_reproduction(place: Path, folder: Path) -> Path:
    """Write NAME.md and NAME.svg of a study to a folder and return the page's path.

    Raises `ConfigError` for a study without a prediction, or without a run that is done.
    """
    records = read_records(place)
    found = judged(records)
    if found is None:
        raise ConfigError(
            f"{place}: its study has no prediction, so nothing was to be reproduced; docs/predictions.md says how to "
            "write one"
        )
    if not records.runs:
        raise ConfigError(f"{place}: no run is done; run the study's command again")
    several = in_columns([records], found.prediction.by, analyse_declared)
    has_parts = any(term.part for test in found.prediction.tests for term in test.terms)
    shown = panels(several, records.name, with_lengths=has_parts)
    folder.mkdir(parents=True, exist_ok=True)
    name = name_of(place)
    if shown:
        write_text(folder / f"{name}.svg", drawing(shown))
    text = page(name, records, found, several, has_figure=bool(shown))
    write_text(folder / f"{name}.md", text)
    return folder / f"{name}.md"


def page(name: str, records: Records, found: Judged, several: Several, *, has_figure: bool) -> str:
    """Return the page as Markdown."""
    expected = found.prediction
    lines = [f"# {markdown_text(name)}: {found.verdict.verdict}", "", *claim_lines(expected)]
    lines += ["```", command(name, records.runs), "```", ""]
    lines += [f"## Tests: {found.verdict.verdict}", "", *_table(HEAD, found.rows), "", READING, ""]
    lines += ["## Our numbers", "", _counted(records), ""]
    for column in several.columns:
        lines += [*_column(column, several, records.name), ""]
    if expected.published:
        lines += ["## Published numbers", ""]
        lines += [*_table(("setting", "number"), [list(row) for row in expected.published]), ""]
        lines += ["Where data, sizes or scorer differ from ours, compare signs and shapes.", ""]
    if has_figure:
        lines += [f"![Differences and scores of the arms]({name}.svg)", ""]
    if records.unfinished:
        lines += ["## Runs that are not done", "", *unfinished_markdown(records), ""]
    lines += ["## How it was run", "", *_circumstances(records), ""]
    lines += [markdown_text(found.written), ""]
    stored, pages = f"docs/reproductions/studies/{name}.tar.xz", "docs/reproductions"
    lines += [f"The study is stored as `{stored}`; this page is made from it:", ""]
    lines += ["```", f"seq2seq-lab report {shlex.quote(stored)} --reproduction {pages}", "```"]
    return printable("\n".join(lines) + "\n")


def command(name: str, runs: Sequence[Run]) -> str:
    """Return the command of the study: as typed for most runs, the last one if several trained as many.

    What launches and logs is left out where several differ in nothing else; runs of other studies do not count.
    """
    began = sorted(runs, key=lambda run: str(run.manifest.get("started", "")))
    typed = [one for run in began if (one := _typed(run.manifest.get("command")))]
    own = [words for words in typed if _names(words, name)]
    bare = {tuple(word for word in words if not word.startswith(_OF_LAUNCH)) for words in own}
    words: tuple[str, ...] = (f"experiment={name}", "hydra/launcher=local")
    if len(set(typed)) == 1:
        words = typed[0]
    elif len(bare) == 1 < len(set(own)):
        words = (*bare.pop(), "hydra/launcher=local")
    elif own:
        words = max(reversed(own), key=own.count)
    return f"python train.py {shlex.join(words)}"


def _names(words: Collection[str], study: str) -> bool:
    """Return whether typed arguments are those of a study, by its name or by its experiment and preset."""
    chosen = dict(word.partition("=")[::2] for word in words)
    parts = (chosen.get("experiment"), chosen.get("preset"))
    return study in (chosen.get("study"), "_".join(part for part in parts if part))


def _typed(words: Any) -> tuple[str, ...]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return ()
    return tuple(word for word in words if not word.startswith(_OF_PLACE))


def _counted(records: Records) -> str:
    done = records.total - len(records.unfinished)
    metric = markdown_text(axis_label(records.metric))
    return (
        f"{metric}; {done} of {records.total} runs are done. Intervals of means: t over seeds. Differences to the "
        "first arm: seeds and sentences together, paired by sentence."
    )


def _column(column: Column, several: Several, study: str) -> list[str]:
    """Return the table of one value of the factor that has its own test sentences, or of the whole study."""
    name, digits = column_name(column.name, study), digits_for(column.rows)
    lines = [] if name == study else [f"### {markdown_text(name)}", ""]
    rows = []
    for row in column.rows:
        i, c = row.interval, row.comparison or NO_COMPARISON
        seconds = [run.seconds for run in column.records.arms[row.arm]]
        rows.append([
            several.names[row.arm], str(len(row.seeds)), number(i.mean, digits), number(i.deviation, digits),
            interval_text(i.low, i.high, digits), signed(c.difference, digits), interval_text(c.low, c.high, digits),
            f"{row.parameters:,.0f}" if math.isfinite(row.parameters) else "–", _time(sum(seconds) / len(seconds)),
        ])  # fmt: skip
    lines += _table(ARMS, rows) if rows else ["No run is done."]
    if signature := signatures(column):
        lines += ["", f"Signature: `{signature}`"]
    if noted := notes_of(column.rows):
        lines += ["", f"Note: {markdown_text('; '.join(noted))}."]
    return lines


def _circumstances(records: Records) -> list[str]:
    """Return what the manifests say of machine, versions and code, and the times; searches share the run of a model."""
    runs = list({run.name.partition("/")[0]: run for run in records.runs}.values())
    seconds = [run.seconds for run in runs if math.isfinite(run.seconds)]
    lines = [f"- Hardware: {_several_texts([_hardware(run) for run in runs])}"]
    if seconds:
        span = f"{_time(min(seconds))} to {_time(max(seconds))}"
        lines.append(
            f"- Time: {span} for a run, {_time(math.fsum(seconds))} for all {len(seconds)}"
        )
    lines.append(f"- Versions: {_several_texts([_versions(run) for run in runs])}")
    lines.append(f"- Code: {_several_texts([_code(run) for run in runs])}")
    return lines


def _several_texts(texts: Sequence[str]) -> str:
    """Return a text that all runs have; of several each with the number of its runs."""
    counts = sorted(Counter(texts).items())
    if len(counts) == 1:
        return markdown_text(counts[0][0])
    return markdown_text("; ".join(f"{text} ({count} runs)" for text, count in counts))


def _hardware(run: Run) -> str:
    facts = _mapping(run.manifest.get("hardware"))
    gpus = facts.get("gpus")
    named = ", ".join(map(str, gpus)) if isinstance(gpus, list) and gpus else "no GPU"
    cores, threads = facts.get("cores", "?"), facts.get("torch_threads", "?")
    return f"{facts.get('processor', 'unknown processor')}, cores: {cores}, threads: {threads}, {named}"


def _versions(run: Run) -> str:
    versions = _mapping(run.manifest.get("versions"))
    known = [f"{name} {versions[name]}" for name in _VERSIONS if name in versions]
    return ", ".join([f"Python {run.manifest.get('python', 'unknown')}", *known])


def _code(run: Run) -> str:
    code = _mapping(run.manifest.get("code"))
    changes = " with changes" if code.get("diff_sha256") else ""
    return f"commit {str(code.get('commit', 'unknown'))[:12]}{changes}"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(seconds: float) -> str:
    """Return a time for people: 95 s, 12 min, 3.4 h."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [markdown_row(cells) for cells in (head, ["---"] * len(head), *rows)]
