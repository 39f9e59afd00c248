from dataclasses import FrozenInstanceError

import pytest
import torch

from seq2seq_lab.model.state import AttentionKeys, Memory, RecurrentState

ROWS = torch.tensor([2, 0, 2])


def numbered(*shape: int) -> torch.Tensor:
    """Return a tensor whose entries say which row they are in."""
    return torch.arange(float(shape[0])).view(-1, *(1 for _ in shape[1:])).expand(shape).clone()


KEYS = AttentionKeys(numbered(3, 5, 2), numbered(3, 5, 6), torch.ones(3, 5, dtype=torch.bool))
STATE = RecurrentState(
    numbered(3, 2, 7), numbered(3, 2, 0), numbered(3, 4), numbered(3, 6), numbered(3, 5), KEYS
)


def test_selected_rows_come_in_the_asked_order_in_every_tensor():
    chosen = STATE.select(ROWS)
    for part in (
        chosen.hidden,
        chosen.feed,
        chosen.summary,
        chosen.attention,
        chosen.keys.keys,
        chosen.keys.values,
    ):
        assert part.flatten(1)[:, 0].tolist() == [2, 0, 2]


def test_parts_of_width_zero_keep_their_rows():
    assert STATE.select(ROWS[:1]).cell.shape == (1, 2, 0)


def test_a_selected_state_keeps_its_type():
    assert type(STATE.select(ROWS)) is RecurrentState


def test_the_memory_selects_its_mask_with_its_states():
    mask = torch.tensor([[True, True], [True, False]])
    memory = Memory(numbered(2, 2, 3), mask, numbered(2, 1, 3), numbered(2, 1, 0))
    assert memory.select(torch.tensor([1])).mask.tolist() == [[True, False]]


def test_a_state_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        STATE.hidden = STATE.hidden + 1
