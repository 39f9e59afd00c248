"""Properties of one training pass of a model, for test matrices of thousands of models.

They are O5, O9 and O12 of model_properties.py, all on two passes: one of a batch, one of the same batch with more and
wrong padding. The weights are caught where the attention returns them, so no decoding is needed.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, PAD
from support.model_properties import assert_equal, loss_and_gradients, widened, with_nan_padding
from support.tiny_models import SOURCE_VOCAB


@dataclass(frozen=True)
class Pass:
    """The results of a training pass; `weights` is (batch, target, source), of width 0 without attention."""

    logits: Tensor
    loss: Tensor
    gradients: dict[str, Tensor | None]
    weights: Tensor


def training_pass(model: EncoderDecoder, batch: Batch) -> Pass:
    caught: list[Tensor] = []
    hook = model.decoder.attention.register_forward_hook(
        lambda module, given, result: caught.append(result[1].detach())
    )
    logits, loss, gradients = loss_and_gradients(model, batch)
    hook.remove()
    return Pass(logits, loss, gradients, torch.cat(caught, dim=1))


def weights_are_distributions(found: Pass, batch: Batch) -> None:
    """O9: every row of weights is >= 0, sums to 1 and is exactly 0 on padding."""
    if found.weights.shape[-1]:
        assert found.weights.shape == (*batch.target_input.shape, batch.source.shape[1])
        assert_equal(found.weights.sum(dim=-1), torch.ones_like(found.weights[..., 0]))
        assert bool((found.weights >= 0).all())
        assert not (found.weights * ~batch.source_mask.unsqueeze(1)).any()


def trained_parameters_are_as_declared(found: Pass, without: frozenset[str] = frozenset()) -> None:
    """O12: exactly the parameters in `without` have no gradient, and the padding row of an embedding has none."""
    gradients = found.gradients.items()
    assert {name for name, g in gradients if g is None or not g.any()} == without
    assert not any(g[PAD].any() for name, g in gradients if "embedding.lookup" in name)


def flat(found: Pass) -> Tensor:
    """Return logits, loss and gradients as one vector: comparing forty small tensors takes longer than the pass."""
    gradients = [g.flatten() for g in found.gradients.values() if g is not None]
    return torch.cat([found.logits.flatten(), found.loss.view(1), *gradients])


def with_bad_padding(model: EncoderDecoder, batch: Batch) -> tuple[EncoderDecoder, Batch]:
    """Return both with more padding, its vectors not numbers, and random words under the first source pads."""
    wide = widened(batch, source=1, target=1)
    beyond = torch.arange(wide.source.shape[1]) >= batch.source.shape[1]
    words = torch.randint(NUM_SPECIAL_TOKENS, SOURCE_VOCAB, wide.source.shape)
    source = torch.where(wide.source_mask | beyond, wide.source, words)
    return with_nan_padding(model), replace(wide, source=source)


def bad_padding_has_no_effect(model: EncoderDecoder, batch: Batch, expected: Pass) -> None:
    """O5: logits, loss, every gradient and the weights are those of the batch without it."""
    found = training_pass(*with_bad_padding(model, batch))
    assert_equal(flat(found), flat(expected))
    if expected.weights.shape[-1]:
        rows = found.weights[:, : expected.weights.shape[1]][batch.target_mask]
        width = expected.weights.shape[2]
        assert_equal(rows[:, :width], expected.weights[batch.target_mask])
        assert not rows[:, width:].any()
