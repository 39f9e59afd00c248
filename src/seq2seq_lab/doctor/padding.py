"""Property O5: padding has no effect."""

import copy

import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.doctor.batches import widened, with_random_padding
from seq2seq_lab.doctor.paths import by_steps, embeddings, is_output, loss_and_gradients
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import PAD


def with_nan_padding(model: EncoderDecoder) -> EncoderDecoder:
    """Return a copy of the model whose padding vectors are not numbers."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for embedding in embeddings(model).values():
            if not is_output(model, embedding.weight):
                embedding.weight[PAD] = torch.nan
    return model


def padding_has_no_effect(model: EncoderDecoder, batch: Batch) -> float:
    """O5: extra columns, random ids or NaN vectors change neither logits, loss, gradients nor attention."""
    expected = loss_and_gradients(model, batch)
    attention = by_steps(model, batch)[1]
    wide, worst = widened(batch), 0.0
    for what, same_model, same_batch in (
        ("more padding", model, wide),
        ("random ids under the padding", model, with_random_padding(wide)),
        ("NaN padding vectors", with_nan_padding(model), wide),
    ):
        found = loss_and_gradients(same_model, same_batch)
        for part, one, other in zip(
            ("logits", "loss", "gradient of"), found, expected, strict=True
        ):
            worst = max(worst, agree(one, other, f"{what}: {part}"))
        weights = by_steps(same_model, same_batch)[1]
        worst = max(worst, _attention_is_the_same(weights, attention, batch, what))
    return worst


def _attention_is_the_same(wide: Tensor, attention: Tensor, batch: Batch, what: str) -> float:
    if not attention.shape[-1]:
        demand(not wide.shape[-1], f"{what}: attention appears")
        return 0.0
    steps, width = batch.target_mask.shape[1], batch.source_mask.shape[1]
    rows = wide[:, :steps][batch.target_mask]
    demand(not rows[:, width:].any(), f"{what}: attention on an extra column of padding")
    return agree(rows[:, :width], attention[batch.target_mask], f"{what}: attention")
