"""A prediction and its verdict as people read them: Markdown, CSV, and the rows of the page."""

import math
from dataclasses import dataclass
from pathlib import Path

from seq2seq_lab.metrics.table import METRICS, bounds_of
from seq2seq_lab.report.prediction import Tested, Verdict, judge
from seq2seq_lab.report.records import Records, read_records
from seq2seq_lab.report.tables import csv_text, interval_text, markdown_row, markdown_text, number
from seq2seq_lab.study.prediction import fingerprint
from seq2seq_lab.study.prediction_schema import Prediction, parsed

FILE = "prediction.csv"
"""In the folder of a report: a row for each test, unrounded."""
HEAD = ("test", "estimate", "95 % interval", "wanted", "verdict", "note")
READING = (
    "A test is confirmed if all of what its last words name (the interval, the mean, every seed) is within the bounds, "
    "refuted if all of it is outside (for every seed: if one seed is), else undecided."
)


@dataclass(frozen=True)
class Judged:
    """A prediction, the SHA-256 of its text in study.json, and what the finished runs say of it."""

    prediction: Prediction
    sha256: str
    verdict: Verdict

    @property
    def rows(self) -> list[list[str]]:
        """One row of texts for each test, under HEAD."""
        return [_row(test) for test in self.verdict.tests]

    @property
    def written(self) -> str:
        """When the prediction was written down, and what proves it."""
        return (
            "Written down before the first run: study.json and the config.yaml of every finished run hold the same "
            f"prediction, SHA-256 {self.sha256}."
        )


def judged(records: Records) -> Judged | None:
    """Judge the prediction of a study; None if it has none. `records` have the study's own metric."""
    if records.prediction is None:
        return None
    found = parsed(records.prediction)
    return Judged(found, fingerprint(records.prediction), judge(records, records.prediction))


def section_of(study_dir: Path) -> str:
    """Return the prediction of a study and its verdict as Markdown; empty if it has none."""
    found = judged(read_records(study_dir))
    return "" if found is None else "\n".join(markdown_of(found))


def _row(test: Tested) -> list[str]:
    digits = 2 if test.metric.rpartition("/")[2] in METRICS else 3
    interval = interval_text(test.low, test.high, digits)
    if test.judge == "each_seed" and math.isfinite(test.low):
        interval = f"seeds: {number(test.low, digits)} to {number(test.high, digits)}"
    return [test.says, number(test.value, digits), interval, test.wanted, test.verdict, test.note]


def claim_lines(prediction: Prediction) -> list[str]:
    """Return what a prediction says in words, as Markdown."""
    texts = {
        "Claim": prediction.claim,
        "Source": prediction.source,
        "Expected shape": prediction.shape,
    }
    return [
        line for name, text in texts.items() for line in (f"**{name}.** {markdown_text(text)}", "")
    ]


def markdown_of(found: Judged) -> list[str]:
    """Return the lines of the section of a report."""
    prediction = found.prediction
    lines = [f"## Prediction: {found.verdict.verdict}", "", *claim_lines(prediction)]
    lines += [markdown_row(cells) for cells in (HEAD, ["---"] * len(HEAD), *found.rows)]
    lines += ["", READING]
    if prediction.published:
        table = [("published: setting", "number"), ("---", "---"), *prediction.published]
        lines += ["", *(markdown_row(cells) for cells in table)]
    return [*lines, "", markdown_text(found.written), ""]


def prediction_csv(found: Judged) -> str:
    """Return every test with its numbers and the bounds of its metric; scripts/rederive.py computes them again."""
    head = ["test", "metric", "judge", "value", "low", "high", "at_least", "at_most", "lowest",
            "highest", "verdict", "note"]  # fmt: skip
    rows: list[list[object]] = [list(head)]
    for test, wanted in zip(found.verdict.tests, found.prediction.tests, strict=True):
        rows.append([test.says, test.metric, test.judge, test.value, test.low, test.high, wanted.at_least,
                     wanted.at_most, *bounds_of(test.metric), test.verdict, test.note])  # fmt: skip
    return csv_text(rows)
