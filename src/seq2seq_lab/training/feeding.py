"""How a teacher-forcing ratio is carried out: which token the decoder reads at each step."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.model.encoder_decoder import EncoderDecoder


def teacher_forced(model: EncoderDecoder, batch: Batch) -> Float[Tensor, "tokens vocab"]:
    """Feed the target itself; return the logits of the real positions only, row by row."""
    readouts = model.readouts(batch.source, batch.source_lengths, batch.target_input)
    return model.output(readouts[batch.target_mask])


def draw_coins(
    shape: torch.Size, ratio: float, generator: torch.Generator
) -> Bool[Tensor, "batch target"]:
    """Return a coin per token: True (with probability `ratio`) feeds the data's token."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) < ratio


def rolled_out(
    model: EncoderDecoder, batch: Batch, coins: Bool[Tensor, "batch target"]
) -> Float[Tensor, "tokens vocab"]:
    """Step by step: where the coin is True feed the data's token, else the model's own most likely one.

    The first token is BOS whatever the coin. No gradient passes through the choice of a token.
    """
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    token: Int[Tensor, " batch"] = batch.target_input[:, 0]
    steps: list[Tensor] = []
    for position in range(batch.target_input.shape[1]):
        if position:
            own = most_likely(steps[-1])
            token = torch.where(coins[:, position], batch.target_input[:, position], own)
        logits, state = model.step(token, state)
        steps.append(logits)
    return torch.stack(steps, dim=1)[batch.target_mask]


class Sequential:
    """Exact: a coin per token, the model's own argmax fed at once. A ratio of 1 takes the parallel road."""

    def __call__(
        self, model: EncoderDecoder, batch: Batch, ratio: float, generator: torch.Generator
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of the real target positions; `generator` (CPU) draws the coins."""
        if ratio >= 1.0:
            return teacher_forced(model, batch)
        coins = draw_coins(batch.target_input.shape, ratio, generator).to(batch.source.device)
        return rolled_out(model, batch, coins)
