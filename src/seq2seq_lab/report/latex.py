"""The main table of a report for a paper: booktabs, caption, label, readable names of arms."""

import math
from collections.abc import Mapping, Sequence

from seq2seq_lab.report.analysis import Analysis, ArmRow
from seq2seq_lab.report.axis import axis_label, file_name
from seq2seq_lab.report.notes import notes_of
from seq2seq_lab.report.records import Records
from seq2seq_lab.report.spread import LEVEL
from seq2seq_lab.report.tables import digits_for, interval_text, number, p_text, signed

_TEX = {"\\": r"\textbackslash{}", "–": "--", "−": "$-$", "+": "$+$", "±": r"$\pm$", "<": "$<$", ">": "$>$",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "[": "{[}", "]": "{]}", "*": "{*}",
        **{c: f"\\{c}" for c in "&%$#_{}"}}  # fmt: skip
MARK = r"\rlap{$^{*}$}"
"""Beside a number it takes no width, so that the digits of a column stay below each other."""
_HEAD = ("", "seeds", "mean ± sd", "95 % interval", "difference", "95 % interval", "p (Holm)")


def tex(text: str) -> str:
    """Return a text that LaTeX shows as it is."""
    return "".join(_TEX.get(c, c if c.isprintable() else " ") for c in text)


def table_tex(records: Records, analysis: Analysis, names: Mapping[str, str]) -> str:
    """Return a table environment. Its packages and the signature of the metric are in comments."""
    digits = digits_for(analysis.table)
    rows = [_row(row, names[row.arm], digits) for row in analysis.table]
    signatures = {run.signatures.get(records.metric.partition("/")[2], "") for run in records.runs}
    return table(
        _HEAD, rows, "l" + "r" * (len(_HEAD) - 1), _caption(records, analysis, names),
        label=f"tab:{file_name(records.name)}", comments=sorted(signatures - {""}),
    )  # fmt: skip


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], columns: str, caption: str, *, label: str,
    comments: Sequence[str] = (), above: Sequence[str] = (), environment: str = "table",
) -> str:  # fmt: skip
    """Return a table environment; rows and caption are LaTeX, the head is text, `above` are lines over the head."""
    lines = [r"% \usepackage{booktabs}"]
    lines += [f"% {''.join(c if c.isprintable() else ' ' for c in text)}" for text in comments]
    lines += [rf"\begin{{{environment}}}[t]", r"\centering\small\setlength{\tabcolsep}{4pt}"]
    lines += [rf"\caption{{{caption}}}", rf"\label{{{label}}}"]
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *above]
    lines += [" & ".join(map(tex, head)) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}", rf"\end{{{environment}}}"]
    return "\n".join(lines) + "\n"


def _row(row: ArmRow, name: str, digits: int) -> list[str]:
    i, c = row.interval, row.comparison
    known = math.isfinite(i.deviation)
    mean = (
        f"{number(i.mean, digits)} ± {number(i.deviation, digits)}"
        if known
        else number(i.mean, digits)
    )
    shown = [name, str(len(row.seeds)), mean, interval_text(i.low, i.high, digits)]
    if c is None:
        return [*map(tex, shown), *[tex("–")] * 3]
    difference = tex(signed(c.difference, digits)) + (MARK if row.p_holm < LEVEL else "")
    return [
        *map(tex, shown),
        difference,
        tex(interval_text(c.low, c.high, digits)),
        tex(p_text(row.p_holm)),
    ]


def _caption(records: Records, analysis: Analysis, names: Mapping[str, str]) -> str:
    what = f"{axis_label(records.metric)} of {records.name}"
    text = f"{what}: mean and standard deviation over seeds, with 95 % intervals."
    compared = [row for row in analysis.table if math.isfinite(row.p_holm)]
    found = [tex(text)]
    if compared:
        found.append(tex(f"Differences are to {names[analysis.table[0].arm]}, paired by sentence."))
        found.append(significance(len(compared)))
    left = len(records.unfinished)
    if left:
        found.append(tex(f"{left} of {records.total} runs are not done and are left out."))
    return " ".join([*found, *noted(notes_of(analysis.table), names)])


def significance(comparisons: int) -> str:
    """Return what the mark of a difference means."""
    count = f"{comparisons} comparison" + "s" * (comparisons != 1)
    return rf"$^{{*}}$: $p < {LEVEL:g}$ after Holm's correction for {count}."


def noted(notes: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Return notes as a sentence of a caption, with the names of the arms; none for no notes."""
    text = "; ".join(notes)
    for arm, name in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(f"{arm} has ", f"{name} has ")
    return [tex(f"Note: {text}.")] if text else []
