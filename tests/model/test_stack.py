"""Sums, norms and masks against plain formulas; stacked cells against torch's, one sentence at a time."""

from functools import partial

import pytest
import torch
from torch import nn

from seq2seq_lab.model import stack as stack_module
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.model.stack import Stack, StackedCells
from seq2seq_lab.model.state import Memory
from support.model_properties import assert_equal
from support.stack_formulas import norm_first, plain_layer, redrawn, sum_twice
from support.tiny_models import READINGS, STACKS, class_of, make_batch, nodes

CELLS = nodes("cell")
TORCH = (nn.RNN, nn.GRU, nn.LSTM)
OF_TORCH = [name for name in CELLS if set(TORCH) & set(class_of(CELLS[name]).__mro__)]
CHANGED = [name for name in STACKS if name != "plain"]
BATCH = make_batch((4, 1, 2, 6), (1, 1, 1, 1))


def encoder_of(cell: str, reading: str, stack: str, layers: int = 3) -> RecurrentEncoder:
    kind, between = class_of(CELLS[cell]), partial(Stack, **STACKS[stack])
    made = RecurrentEncoder(
        TokenEmbedding(11, 3), kind, 10, layers, stack=between, **READINGS[reading]
    ).double()
    with torch.no_grad():
        for norm in made.rnn.stack.norms:
            norm.weight.normal_()
            norm.bias.normal_()
    return made


def encoded(encoder: RecurrentEncoder) -> tuple[Memory, torch.Tensor]:
    """Return the memory of the batch and the masks that made it."""
    torch.manual_seed(5)
    memory = encoder(BATCH.source, BATCH.source_lengths)
    torch.manual_seed(5)
    return memory, encoder.rnn.stack.draw_dropout_mask(torch.zeros(4, dtype=torch.float64))


def equals_layers_of_torch_on_each_sentence(encoder: RecurrentEncoder) -> None:
    memory, mask = encoded(encoder)
    stack, both = encoder.rnn.stack, encoder.directions == 2
    for row, length in enumerate(BATCH.source_lengths.tolist()):
        below = encoder.embedding.lookup.weight[BATCH.source[row, :length]]
        below = below.flip(0) if encoder.reverse_source else below
        end = below[-1]
        for layer, cell in enumerate(encoder.rnn.cells):
            kind = next(k for k in type(cell).__mro__ if k in TORCH)
            settings = cell.torch_settings
            plain = kind(below.shape[1], 10 // (1 + both), bidirectional=both, **settings).double()
            plain.load_state_dict(cell.state_dict())
            outputs, final = plain(below)
            hidden, own = final if kind is nn.LSTM else (final, None)
            positions = [
                plain_layer(stack, layer, outputs[t], below[t], mask[row, layer])
                for t in range(length)
            ]
            below = torch.stack(positions)
            end = plain_layer(stack, layer, torch.cat([*hidden]), end, mask[row, layer])
            assert_equal(memory.hidden[row, layer], end)
            if own is not None:
                assert_equal(memory.cell_state[row, layer], torch.cat([*own]))
        below = below.flip(0) if encoder.reverse_source else below
        assert_equal(memory.states[row, :length], below)
        assert not memory.states[row, length:].any()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stack", CHANGED)
@pytest.mark.parametrize("reading", list(READINGS))
@pytest.mark.parametrize("cell", OF_TORCH)
def test_stacked_encoder_equals_torch_on_each_sentence(cell, reading, stack, training):
    layers = [2, 3] if STACKS[stack].get("residual") else [1, 3]
    for count in layers:
        equals_layers_of_torch_on_each_sentence(
            encoder_of(cell, reading, stack, count).train(training)
        )


@pytest.mark.parametrize("reading", list(READINGS))
@pytest.mark.parametrize("cell", list(CELLS))
def test_the_road_by_layers_equals_the_fused_one(cell, reading):
    def make() -> RecurrentEncoder:
        return RecurrentEncoder(
            TokenEmbedding(11, 3), class_of(CELLS[cell]), 10, 3, **READINGS[reading]
        ).double()

    fused, layered = make(), make()
    assert not isinstance(fused.rnn, StackedCells)
    layered.load_state_dict(fused.state_dict())
    both = fused.directions == 2
    layered.rnn = StackedCells(class_of(CELLS[cell]), 3, Stack(10, 3), bidirectional=both).double()
    for layer, one in enumerate(layered.rnn.cells):
        for name, weight in one.named_parameters():
            weight.data.copy_(getattr(fused.rnn, name.replace("_l0", f"_l{layer}")).data)
    some, other = (e(BATCH.source, BATCH.source_lengths) for e in (fused, layered))
    for name in ("states", "hidden", "cell_state", "mask"):
        assert_equal(getattr(some, name), getattr(other, name))


def test_without_a_choice_the_encoder_is_one_fused_call_and_owns_nothing_more():
    plain = RecurrentEncoder(TokenEmbedding(11, 3), class_of(CELLS["lstm"]), 10, 3)
    assert type(plain.rnn) is class_of(CELLS["lstm"])
    assert plain.rnn.num_layers == 3


def test_dropout_between_layers_spares_the_sum_and_the_top_layer():
    cells = StackedCells(class_of(CELLS["gru"]), 3, Stack(10, 2, residual=True), 0.999)
    packed = nn.utils.rnn.pack_padded_sequence(
        torch.randn(4, 5, 3), torch.tensor([5, 1, 3, 2]), batch_first=True, enforce_sorted=False
    )
    cells = cells.train()
    first = cells.cells[0].sequence(packed)[0].data
    nothing, _ = cells.cells[1].sequence(
        nn.utils.rnn.PackedSequence(torch.zeros_like(first), *packed[1:])
    )
    assert torch.equal(cells.sequence(packed)[0].data, first + nothing.data)
    assert not torch.equal(cells.eval().sequence(packed)[0].data, first + nothing.data)


# masks


def masks_are_drawn_apart(draw, p: float = 0.3) -> None:
    """The rate is p, and units of other sentences and layers fall independently (4 sigma)."""
    mask = draw(torch.zeros(3, 7, dtype=torch.float64))
    assert mask.shape == (3, 2, 2003)
    assert set(mask.unique().tolist()) == {0.0, 1 / (1 - p)}
    dropped = (mask == 0).double()
    near(dropped, p)
    near(dropped[0] * dropped[1], p * p)
    near(dropped[:, 0] * dropped[:, 1], p * p)


def near(values: torch.Tensor, p: float) -> None:
    assert abs(float(values.mean()) - p) < 4 * (p * (1 - p) / values.numel()) ** 0.5


STACK = Stack(2003, 2, locked_dropout=0.3)


def test_each_sentence_and_layer_has_its_own_mask():
    masks_are_drawn_apart(STACK.draw_dropout_mask)


def test_nothing_is_dropped_in_evaluation():
    stack = Stack(5, 2, locked_dropout=0.3)
    assert stack.draw_dropout_mask(torch.zeros(3)).shape == (3, 2, 5)
    assert stack.eval().draw_dropout_mask(torch.zeros(3)).shape == (3, 2, 0)
    assert Stack(5, 2).train().draw_dropout_mask(torch.zeros(3)).shape == (3, 2, 0)


@pytest.mark.parametrize(
    "bug",
    [
        lambda like: STACK.draw_dropout_mask(like[:1]).expand(len(like), -1, -1),
        lambda like: STACK.draw_dropout_mask(like)[:, :1].expand(-1, 2, -1),
        lambda like: (
            1 / 0.7 / STACK.draw_dropout_mask(like).clamp(min=1).bool()
            - STACK.draw_dropout_mask(like)
        ),
        lambda like: STACK.draw_dropout_mask(like) * 0.7,
    ],
    ids=["shared across sentences", "shared across layers", "inverted", "not scaled"],
)
def test_planted_mask_is_caught(bug):
    with pytest.raises(AssertionError):
        masks_are_drawn_apart(bug)


# what is refused


def test_a_sum_over_a_single_layer_is_refused():
    with pytest.raises(ValueError, match="residual=true: a single layer has none below to add"):
        Stack(5, 1, residual=True)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_a_rate_out_of_range_is_refused_by_name(p):
    with pytest.raises(ValueError, match=f"locked_dropout={p}: must be in"):
        Stack(5, 2, locked_dropout=p)


# planted bugs


@pytest.mark.parametrize("bug", [sum_twice, norm_first, redrawn])
@pytest.mark.parametrize("reading", list(READINGS))
def test_planted_stack_bug_is_caught(reading, bug, monkeypatch):
    monkeypatch.setattr(Stack, "forward", bug)
    with pytest.raises(AssertionError):
        equals_layers_of_torch_on_each_sentence(encoder_of("lstm", reading, "all").train())


def test_planted_masks_in_the_order_of_lengths_are_caught(monkeypatch):
    def unsorted(packed):
        return torch.cat([torch.arange(alive) for alive in packed.batch_sizes.tolist()])

    monkeypatch.setattr(stack_module, "sentence_of_each_word", unsorted)
    with pytest.raises(AssertionError):
        equals_layers_of_torch_on_each_sentence(encoder_of("gru", "forward", "locked").train())


def test_planted_final_state_before_the_norm_is_caught(monkeypatch):
    def only_words(self, layer, output, below, mask):
        return output if len(output) == 4 else original(self, layer, output, below, mask)

    original = Stack.forward
    monkeypatch.setattr(Stack, "forward", only_words)
    with pytest.raises(AssertionError):
        equals_layers_of_torch_on_each_sentence(encoder_of("gru", "forward", "layer_norm"))
