"""The tables of a report as CSV and Markdown; latex.py has the one for a paper."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from html import escape

from seq2seq_lab.metrics.length_ratio import LENGTH_RATIO
from seq2seq_lab.metrics.table import bounds_of
from seq2seq_lab.report.analysis import Analysis, ArmRow, LengthRow
from seq2seq_lab.report.notes import note_of, notes_of
from seq2seq_lab.report.records import Records
from seq2seq_lab.report.search_arms import FACTOR
from seq2seq_lab.report.statistics import Comparison, Interval

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NO_COMPARISON = Comparison(math.nan, math.nan, math.nan, math.nan, 0)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return CSV; a number that is not finite is empty, and no text can become a formula in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text


def _seeds(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds))


def _interval(interval: Interval) -> list[object]:
    return [interval.mean, interval.deviation, interval.low, interval.high]


def table_csv(analysis: Analysis) -> str:
    """Return the main table; `lowest` and `highest` bound its metric. Nothing in it depends on time or machine."""
    head = ["metric", "arm", "num_seeds", "seeds", "mean", "sd", "low", "high", "difference", "diff_low",
            "diff_high", "p", "p_holm", "smallest_effect", "parameters", "lowest", "highest", "note"]  # fmt: skip
    rows: list[Sequence[object]] = [head]
    for row in analysis.table:
        c = row.comparison or NO_COMPARISON
        rows.append([row.metric, row.arm, len(row.seeds), _seeds(row.seeds), *_interval(row.interval), c.difference,
                     c.low, c.high, c.p, row.p_holm, c.smallest_effect, row.parameters, *bounds_of(row.metric),
                     note_of(row)])  # fmt: skip
    return csv_text(rows)


def comparisons_csv(analysis: Analysis) -> str:
    """Return every arm against the baseline under every metric of the text; Holm's correction is per metric."""
    head = ["metric", "arm", "num_seeds", "difference", "diff_low", "diff_high", "p", "p_holm",
            "smallest_effect", "bootstrap_low", "bootstrap_high", "p_permutation", "note"]  # fmt: skip
    rows: list[Sequence[object]] = [head]
    for row in [*analysis.table, *analysis.others]:
        if (c := row.comparison) is not None:
            rows.append([row.metric, row.arm, c.num_seeds, c.difference, c.low, c.high, c.p, row.p_holm,
                         c.smallest_effect, c.bootstrap_low, c.bootstrap_high, c.p_permutation,
                         note_of(row)])  # fmt: skip
    return csv_text(rows)


def by_length_csv(found: Sequence[LengthRow]) -> str:
    """Return scores and gains by quarter of the length of a side; Holm's correction is over all of them."""
    head = ["metric", "arm", "quarter", "sentences", "shortest", "longest", "num_seeds", "mean", "sd", "low",
            "high", "difference", "diff_low", "diff_high", "p", "p_holm", "lowest", "highest", "note"]  # fmt: skip
    rows: list[Sequence[object]] = [head]
    for row in found:
        c = row.comparison or NO_COMPARISON
        rows.append([row.metric, row.arm, row.quarter, row.sentences, row.shortest, row.longest, len(row.seeds),
                     *_interval(row.interval), c.difference, c.low, c.high, c.p, row.p_holm, *bounds_of(row.metric),
                     note_of(row)])  # fmt: skip
    return csv_text(rows)


def by_rarity_csv(analysis: Analysis) -> str:
    """Return F1 and gains of words by how often training has seen them; Holm's correction is over all of them."""
    head = ["metric", "arm", "seen_from", "seen_to", "words", "num_seeds", "mean", "sd", "low", "high", "difference",
            "diff_low", "diff_high", "p", "p_holm", "note"]  # fmt: skip
    rows: list[Sequence[object]] = [head]
    for row in analysis.by_rarity:
        c = row.comparison or NO_COMPARISON
        rows.append([row.metric, row.arm, row.lowest, row.highest, row.words, len(row.seeds), *_interval(row.interval),
                     c.difference, c.low, c.high, c.p, row.p_holm, note_of(row)])  # fmt: skip
    return csv_text(rows)


def runs_csv(records: Records) -> str:
    """Return one row per run with its factors and final numbers (what training logged on the way is left out)."""
    keys = sorted({key for run in records.runs for key in run.result if _is_final(key)})
    rows: list[Sequence[object]] = [["run", "arm", "seed", "state", *records.factors, *keys]]
    for run in records.runs:
        factors = [run.factors.get(key, "") for key in records.factors]
        numbers = [run.result.get(key, math.nan) for key in keys]
        rows.append([run.name, run.arm, run.seed, "done", *factors, *numbers])
    rows += [[one.name, one.arm, one.seed, one.state] for one in records.unfinished]
    return csv_text(rows)


def _is_final(key: str) -> bool:
    return not key.startswith("train/")


def number(value: float, digits: int = 2) -> str:
    """Return a number for people; a dash if it is not known."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def p_text(p: float) -> str:
    """Return a p-value for people."""
    if not math.isfinite(p):
        return "–"
    return "<0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def signed(value: float, digits: int = 2) -> str:
    """Return a difference with its sign."""
    text = number(value, digits)
    return f"+{text}" if math.isfinite(value) and value > 0 else text


def interval_text(low: float, high: float, digits: int = 2) -> str:
    """Return [low, high], or a dash."""
    return (
        f"[{number(low, digits)}, {number(high, digits)}]"
        if math.isfinite(low) and math.isfinite(high)
        else "–"
    )


def digits_for(rows: Sequence[ArmRow]) -> int:
    """Return how many decimals the scores of a table need: two for 0-100, more for losses."""
    largest = max((abs(row.interval.mean) for row in rows), default=100.0)
    return 2 if largest >= 20.0 else 3


def shown_cells(row: ArmRow, digits: int) -> list[str]:
    """Return one row of the main table as texts: the columns of SHOWN."""
    i, c = row.interval, row.comparison or NO_COMPARISON
    return [
        row.arm, str(len(row.seeds)), number(i.mean, digits), number(i.deviation, digits),
        interval_text(i.low, i.high, digits), signed(c.difference, digits),
        interval_text(c.low, c.high, digits), p_text(c.p), p_text(row.p_holm), number(c.smallest_effect, digits),
    ]  # fmt: skip


SHOWN = ("arm", "seeds", "mean", "sd", "95 % interval", "difference", "95 % interval", "p", "p (Holm)",
         "smallest effect")  # fmt: skip


READING = (
    "Intervals of means: t over seeds, within the bounds of the metric. Differences: seeds and sentences together, "
    "paired by sentence; Holm's correction over the arms. Smallest effect: what these seeds and sentences show with "
    "80 % power at 5 %."
)


def markdown(records: Records, analysis: Analysis, prediction: Sequence[str] = ()) -> str:
    """Return report.md: the lines of the prediction, the main table, the runs that are missing, and how to read it."""
    lines = [
        f"# {markdown_text(records.name)}",
        "",
        f"{counted(records)} Metric: {markdown_text(records.metric)}.",
    ]
    lines += [f"Baseline: {markdown_text(analysis.table[0].arm)}."] if analysis.table else []
    if notes := notes_of(analysis.table):
        lines += ["", f"**Note: {markdown_text('; '.join(notes))}.**"]
    lines += ["", *prediction, *(["## Arms", ""] if prediction else [])]
    lines += arms_markdown(analysis)
    if FACTOR in records.factors:
        cells = [SEARCHES, ["---"] * len(SEARCHES), *search_texts(records)]
        lines += ["", "## Searches", "", *map(markdown_row, cells)]
    if records.unfinished:
        lines += ["", "## Runs that are not done", "", *unfinished_markdown(records)]
    lines += ["", READING]
    return "\n".join(lines) + "\n"


SEARCHES = ("arm", "length ratio", "log-probability of an output", "seconds of decoding")


def search_texts(records: Records) -> list[list[str]]:
    """Return what a search does beside its score, as texts: the columns of SEARCHES, means over seeds."""
    keys = {f"test/{LENGTH_RATIO}": 3, "test/mean_score": 2, "test/decoding_seconds": 1}
    rows = []
    for arm, runs in records.arms.items():
        columns = {key: [run.result.get(key, math.nan) for run in runs] for key in keys}
        means = [number(sum(c) / len(c), keys[key]) for key, c in columns.items() if c]
        rows += [[arm, *means]] if runs else []
    return rows


def counted(records: Records) -> str:
    """Return one sentence: how many runs are done, or how many files are compared."""
    if records.is_study:
        return f"{records.total - len(records.unfinished)} of {records.total} runs are done."
    sentences = len(records.runs[0].translated)
    return f"{records.total} files of {sentences:,} sentences are compared."


def arms_markdown(analysis: Analysis) -> list[str]:
    """Return the lines of the main table."""
    digits = digits_for(analysis.table)
    rows = [shown_cells(row, digits) for row in analysis.table]
    return [markdown_row(cells) for cells in (SHOWN, ["---"] * len(SHOWN), *rows)]


def comparisons_markdown(analysis: Analysis) -> list[str]:
    """Return the lines of a table of every arm against the baseline under every metric; none without comparisons."""
    head = ("metric", "arm", "difference", "95 % interval", "p", "p (Holm)")
    rows, found = [], [*analysis.table, *analysis.others]
    for row in found:
        if (c := row.comparison) is not None:
            digits = digits_for([one for one in found if one.metric == row.metric])
            rows.append([row.metric, row.arm, signed(c.difference, digits), interval_text(c.low, c.high, digits),
                         p_text(c.p), p_text(row.p_holm)])  # fmt: skip
    return [markdown_row(cells) for cells in (head, ["---"] * len(head), *rows)] if rows else []


def unfinished_markdown(records: Records) -> list[str]:
    """Return the lines of the table of runs that are not done, each once; none where all are."""
    rows = dict.fromkeys((r.name, r.state, r.reason) for r in records.unfinished)
    head = ("run", "state", "reason")
    return [markdown_row(cells) for cells in (head, ["---"] * 3, *rows)] if rows else []


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\`*_{}\[\]|])", r"\\\1", escape(clean, quote=False))


def markdown_row(cells: Sequence[str]) -> str:
    """Return one row of a table."""
    return f"| {' | '.join(markdown_text(cell) if cell != '---' else cell for cell in cells)} |"
