"""The decoder, all steps at once and one packed step at a time, against the slow reference."""

from itertools import product

import pytest
import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.model import reference
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel.packed_weights import PackedWeights
from seq2seq_lab.model.recurrent_decoder import BahdanauDecoder, LuongDecoder
from seq2seq_lab.training.loss import negative_log_likelihood
from support.model_properties import assert_equal, gradients
from support.tiny_models import Choice, make_batch, make_model

PARTS = list(
    product(
        ("rnn", "gru", "lstm"),
        ("additive", "general", "dot", "none"),
        ("before", "after", "between"),
        (False, True),
    )
)
"""cell, attention, order, input feeding"""
SHAPES = (
    ("initial_state", "deep", (1, 2)),
    ("every_step_and_output", "state_context", (1, 1)),
    ("initial_state", "state_context", (2, 2)),
)
"""context, readout, layers: one after another for the parts"""


def choices() -> list[Choice]:
    found = []
    legal = (p for p in PARTS if p[1:3] != ("none", "between"))
    for number, (cell, attention, order, feeding) in enumerate(legal):
        context, readout, layers = SHAPES[number % 3]
        sizes = (layers, (6, 6))
        found.append(
            Choice(cell, attention, "linear", context, order, readout, feeding, "forward", *sizes)
        )
    return found


CHOICES = choices()
FED = {(c.attention, c.order): c for c in CHOICES if c.cell == "lstm" and c.input_feeding}


def by_reference(model: EncoderDecoder, batch: Batch) -> Tensor:
    rows = []
    targets = batch.target_mask.sum(dim=1).tolist()
    for row, (source, target) in enumerate(
        zip(batch.source_lengths.tolist(), targets, strict=True)
    ):
        memory = model.encode(batch.source[row : row + 1, :source], torch.tensor([source]))
        tokens = batch.target_input[row, :target]
        rows.append(reference.reference_logits(model.decoder, memory, tokens))
    return torch.cat(rows)


def by_forward(model: EncoderDecoder, batch: Batch) -> Tensor:
    return model(batch.source, batch.source_lengths, batch.target_input, batch.target_mask)


def by_packed_steps(model: EncoderDecoder, batch: Batch) -> Tensor:
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    loop, steps = model.decoder.packed(), []
    for token in batch.target_input.unbind(1):
        logits, state = loop.step(token, state)
        steps.append(logits)
    return torch.stack(steps, dim=1)[batch.target_mask]


def with_gradients(choice: Choice, run) -> tuple[Tensor, dict[str, Tensor]]:
    model, batch = make_model(choice), make_batch()
    logits = run(model, batch)
    loss = negative_log_likelihood(logits, batch.target_output[batch.target_mask])
    return logits.detach(), {n: g for n, g in gradients(model, loss).items() if g is not None}


def equals_the_reference(choice: Choice, *runs) -> None:
    """Compare logits and the gradients of every parameter, at 1e-10."""
    expected = with_gradients(choice, by_reference)
    for run in runs:
        assert_equal(with_gradients(choice, run), expected)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_all_steps_at_once_and_packed_steps_equal_the_reference(choice):
    equals_the_reference(choice, by_forward, by_packed_steps)


# planted bugs

RUNS = pytest.mark.parametrize("run", [by_forward, by_packed_steps])


@RUNS
def test_planted_gradient_that_stops_at_the_state_is_caught(run, monkeypatch):
    gates = PackedWeights.first_gates
    monkeypatch.setattr(
        PackedWeights,
        "first_gates",
        lambda self, x, d, hidden, origin=None: gates(self, x, d, hidden.detach(), origin),
    )
    with pytest.raises(AssertionError):
        equals_the_reference(FED["general", "before"], run)


@RUNS
def test_planted_attention_with_another_query_is_caught(run, monkeypatch):
    attend = LuongDecoder._attend
    monkeypatch.setattr(
        LuongDecoder, "_attend", lambda self, _, state: attend(self, state.hidden[:, -1], state)
    )
    with pytest.raises(AssertionError):
        equals_the_reference(FED["dot", "after"], run)


@RUNS
def test_planted_context_that_does_not_enter_the_cell_is_caught(run, monkeypatch):
    recur = BahdanauDecoder._recur
    monkeypatch.setattr(
        BahdanauDecoder,
        "_recur",
        lambda self, x, d, *rest: recur(self, x, [torch.zeros_like(d[0]), *d[1:]], *rest),
    )
    with pytest.raises(AssertionError):
        equals_the_reference(FED["additive", "before"], run)
