"""What few seeds do to the numbers of a report, said beside them."""

from collections.abc import Sequence

from seq2seq_lab.report.analysis import ArmRow, LengthRow
from seq2seq_lab.report.rarity import RarityRow
from seq2seq_lab.report.statistics import ONE_SEED

TWO_SEEDS = "2 seeds: the interval rests on 1 degree of freedom"
TWO_COMPARED = "the difference rests on 2 seeds of one side"
_MOST_ARMS = 3
EXPLAINED = {
    ONE_SEED: "Intervals and p-values of such arms are over sentences only; another seed may turn the order round.",
    TWO_SEEDS: "Its t quantile is 12.7, with 3 seeds 4.3: a third seed makes such an interval three times shorter.",
    TWO_COMPARED: "Run the seeds that one of the arms lacks.",
}
"""One more sentence for the page."""


def note_of(row: ArmRow | LengthRow | RarityRow) -> str:
    """Return what must be said of a row; empty if nothing must."""
    c = row.comparison
    found = [row.interval.note if c is None else c.note]
    if len(row.seeds) == 2:
        found.append(TWO_SEEDS)
    elif c is not None and c.num_seeds == 2:
        found.append(TWO_COMPARED)
    return "; ".join(text for text in found if text)


def notes_of(rows: Sequence[ArmRow]) -> list[str]:
    """Return what must be said of a table: the notes of its rows, and which arms lack seeds that others have."""
    found = dict.fromkeys(text for row in rows for text in note_of(row).split("; ") if text)
    everyone = sorted({seed for row in rows for seed in row.seeds})
    fewer = [row for row in rows if len(row.seeds) < len(everyone)]
    if fewer:
        arms = [f"{row.arm} has {_seeds(row.seeds)}" for row in fewer[:_MOST_ARMS]]
        arms += (
            [f"and {len(fewer) - _MOST_ARMS} more arms have fewer"]
            if len(fewer) > _MOST_ARMS
            else []
        )
        found[f"not every arm has the seeds {_seeds(everyone)}: {', '.join(arms)}"] = None
    return list(found)


def _seeds(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds)) or "none"
