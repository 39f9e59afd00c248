"""METRICS: every metric of decoded text, one row each, and the direction of every monitored number.

result.json, metrics.csv, the printed summary, the epoch's line, bootstrap intervals, the report and
scripts/rederive.py follow from the rows; a new metric is one row and its function.
"""

from seq2seq_lab.metrics.accuracy import exact_matches
from seq2seq_lab.metrics.bleu import (
    bleu_of_sums,
    cased_bleu,
    chrf2,
    chrf_of_sums,
    lower_cased_bleu,
)
from seq2seq_lab.metrics.metric import Metric, Ratio, Sacrebleu

_ROWS: tuple[Metric, ...] = (
    Sacrebleu("bleu", "BLEU", cased_bleu, bleu_of_sums, epoch_line="BLEU {:.2f}"),
    Sacrebleu("bleu_tok_lc", "BLEU, tokenised, lower-cased", lower_cased_bleu, bleu_of_sums),
    Sacrebleu("chrf", "chrF", chrf2, chrf_of_sums),
    Ratio("exact_match", "exact match %", exact_matches, epoch_line="exact {:.1f} %"),
)
METRICS = {row.name: row for row in _ROWS}

_LOSSES = ("loss", "perplexity", "exposure_bias", "gradient_norm")
"""How the names of numbers begin that no text determines and of which less is better."""


def lower_is_better(name: str) -> bool:
    """Return the direction of a metric named `<split>/<metric>`, or without the split."""
    metric = name.rpartition("/")[2]
    return METRICS[metric].lower_is_better if metric in METRICS else metric.startswith(_LOSSES)
