"""The LSTM that stands still on the padding equals the packed one in float32: outputs, states, gradients."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq_lab.model import recurrent_encoder as encoder_module
from seq2seq_lab.model.cell import GruCell, LstmCell
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel import linear, padded_lstm
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder

LENGTHS = torch.tensor([7, 3, 5, 1, 7, 2])
WIDTH, DIM = 5, 11


pytestmark = pytest.mark.usefixtures("onednn")


@pytest.fixture(autouse=True)
def _small_and_uneven_batches_take_it(monkeypatch):
    monkeypatch.setattr(linear, "SMALLEST", 1)
    monkeypatch.setattr(padded_lstm, "FULL", 0.0)


def lstm(num_layers: int = 1, *, bidirectional: bool = True, scale: float = 1.0) -> LstmCell:
    torch.manual_seed(1)
    cell = LstmCell(WIDTH, DIM, num_layers=num_layers, bidirectional=bidirectional)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.mul_(scale)
    return cell


def packed(cell, inputs, lengths):
    found = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    outputs, final = cell.sequence(found)
    return pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])[0], final


def results(run, cell: LstmCell) -> list[torch.Tensor]:
    torch.manual_seed(2)
    inputs = torch.randn(len(LENGTHS), 7, WIDTH, requires_grad=True)
    outputs, (hidden, memory) = run(cell, inputs, LENGTHS)
    cell.zero_grad()
    parts = (outputs, hidden, memory)
    sum((part * torch.arange(part.numel()).view_as(part).cos()).sum() for part in parts).backward()
    return [*(p.detach() for p in parts), inputs.grad, *(w.grad for w in cell.parameters())]


def equals_the_packed_one(cell: LstmCell) -> None:
    torch.testing.assert_close(
        results(padded_lstm.run, cell), results(packed, cell), atol=3e-5, rtol=1e-4
    )


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_layers", "scale"), [(1, 1.0), (2, 1.0), (3, 1.0), (1, 10.0)])
def test_it_equals_the_packed_one(num_layers, scale, bidirectional):
    equals_the_packed_one(lstm(num_layers, bidirectional=bidirectional, scale=scale))


def test_the_words_on_the_padding_change_no_bit():
    cell = lstm(2)
    inputs = torch.randn(len(LENGTHS), 7, WIDTH)
    other = inputs.clone()
    other[torch.arange(7)[None] >= LENGTHS[:, None]] = 1e3
    one, two = (padded_lstm.run(cell, x, LENGTHS) for x in (inputs, other))
    assert torch.equal(one[0], two[0])
    assert all(torch.equal(a, b) for a, b in zip(one[1], two[1], strict=True))


def test_outputs_on_padding_are_zero():
    outputs, _ = padded_lstm.run(lstm(), torch.randn(len(LENGTHS), 7, WIDTH), LENGTHS)
    assert not outputs[torch.arange(7)[None] >= LENGTHS[:, None]].any()


def test_dropout_falls_between_the_layers_in_training_only():
    cell = lstm(2)
    cell.dropout = 0.5
    inputs = torch.randn(len(LENGTHS), 7, WIDTH)
    runs = [
        padded_lstm.run(cell.train(mode), inputs, LENGTHS)[0] for mode in (True, True, False, False)
    ]
    assert not torch.equal(runs[0], runs[1])
    assert torch.equal(runs[2], runs[3])


def test_the_encoder_takes_it_and_gives_the_same(monkeypatch):
    torch.manual_seed(3)
    encoder = RecurrentEncoder(TokenEmbedding(9, WIDTH), LstmCell, 2 * DIM, 2, bidirectional=True)
    tokens = torch.randint(4, 9, (len(LENGTHS), 7))
    tokens[torch.arange(7)[None] >= LENGTHS[:, None]] = 0
    monkeypatch.setattr(encoder_module, "pack_padded_sequence", None)
    found = encoder(tokens, LENGTHS)
    monkeypatch.undo()
    monkeypatch.setattr(padded_lstm, "FULL", 2.0)
    expected = encoder(tokens, LENGTHS)
    for name in ("states", "mask", "hidden", "cell_state"):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), atol=1e-5, rtol=1e-4
        )


def test_it_is_for_large_float32_lstms_and_sentences_of_like_length(monkeypatch):
    assert padded_lstm.suits(lstm(), 7, LENGTHS)
    assert not padded_lstm.suits(lstm().double(), 7, LENGTHS)
    assert not padded_lstm.suits(GruCell(WIDTH, DIM), 7, LENGTHS)
    monkeypatch.setattr(padded_lstm, "FULL", 0.75)
    assert not padded_lstm.suits(lstm(), 7, LENGTHS)
    assert padded_lstm.suits(lstm(), 7, torch.tensor([7, 5, 6]))
    monkeypatch.setattr(linear, "SMALLEST", 4 * DIM * DIM + 1)
    assert not padded_lstm.suits(lstm(), 7, torch.tensor([7, 7]))


# planted bugs


def test_planted_gates_that_go_on_over_the_padding_are_caught(monkeypatch):
    monkeypatch.setattr(padded_lstm, "HOLD", 0.0)
    with pytest.raises(AssertionError):
        equals_the_packed_one(lstm())


def test_planted_gates_that_are_nearly_shut_are_caught(monkeypatch):
    monkeypatch.setattr(padded_lstm, "HOLD", 3.0)
    with pytest.raises(AssertionError):
        equals_the_packed_one(lstm())


def test_planted_final_state_from_the_last_position_is_caught(monkeypatch):
    gather = torch.Tensor.gather

    def last(self, dim, index):
        return gather(self, dim, index.new_full((), self.shape[1] - 1).expand_as(index))

    monkeypatch.setattr(torch.Tensor, "gather", last)
    with pytest.raises(AssertionError):
        equals_the_packed_one(lstm(bidirectional=False))
