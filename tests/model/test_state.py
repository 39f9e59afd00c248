from dataclasses import FrozenInstanceError

import pytest
import torch

from seq2seq_lab.model.state import AttentionKeys, RecurrentSource, RecurrentState

ROWS = torch.tensor([2, 0, 2])


def numbered(*shape: int) -> torch.Tensor:
    """Return a tensor whose entries say which row they are in."""
    return torch.arange(float(shape[0])).view(-1, *(1 for _ in shape[1:])).expand(shape).clone()


KEYS = AttentionKeys(numbered(3, 5, 2), numbered(3, 5, 6), torch.ones(3, 5, dtype=torch.bool))


def state_of(rows: int) -> RecurrentState:
    return RecurrentState(
        hidden=numbered(rows, 2, 7),
        cell_state=numbered(rows, 2, 0),
        feed=numbered(rows, 4),
        attention=numbered(rows, 5),
        past=numbered(rows, 1),
        dropout_mask=numbered(rows, 2, 7),
        source=RecurrentSource(KEYS, numbered(3, 6)),
    )


STATE = state_of(3)


def first(parts: list[torch.Tensor]) -> list[list[float]]:
    return [part.flatten(1)[:, 0].tolist() for part in parts]


def test_selected_sentences_come_in_the_asked_order_in_every_tensor():
    chosen = STATE.select(ROWS)
    source = [chosen.source.summary, chosen.source.keys.keys, chosen.source.keys.values]
    parts = [
        chosen.hidden,
        chosen.feed,
        chosen.attention,
        chosen.past,
        chosen.dropout_mask,
        *source,
    ]
    assert first(parts) == [[2, 0, 2]] * len(parts)


def test_a_sentence_leaves_with_all_its_hypotheses():
    chosen = state_of(6).select(torch.tensor([2, 0]))
    assert (
        first([chosen.hidden, chosen.feed, chosen.attention, chosen.past, chosen.dropout_mask])
        == [[4, 5, 0, 1]] * 5
    )
    assert first([chosen.source.summary]) == [[2, 0]]


def test_reordered_hypotheses_keep_the_sentences_where_they_are():
    wide = STATE.reorder(torch.tensor([0, 0, 1, 1, 2, 2]))
    assert (wide.width, STATE.width) == (2, 1)
    assert first([wide.hidden]) == [[0, 0, 1, 1, 2, 2]]
    assert wide.source is STATE.source


def test_parts_of_width_zero_keep_their_rows():
    assert STATE.select(ROWS[:1]).cell_state.shape == (1, 2, 0)


def test_a_selected_state_keeps_its_type():
    assert type(STATE.select(ROWS)) is RecurrentState


def test_a_state_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        STATE.hidden = STATE.hidden + 1


def test_a_state_knows_which_of_its_rows_are_copies():
    before = state_of(3)
    assert before.origin is None
    once = before.reorder(torch.tensor([0, 0, 1]))
    twice = once.reorder(torch.tensor([2, 0, 1]))
    assert once.origin.tolist() == [0, 0, 1]
    assert twice.origin.tolist() == [1, 0, 0]
    assert torch.equal(twice.hidden[1], twice.hidden[2])
