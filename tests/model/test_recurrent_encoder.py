"""The encoder on padded batches against torch's own module on each unpadded sentence (O11)."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq_lab.model import recurrent_encoder as encoder_module
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder, pack, reverse_by_length, unpack
from support.model_properties import assert_equal
from support.tiny_models import READINGS, class_of, make_batch, nodes

NODES = nodes("cell")
TORCH = (nn.RNN, nn.GRU, nn.LSTM)
CELLS = [name for name in NODES if set(TORCH) & set(class_of(NODES[name]).__mro__)]
EVERY = pytest.mark.parametrize("cell", CELLS)
BATCH = make_batch((4, 1, 2, 6), (1, 1, 1, 1))


def make(cell: str, reading: str, layers: int = 1, **settings) -> RecurrentEncoder:
    kind = class_of(NODES[cell])
    return RecurrentEncoder(
        TokenEmbedding(11, 3), kind, 10, layers, **READINGS[reading], **settings
    ).double()


def equals_torch_on_each_sentence(encoder: RecurrentEncoder) -> None:
    kind = next(k for k in type(encoder.rnn).__mro__ if k in TORCH)
    layers, directions = encoder.num_layers, encoder.directions
    settings = encoder.rnn.torch_settings
    plain = kind(3, 10 // directions, layers, bidirectional=directions == 2, **settings).double()
    plain.load_state_dict(encoder.rnn.state_dict())
    memory = encoder(BATCH.source, BATCH.source_lengths)
    for row, length in enumerate(BATCH.source_lengths.tolist()):
        words = encoder.embedding.lookup.weight[BATCH.source[row, :length]]
        outputs, final = plain(words.flip(0) if encoder.reverse_source else words)
        hidden, cell = final if kind is nn.LSTM else (final, None)
        assert_equal(
            memory.states[row, :length], outputs.flip(0) if encoder.reverse_source else outputs
        )
        for layer in range(layers):
            ends = range(layer * directions, (layer + 1) * directions)
            assert_equal(memory.hidden[row, layer], torch.cat([hidden[i] for i in ends]))
            if cell is not None:
                assert_equal(memory.cell_state[row, layer], torch.cat([cell[i] for i in ends]))
        assert memory.mask[row].tolist() == [t < length for t in range(BATCH.source.shape[1])]


@EVERY
@pytest.mark.parametrize("reading", list(READINGS))
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_padded_batch_equals_torch_on_each_sentence(cell, reading, layers):
    equals_torch_on_each_sentence(make(cell, reading, layers))


@EVERY
def test_the_backward_half_starts_at_the_last_real_token(cell):
    encoder = make(cell, "bidirectional")
    memory = encoder(BATCH.source, BATCH.source_lengths)
    for row, length in enumerate(BATCH.source_lengths.tolist()):
        last = encoder(BATCH.source[row : row + 1, length - 1 : length], torch.tensor([1]))
        assert_equal(memory.states[row, length - 1, 5:], last.states[0, 0, 5:])
        assert_equal(memory.hidden[row, 0, 5:], memory.states[row, 0, 5:])


def test_reversal_stays_within_the_real_tokens():
    positions = reverse_by_length(torch.zeros(3, 5, dtype=torch.long), torch.tensor([5, 1, 3]))
    assert positions.tolist() == [[4, 3, 2, 1, 0], [0, 1, 2, 3, 4], [2, 1, 0, 3, 4]]


def test_packing_is_that_of_torch():
    embedded, lengths = torch.randn(4, 5, 3), torch.tensor([2, 5, 1, 5])
    found = pack(embedded, lengths)
    expected = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
    assert all(map(torch.equal, found, expected))
    padded, _ = pad_packed_sequence(expected, batch_first=True, total_length=7)
    assert torch.equal(unpack(found, 7), padded)


def test_a_cell_without_memory_gives_a_memory_of_width_zero():
    assert make("gru", "forward")(BATCH.source, BATCH.source_lengths).cell_state.shape == (4, 1, 0)


def test_an_odd_width_in_two_directions_is_refused():
    with pytest.raises(ValueError, match="dim=7: a bidirectional encoder needs an even number"):
        RecurrentEncoder(TokenEmbedding(11, 3), class_of(NODES["gru"]), 7, bidirectional=True)


def test_reversal_in_two_directions_is_refused():
    with pytest.raises(ValueError, match="reverse_source=true"):
        make("gru", "bidirectional", reverse_source=True)


# planted bugs


@EVERY
def test_planted_reading_of_the_padding_is_caught(cell, monkeypatch):
    monkeypatch.setattr(encoder_module, "pack", lambda embedded, _: embedded)
    monkeypatch.setattr(encoder_module, "unpack", lambda outputs, _: outputs)
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(make(cell, "bidirectional"))


@EVERY
def test_planted_mixture_of_layers_and_directions_is_caught(cell, monkeypatch):
    def mixed(self, state):
        return state.unflatten(1, (self.directions, self.num_layers)).transpose(1, 2).flatten(2)

    monkeypatch.setattr(RecurrentEncoder, "_join_directions", mixed)
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(make(cell, "bidirectional", 2))


def test_planted_reversal_from_the_padding_is_caught(monkeypatch):
    def whole(tokens, lengths):
        return torch.arange(tokens.shape[1]).flip(0).expand_as(tokens)

    monkeypatch.setattr(encoder_module, "reverse_by_length", whole)
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(make("gru", "reversed"))


@EVERY
@pytest.mark.parametrize("reading", list(READINGS))
def test_output_dropout_drops_numbers_of_the_states_in_training_only(cell, reading):
    encoder, plain = make(cell, reading, output_dropout=0.4), make(cell, reading)
    plain.load_state_dict(encoder.state_dict())
    wide = make_batch((40,) * 30, (1,) * 30)
    whole, dropped = (e(wide.source, wide.source_lengths) for e in (plain, encoder))
    kept, alive = dropped.states != 0, whole.states != 0
    assert abs(kept[alive].double().mean() - 0.6) < 0.02
    changes = (kept[:, 1:] != kept[:, :-1])[alive[:, 1:] & alive[:, :-1]]
    assert abs(changes.double().mean() - 0.48) < 0.03  # each position draws anew
    torch.testing.assert_close(dropped.states[kept], whole.states[kept] / 0.6, rtol=1e-4, atol=0.0)
    assert_equal(dropped.hidden, whole.hidden)
    assert_equal(encoder.eval()(wide.source, wide.source_lengths).states, whole.states)


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_output_dropout_must_be_a_probability(p):
    with pytest.raises(ValueError, match=f"output_dropout={p}: must be in"):
        make(CELLS[0], next(iter(READINGS)), output_dropout=p)
