"""Attention between two cells; test_recurrent_decoder.py has every combination of parts."""

from dataclasses import replace

import pytest
import torch

from seq2seq_lab.model.conditional_decoder import ConditionalDecoder
from support.plain_decoder import equals_the_plain_decoder
from support.tiny_models import Choice, make_model

BETWEEN = Choice(
    "lstm", "additive", "linear", "every_step_and_output", "between", "deep", False, "forward", (2, 2), (6, 5)
)  # fmt: skip


def test_nothing_between_two_cells_is_refused():
    with pytest.raises(ValueError, match="model/order=between without attention"):
        make_model(replace(BETWEEN, attention="none"))


# planted bugs


def from_the_state_before(self, projected, state, weights):
    before = (state.hidden[:, 0], state.cell_state[:, 0])
    between = self.cells[0].update(weights.first_gates(projected, [], before[0]), before)
    context, attention = self._attend(between[0], state)
    gates = weights.upper_gates(self.num_layers, context, before[0])
    top, layers = self._recur_above(self.cells[-1].update(gates, before), projected, state, weights)
    return top, context, self._renewed(state, layers, attention)


def with_the_query_before(self, projected, state, weights):
    attend = self._attend
    self._attend = lambda _, state: attend(state.hidden[:, 0], state)
    try:
        return ORIGINAL_BETWEEN(self, projected, state, weights)
    finally:
        del self._attend


ORIGINAL_BETWEEN = ConditionalDecoder._attend_and_recur


@pytest.mark.parametrize("bug", [from_the_state_before, with_the_query_before])
@torch.no_grad()
def test_planted_bug_between_the_cells_is_caught(bug, monkeypatch):
    equals_the_plain_decoder(make_model(BETWEEN))
    monkeypatch.setattr(ConditionalDecoder, "_attend_and_recur", bug)
    with pytest.raises(AssertionError):
        equals_the_plain_decoder(make_model(BETWEEN))
