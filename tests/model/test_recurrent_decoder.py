"""The decoder against a plain one: a sentence at a time, a step at a time, torch's single cells."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.model import recurrent_decoder as decoder_module
from seq2seq_lab.model.cell import ReluCell
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.recurrent_decoder import BahdanauDecoder, LuongDecoder, RecurrentDecoder
from seq2seq_lab.model.stack import Stack
from seq2seq_lab.model.state import Memory
from support import model_properties as properties
from support.model_properties import assert_equal
from support.stack_formulas import norm_first, plain_layer, redrawn, sum_twice
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
STACKED = [replace(choice, stack="all") for choice in (BEFORE, AFTER, PLAIN)]
SINGLE = {nn.RNN: torch.rnn_tanh_cell, nn.GRU: torch.gru_cell, nn.LSTM: torch.lstm_cell}


def single_cell(
    cell: nn.Module, inputs: Tensor, hidden: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of torch's single cell, or of the cell itself where torch has none like it."""
    kind = next((k for k in type(cell).__mro__ if k in SINGLE), None)
    if kind is None:
        return cell.step(cell.project(inputs), (hidden, memory))
    weights = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)
    if kind is nn.LSTM:
        return SINGLE[kind](inputs, (hidden, memory), *weights)
    single = torch.rnn_relu_cell if isinstance(cell, ReluCell) else SINGLE[kind]
    return single(inputs, hidden, *weights), memory


def plain_logits(
    model: EncoderDecoder, memory: Memory, dropout_mask: Tensor, tokens: Tensor
) -> Tensor:
    """Decode one unpadded sentence as the papers write it; `dropout_mask` has a row per layer."""
    decoder = model.decoder
    hidden, cell_state = (list(part.unbind(1)) for part in decoder.bridge(memory))
    keys = decoder.attention.prepare(memory)
    feed = torch.zeros(1, decoder.readout.dim, dtype=torch.float64)
    logits, queries = [], []

    def look(
        query: Tensor,
    ) -> Tensor:  # with all earlier queries, for attention that remembers them
        queries.append(query)
        return decoder.attention.sequence(torch.stack(queries, dim=1), keys)[0][:, -1]

    for token in tokens:
        word = (
            feed[:, :0]
            if decoder.embedding is None
            else decoder.embedding.lookup.weight[token][None]
        )
        parts = [word] if decoder.context.feeds_output else []
        parts += [memory.hidden[:, -1]] if decoder.context.every_step else []
        if isinstance(decoder, BahdanauDecoder):
            read = look(hidden[-1])
            parts.append(read)
        parts += [feed] if decoder.input_feeding else []
        below = torch.cat(parts, dim=1)
        for layer, one in enumerate(decoder.cells):
            hidden[layer], cell_state[layer] = single_cell(
                one, below, hidden[layer], cell_state[layer]
            )
            below = plain_layer(decoder.stack, layer, hidden[layer], below, dropout_mask[layer])
        if isinstance(decoder, LuongDecoder):
            read = look(below)
        feed = decoder.readout(below, read, word)
        logits.append(feed @ decoder.output.weight.T + decoder.output.bias)
    return torch.cat(logits)


def memory_of(model: EncoderDecoder, batch: Batch, whole: Memory, row: int) -> Memory:
    """Encode a sentence alone; while training, when its mask hangs on its place, cut it out of the whole."""
    one, length = slice(row, row + 1), int(batch.source_lengths[row])
    if not model.training:
        return model.encode(batch.source[one, :length], torch.tensor([length]))
    states, mask = whole.states[one, :length], whole.mask[one, :length]
    return Memory(states, mask, whole.hidden[one], whole.cell_state[one])


def equals_the_plain_decoder(model: EncoderDecoder) -> None:
    batch = make_batch()
    torch.manual_seed(5)
    logits = model(batch.source, batch.source_lengths, batch.target_input)
    torch.manual_seed(5)
    whole = model.encode(batch.source, batch.source_lengths)
    masks = model.initial_state(whole).dropout_mask
    for row, length in enumerate(batch.target_mask.sum(dim=1).tolist()):
        memory = memory_of(model, batch, whole, row)
        expected = plain_logits(model, memory, masks[row], batch.target_input[row, :length])
        assert_equal(logits[row, :length], expected)


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("order") == public_subclasses(decoder_module, RecurrentDecoder) != set()


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
