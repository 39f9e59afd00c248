"""Scores free-running translations of validation and test by every row of METRICS, stores and sends them."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.pairs import targets_of
from seq2seq_lab.files import write_json, write_json_lines
from seq2seq_lab.inference.translator import Translation
from seq2seq_lab.metrics.scores import hypothesis_rows, score, too_short_for_bleu
from seq2seq_lab.metrics.sentences import SentenceStatistics
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.metrics.word_rarity import Frequencies, training_frequencies
from seq2seq_lab.training.pack import evaluated
from seq2seq_lab.training.pack_step import Evaluation


class Bleu(pl.Callback):
    """Logs every metric of `metrics/table.py` for the free-running output of a split.

    Writes in the run folder what the numbers can be made from again: hypotheses/<split>.jsonl (one line per pair, in
    order), hypotheses/signatures.json (how sacreBLEU scored) and hypotheses/<split>_counts.jsonl (both counts of each
    pair, for every metric that is a ratio). hypotheses/intervals.json holds the 95 % bootstrap intervals of the test,
    hypotheses/word_counts.json how often the training targets have the words of the test.
    Loggers that take them get all test hypotheses with the score of each sentence, and the metrics by source length.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}  # in full precision, where Lightning logs 32 bits

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Say that BLEU cannot choose a checkpoint where every reference is too short for it."""
        data, references = trainer.datamodule, [p.target for p in trainer.datamodule.pairs["val"]]
        if not (data.monitor.startswith("val/bleu") and references and trainer.is_global_zero):
            return
        if too_short_for_bleu(references, data.corpus.target_language):
            sys.stderr.write(
                f"note: no reference of the validation split has 4 tokens, so BLEU is 0 whatever the output; "
                f"{data.monitor} cannot tell checkpoints apart: use data.monitor=val/exact_match\n"
            )

    def on_validation_epoch_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """Score the validation split."""
        self._score("val", trainer, pl_module)

    def on_test_epoch_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """Score the test split."""
        self._score("test", trainer, pl_module)

    def _score(self, split: str, trainer: Any, module: Any) -> None:
        pairs = trainer.datamodule.pairs[split]
        if not pairs:
            return
        found = _translated(module, split, pairs)
        texts = [t.text for t in found]
        language = trainer.datamodule.corpus.target_language
        known = _frequencies(trainer.datamodule, pairs, texts) if split == "test" else None
        scores = score(
            pairs,
            texts,
            language,
            with_intervals=split == "test",
            names=_rows_of_an_epoch(trainer) if trainer.state.fn == "fit" else None,
            frequencies=known,
        )
        named = {f"{split}/{name}": value for name, value in scores.numbers.items()}
        self.numbers |= named
        module.log_dict(named)
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir) / "hypotheses"
        folder.mkdir(exist_ok=True)
        rows = hypothesis_rows(pairs, texts, [t.score for t in found])
        write_json_lines(folder / f"{split}.jsonl", rows)
        write_json_lines(folder / f"{split}_counts.jsonl", scores.counts)
        write_json(folder / "signatures.json", scores.signatures)
        if known is not None:
            write_json(folder / "word_counts.json", asdict(known))
        if scores.sentences is not None:
            write_json(folder / "intervals.json", {split: scores.intervals})
            self._send(rows, pairs, scores.sentences, trainer)

    def _send(
        self,
        rows: list[dict[str, Any]],
        pairs: Sequence[Pair],
        counted: SentenceStatistics,
        trainer: Any,
    ) -> None:
        """Send the rows of the hypotheses file with a column for each metric, and the quarters by source length."""
        loggers = [log for log in trainer.loggers if hasattr(log, "log_hypotheses")]
        if not loggers:
            return
        by_metric = counted.scores()
        scored = zip(*by_metric.values(), strict=True)
        table = [
            ["\n".join(x) if isinstance(x, list) else x for x in row.values()] + list(found)
            for row, found in zip(rows, scored, strict=True)
        ]
        quarters = counted.by_length_quarter([pair.source for pair in pairs])
        for logger in loggers:
            logger.log_hypotheses("test", [*rows[0], *by_metric], table)
            logger.log_curves(
                "test/by_source_length",
                list(range(1, 1 + len(next(iter(quarters.values()))))),
                quarters,
                title="Score by length of the source",
                x_label="quarter of the sources, shortest first",
            )


def _rows_of_an_epoch(trainer: Any) -> list[str]:
    """Return the metrics that an epoch counts: those that are fast, and what decides about checkpoints."""
    deciding = [trainer.datamodule, *trainer.callbacks, *trainer.lr_scheduler_configs]
    monitored = {str(getattr(one, "monitor", None)).removeprefix("val/") for one in deciding}
    return [name for name, row in METRICS.items() if row.each_epoch or name in monitored]


def _frequencies(data: Any, pairs: Sequence[Pair], hypotheses: list[str]) -> Frequencies:
    """Return how often the training targets have the words of these references and hypotheses."""
    whole = training_frequencies(targets_of(data.pairs["train"]), data.corpus.target_language)
    return whole.of_texts([*(pair.target for pair in pairs), *hypotheses])


def _translated(module: Any, split: str, pairs: Sequence[Pair]) -> list[Translation]:
    """Return the translations; runs of a pack are searched together if they search alike (a sample has a seed)."""
    translator, texts = module.translator, [pair.source for pair in pairs]
    if translator.decoding.intervention is not None:  # acts on one model at a time
        return translator.translate(texts)
    return evaluated(
        Evaluation(
            module,
            f"translations of {split} by {translator.decoding}",
            pairs,
            alone=lambda: translator.translate(texts),
            at_once=lambda seedwise: translator.translate_by_each(seedwise.search_model(), texts),
        )
    )
