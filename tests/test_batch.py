"""A batch knows where its target tokens are, without asking the device to which it moved."""

from dataclasses import replace

import pytest
import torch

from seq2seq_lab.batch import pick, places_of
from seq2seq_lab.doctor.batches import full_batch, random_batch


@pytest.fixture
def batch():
    return random_batch([3, 1, 5], [2, 6, 4], (11, 13))


def test_values_at_places_are_those_of_the_mask_with_the_same_gradient(batch):
    values = torch.randn(*batch.target_mask.shape, 4, requires_grad=True)
    expected = values[batch.target_mask]
    weight = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad((expected * weight).sum(), values)
    for places in (batch.target_mask, batch.places):
        found = pick(values, places)
        (gradient,) = torch.autograd.grad((found * weight).sum(), values)
        assert torch.equal(found, expected)
        assert torch.equal(gradient, wanted)


def test_targets_and_their_number_follow_from_the_mask(batch):
    assert torch.equal(batch.targets, batch.target_output[batch.target_mask])
    assert batch.num_target_tokens == int(batch.target_mask.sum())
    full = full_batch(batch)
    assert full.num_target_tokens == full.target_output.numel()


def test_a_moved_batch_knows_its_places(batch):
    moved = batch.to(torch.device("meta"))  # a device that answers nothing
    assert moved.source.is_meta
    assert moved.places.is_meta
    assert moved.num_target_tokens == batch.num_target_tokens
    assert torch.equal(moved.is_target, batch.target_mask)
    assert moved.ids is batch.ids
    assert moved.source_lengths is batch.source_lengths


def test_another_mask_has_other_places(batch):
    assert batch.num_target_tokens > 3
    other = replace(batch, target_mask=torch.zeros_like(batch.target_mask))
    assert other.num_target_tokens == 0


def test_what_moves_is_pinned(batch, monkeypatch):
    pinned = []

    def pin_memory(tensor):
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    found = batch.pin_memory()
    assert {id(tensor) for tensor in pinned} == {
        id(tensor) for tensor in (
            found.source, found.source_mask, found.target_input, found.target_output, found.target_mask, found.places,
        )
    }  # fmt: skip
    assert torch.equal(found.places, places_of(batch.target_mask))
    assert found.ids is batch.ids
