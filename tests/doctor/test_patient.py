"""A patient has one model that gets other weights for each seed: nothing of an earlier check is left in it."""

import torch

from seq2seq_lab.doctor.patient import admit
from support.model_properties import assert_equal


def test_the_model_of_a_seed_is_the_same_after_other_checks_have_used_it():
    patient, fresh = (admit(["model=lstm_attn"], (1, 2)) for _ in range(2))
    used = patient.model(1).train()
    loss = sum(parameter.sum() for parameter in used.parameters())
    loss.backward()
    with torch.no_grad():
        for parameter in used.parameters():
            parameter.zero_()
    again, expected = patient.model(2), fresh.model(2)
    assert again is used
    assert not again.training
    assert all(parameter.grad is None for parameter in again.parameters())
    assert_equal(again.state_dict(), expected.state_dict())


def test_a_model_for_training_is_always_a_new_one():
    patient = admit(["model=lstm_attn"], (1,))
    one, other = (patient.training_model(1, dropout=False) for _ in range(2))
    assert one is not other
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
