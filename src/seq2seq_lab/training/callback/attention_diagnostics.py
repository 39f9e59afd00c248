"""Attention diagnostics of the test split: entropy, monotonicity, coverage of the attention weights."""

from typing import Any

import pytorch_lightning as pl
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.alignment import Aligned, GoldLinks
from seq2seq_lab.metrics.attention_diagnostics import Mean, alignment_error, diagnose
from seq2seq_lab.model.encoder_decoder import EncoderDecoder


@torch.no_grad()
def measure(model: EncoderDecoder, batches: list[Batch], threshold: float) -> dict[str, float]:
    """Return `diagnose` over all batches and heads, with reference tokens as inputs; {} without attention."""
    training = model.training
    model.eval()
    sums: dict[str, Mean] = {}
    for batch in batches:
        weights = model.attention_weights(batch.source, batch.source_lengths, batch.target_input)
        if not weights.shape[-1]:
            break
        masks = batch.source_mask.cpu(), batch.is_target
        for head in weights.cpu().unbind(1):  # in float64, which not every device has
            found = diagnose(head, *masks, threshold)
            sums = {name: mean + sums.get(name, Mean(0.0, 0)) for name, mean in found.items()}
    model.train(training)
    return {name: mean.value for name, mean in sums.items() if mean.count}


@torch.no_grad()
def measure_alignment(
    model: EncoderDecoder, batches: list[Batch], gold: GoldLinks
) -> dict[str, float]:
    """Return `alignment_error` of the heads' mean weights, reference tokens as inputs; {} without attention or gold."""
    training = model.training
    model.eval()
    sums: dict[str, Mean] = {}
    for batch in batches:
        weights = model.attention_weights(batch.source, batch.source_lengths, batch.target_input)
        if not weights.shape[-1]:
            break
        mean = weights.cpu().double().mean(dim=1)
        found = alignment_error(mean, *gold.of(batch))
        sums = {name: mean + sums.get(name, Mean(0.0, 0)) for name, mean in found.items()}
    model.train(training)
    return {name: mean.value for name, mean in sums.items() if mean.count}


class AttentionDiagnostics(pl.Callback):
    """Writes `attention/entropy`, `attention/monotonicity`, `attention/coverage` ... of the test split to result.json.

    The decoder's inputs are reference tokens (teacher forcing), so that all models are measured at the same steps. The
    figures are means over the heads, of a Transformer those of the top layer. A model without attention has no figures.
    A source position is covered when its attention weights sum to more than `threshold` over the output.

    Where the corpus knows its gold alignments (numbers, copy, reverse, sort), `attention/alignment_error`,
    `alignment_precision` and `alignment_recall` as well: the position with the most weight, the heads' mean, against
    them (`metrics/attention_diagnostics.py`).
    """

    def __init__(self, threshold: float = 0.5):
        if threshold <= 0:
            raise ValueError(f"threshold={threshold}: must be > 0; 0.5 is usual")
        self.threshold = threshold
        self.numbers: dict[str, float] = {}

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure and log."""
        pairs = trainer.datamodule.encoded["test"]
        order = pairs.target_lengths.argsort(stable=True)
        batches = [pairs[rows].to(pl_module.device) for rows in order.split(64) if len(rows)]
        found = measure(pl_module.model, batches, self.threshold)
        data = trainer.datamodule
        if found and isinstance(data.corpus, Aligned):
            tokenizers = data.source_tokenizer, data.target_tokenizer
            gold = GoldLinks(data.pairs["test"], data.corpus, tokenizers)
            found |= measure_alignment(pl_module.model, batches, gold) if gold.links else {}
        self.numbers = {f"attention/{name}": value for name, value in found.items()}
        pl_module.log_dict(self.numbers)
