"""Several models at once against each alone: what tests of `Seedwise` share."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.loss import negative_log_likelihood
from support.tiny_models import Choice, make_batch, make_model

SAME = [make_batch()] * 3
OWN = [
    make_batch((4, 1, 2), (2, 6, 4), 1),
    make_batch((2, 3), (1, 7), 2),
    make_batch((1, 2, 5, 3), (3, 1, 2, 2), 3),
]
DEFAULT = Choice(
    "lstm",
    "general",
    "linear",
    "initial_state",
    "after",
    "state_context",
    False,
    "forward",
    (1, 1),
    (6, 6),
)


def loss_of(logits: Tensor, batch: Batch) -> Tensor:
    return negative_log_likelihood(logits, batch.target_output[batch.target_mask])


def alone(logits: Tensor, model: EncoderDecoder, batch: Batch) -> tuple[Tensor, dict[str, Any]]:
    """Return a model's own logits and its gradients by name."""
    model.zero_grad()
    loss_of(logits, batch).backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters()}


def compare_with_each_alone(
    models: Sequence[EncoderDecoder],
    batches: Sequence[Batch],
    together: Callable[[Seedwise, list[torch.Generator]], list[Tensor]],
    single: Callable[[int], Tensor],
    **within: float,
) -> None:
    """Compare logits and gradients; the draws of seed s begin at the state of `torch.manual_seed(s)`."""
    seedwise, seeds = Seedwise(models), range(len(models))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    logits = together(seedwise, generators)
    torch.stack([loss_of(*pair) for pair in zip(logits, batches, strict=True)]).sum().backward()
    within = within or {"rtol": 1e-10, "atol": 1e-10}
    for seed, found in zip(seeds, seedwise.gradients(), strict=True):
        torch.manual_seed(seed)
        expected, gradients = alone(single(seed), models[seed], batches[seed])
        torch.testing.assert_close(logits[seed].detach(), expected, **within)
        for (name, gradient), own in zip(gradients.items(), found, strict=True):
            assert (gradient is None) == (own is None), name
            if own is not None:
                torch.testing.assert_close(
                    own, gradient, **within, msg=lambda m, n=name: f"{n} {m}"
                )
        assert torch.equal(generators[seed].get_state(), torch.get_rng_state())


def models_of(choice: Choice, dropout: float) -> list[EncoderDecoder]:
    return [make_model(choice, seed, dropout).train() for seed in (1, 2, 3)]


def some_of(choices: Sequence[Any], every: int) -> pytest.MarkDecorator:
    """Parametrize by the choices, all but one in so many in `make slow`."""
    chosen = [
        pytest.param(one, marks=pytest.mark.slow if number % every else [])
        for number, one in enumerate(choices)
    ]
    return pytest.mark.parametrize("choice", chosen, ids=str)
