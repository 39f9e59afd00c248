"""METRICS: every metric of decoded text, one row each, and the direction of every monitored number.

result.json, metrics.csv, the printed summary, the epoch's line, bootstrap intervals, the report and
scripts/rederive.py follow from the rows; a new metric is one row and its function.
"""

import math
from collections import UserDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from seq2seq_lab.config.extension_registry import active, extensions, import_of
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.metrics.accuracy import exact_matches
from seq2seq_lab.metrics.bleu import (
    bleu_of_sums,
    cased_bleu,
    chrf2,
    chrf_of_sums,
    chrf_plus_plus,
    lower_cased_bleu,
    ter_of_sums,
    translation_edit_rate,
)
from seq2seq_lab.metrics.edit_distance import (
    character_edits,
    character_errors,
    word_errors,
    words_in_place,
)
from seq2seq_lab.metrics.metric import Metric, Ratio, Sacrebleu

_ERRORS: Any = {"lower_is_better": True, "bounds": (0.0, math.inf)}
_ROWS: tuple[Metric, ...] = (
    Sacrebleu("bleu", "BLEU", cased_bleu, bleu_of_sums, epoch_line="BLEU {:.2f}"),
    Sacrebleu("bleu_tok_lc", "BLEU, tokenised, lower-cased", lower_cased_bleu, bleu_of_sums),
    Sacrebleu("chrf", "chrF", chrf2, chrf_of_sums),
    Sacrebleu("chrfpp", "chrF++", chrf_plus_plus, chrf_of_sums, each_epoch=False),
    Sacrebleu("ter", "TER", translation_edit_rate, ter_of_sums, **_ERRORS, each_epoch=False),
    Ratio("cer", "character error rate %", character_errors, **_ERRORS),
    Ratio("wer", "word error rate %", word_errors, **_ERRORS),
    Ratio("edit_distance", "edited characters per sentence", character_edits, **_ERRORS, scale=1.0),
    Ratio("token_accuracy", "token accuracy %", words_in_place),
    Ratio("exact_match", "exact match %", exact_matches, epoch_line="exact {:.1f} %"),
)


class _Table(UserDict[str, Metric]):
    """The rows of this package, and behind them those of the extensions of the run that is carried out or read."""

    def _rows(self) -> dict[str, Metric]:
        return {**self.data, **rows_of_extensions(active(), tuple(self.data))}

    def __getitem__(self, name: str) -> Metric:
        return self.data[name] if name in self.data else self._rows()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._rows()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows())

    def __len__(self) -> int:
        return len(self._rows())

    @contextmanager
    def with_rows(self, rows: Mapping[str, Metric]) -> Iterator[None]:
        """Hold further rows for a while: scores that a report takes from a file."""
        before = dict(self.data)
        self.data.update(rows)
        try:
            yield
        finally:
            self.data = before


def rows_of_extensions(names: tuple[str, ...], taken: tuple[str, ...]) -> dict[str, Metric]:
    """Return the rows that these extensions bring: `METRICS` of their top-level module, {name: Metric}.

    Raises `ConfigError` for what is no such table, or a name that is `taken`.
    """
    found: dict[str, Metric] = {}
    for extension in names:
        if not extensions()[extension].has_metrics:
            continue
        rows = getattr(import_of(extension), "METRICS", {})  # a star import may bring none
        if not isinstance(rows, Mapping):
            raise ConfigError(f"{extension}.METRICS: must be a dict of name and Metric")
        for name, row in rows.items():
            if not isinstance(row, Metric) or row.name != name:
                raise ConfigError(
                    f"{extension}.METRICS[{name!r}]: must be a Metric whose name is {name!r}"
                )
            if name in taken or name in found:
                raise ConfigError(
                    f"{extension}.METRICS[{name!r}]: there is a metric of this name already; rename it"
                )
            found[name] = row
    return found


METRICS = _Table({row.name: row for row in _ROWS})

_LOSSES = ("loss", "perplexity", "exposure_bias", "gradient_norm", "alignment_error")
"""How the names of numbers begin that no text determines and of which less is better."""


def lower_is_better(name: str) -> bool:
    """Return the direction of a metric named `<split>/<metric>`, or without the split."""
    metric = name.rpartition("/")[2]
    return METRICS[metric].lower_is_better if metric in METRICS else metric.startswith(_LOSSES)


def bounds_of(name: str) -> tuple[float, float]:
    """Return the bounds of a metric named `<split>/<metric>`, or without the split; none but of METRICS have any."""
    metric = name.rpartition("/")[2]
    return METRICS[metric].bounds if metric in METRICS else (-math.inf, math.inf)
