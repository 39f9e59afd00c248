"""The decoder against a plain one: a sentence at a time, a step at a time, torch's single cells."""

from dataclasses import replace

import pytest
import torch

from seq2seq_lab.model import conditional_decoder, recurrent_decoder
from seq2seq_lab.model.recurrent_decoder import LuongDecoder, RecurrentDecoder
from seq2seq_lab.model.stack import Stack
from support import model_properties as properties
from support.plain_decoder import equals_the_plain_decoder
from support.stack_formulas import norm_first, redrawn, sum_twice
from support.tiny_models import (
    Choice,
    covering_choices,
    every_choice,
    make_batch,
    make_model,
    public_subclasses,
    targets,
)

EVERY = every_choice()
FULL = ("additive", "linear", "every_step_and_output")
LOCKED = [c for c in covering_choices() if c.stack in ("locked", "all")]
BEFORE = Choice("lstm", *FULL, "before", "deep", True, "bidirectional", (2, 2), (6, 5))
AFTER = Choice("gru", *FULL, "after", "state_context", True, "forward", (2, 2), (6, 5))
PLAIN = Choice(
    "gru",
    "general",
    "linear",
    "initial_state",
    "after",
    "state_context",
    False,
    "forward",
    (2, 2),
    (6, 5),
)
BETWEEN = replace(BEFORE, order="between", input_feeding=False)
STACKED = [replace(choice, stack="all") for choice in (BEFORE, AFTER, PLAIN, BETWEEN)]


def test_classes_and_yaml_files_are_the_same_set():
    found = (
        public_subclasses(m, RecurrentDecoder) for m in (recurrent_decoder, conditional_decoder)
    )
    assert targets("order") == set().union(*found) != set()


@EVERY
@torch.no_grad()
def test_batched_decoder_equals_the_plain_one(choice):
    equals_the_plain_decoder(make_model(choice))


@pytest.mark.parametrize("choice", LOCKED, ids=str)
@torch.no_grad()
def test_batched_decoder_drops_what_the_plain_one_drops(choice):
    equals_the_plain_decoder(make_model(choice).train())


def test_no_attention_model_owns_no_attention_parameters():
    choice = next(c for c in covering_choices() if c.attention == "none")
    assert [n for n, _ in make_model(choice).named_parameters() if "attention" in n] == []


def test_without_anything_dynamic_the_whole_target_is_one_fused_call(monkeypatch):
    def refuse(*_):
        raise RuntimeError("the loop ran")

    monkeypatch.setattr(RecurrentDecoder, "_loop", refuse)
    batch, model = make_batch(), make_model(PLAIN)
    model(batch.source, batch.source_lengths, batch.target_input)


def test_a_decoder_that_does_not_read_its_output_owns_no_embedding():
    choice = Choice(
        "gru", "none", "zero", "every_step", "after", "state", False, "forward", (1, 1), (6, 6)
    )
    assert make_model(choice).decoder.embedding is None


def test_a_source_that_reaches_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing of the source reaches the decoder"):
        make_model(
            Choice(
                "gru",
                "none",
                "zero",
                "initial_state",
                "after",
                "state",
                False,
                "forward",
                (1, 1),
                (6, 6),
            )
        )


def test_attention_that_is_thrown_away_is_refused():
    with pytest.raises(ValueError, match="model/readout=state with attention after the cell"):
        make_model(
            Choice(
                "gru",
                "dot",
                "last",
                "initial_state",
                "after",
                "state",
                False,
                "forward",
                (1, 1),
                (6, 6),
            )
        )


# planted bugs


def recur_without_the_feed(self, projected, dynamic, state, weights):
    cut = [*dynamic[:-1], torch.zeros_like(dynamic[-1])]
    return ORIGINAL_RECUR(self, projected, cut, state, weights)


def recur_from_the_wrong_layer(self, projected, dynamic, state, weights):
    flipped = replace(state, hidden=state.hidden.flip(1))
    return ORIGINAL_RECUR(self, projected, dynamic, flipped, weights)


ORIGINAL_RECUR = RecurrentDecoder._recur


@pytest.mark.parametrize("bug", [recur_without_the_feed, recur_from_the_wrong_layer])
@pytest.mark.parametrize("choice", [BEFORE, AFTER], ids=str)
@torch.no_grad()
def test_planted_recurrence_bug_is_caught(choice, bug, monkeypatch):
    monkeypatch.setattr(RecurrentDecoder, "_recur", bug)
    with pytest.raises(AssertionError):
        equals_the_plain_decoder(make_model(choice))


@torch.no_grad()
def test_planted_attention_with_the_old_state_is_caught(monkeypatch):
    def attend_and_recur(self, projected, state, weights):
        top, layers = self._recur(projected, [state.feed], state, weights)
        context, attention = self._attend(state.hidden[:, -1], state)
        return top, context, self._renewed(state, layers, attention)

    monkeypatch.setattr(LuongDecoder, "_attend_and_recur", attend_and_recur)
    with pytest.raises(AssertionError):
        equals_the_plain_decoder(make_model(AFTER))


def test_planted_difference_between_loop_and_step_is_caught(monkeypatch):
    def fused(self, static, embedded, state):
        return original(self, static, embedded, self.readout_free(state))

    original = RecurrentDecoder._fused
    monkeypatch.setattr(
        RecurrentDecoder,
        "readout_free",
        lambda self, s: s.select(torch.tensor([1, 0, 2])),
        raising=False,
    )
    monkeypatch.setattr(RecurrentDecoder, "_fused", fused)
    with pytest.raises(AssertionError):
        properties.forward_equals_steps(make_model(PLAIN), make_batch())


@pytest.mark.parametrize("bug", [sum_twice, norm_first, redrawn])
@pytest.mark.parametrize("choice", STACKED, ids=str)
@torch.no_grad()
def test_planted_stack_bug_is_caught(choice, bug, monkeypatch):
    model = make_model(choice).train()
    equals_the_plain_decoder(model)
    monkeypatch.setattr(Stack, "forward", bug)
    with pytest.raises(AssertionError):
        equals_the_plain_decoder(model)


def test_planted_mask_of_the_loop_alone_is_caught(monkeypatch):
    def forgetful(self, layer, output, below, mask):
        return original(self, layer, output, below, mask[..., :0] if output.ndim == 3 else mask)

    original = Stack.forward
    monkeypatch.setattr(Stack, "forward", forgetful)
    with pytest.raises(AssertionError):
        properties.forward_equals_steps(make_model(STACKED[2]).train(), make_batch())
