import pytest
import torch
from torch import nn

from seq2seq_lab.training import output_loss
from seq2seq_lab.training.loss import cross_entropy
from seq2seq_lab.training.output_loss import (
    chunk_rows,
    log_softmax_in_place,
    output_cross_entropy,
)

TOKENS, DIM, VOCAB = 23, 6, 11


@pytest.fixture(autouse=True)
def four_rows(monkeypatch):
    """Six chunks of four rows."""
    monkeypatch.setattr(output_loss, "FEWEST", 4)
    monkeypatch.setattr(output_loss, "LARGEST", 1)


def on_logits(output, vectors, targets, smoothing):
    return cross_entropy(output(vectors), targets, smoothing)


def value_and_gradients(loss, smoothing, *, bias=True, tokens=TOKENS, dtype=torch.float64):
    torch.manual_seed(1)
    output = nn.Linear(DIM, VOCAB, bias=bias).to(dtype)
    vectors = torch.randn(tokens, DIM, dtype=dtype, requires_grad=True)
    total = loss(output, vectors * 2, torch.randint(VOCAB, (tokens,)), smoothing)
    (total * 0.3).backward()
    return [total.detach(), vectors.grad, *(one.grad for one in output.parameters())]


def equals_the_loss_of_all_logits(smoothing=0.0, **options):
    found = value_and_gradients(output_cross_entropy, smoothing, **options)
    expected = value_and_gradients(on_logits, smoothing, **options)
    tolerance = {} if "dtype" in options else {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(found, expected, **tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("tokens", [0, 1, 4, 5, TOKENS])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_all_logits_at_once(smoothing, tokens, bias):
    equals_the_loss_of_all_logits(smoothing, tokens=tokens, bias=bias)


def test_float32_too():
    equals_the_loss_of_all_logits(0.1, dtype=torch.float32)


def test_gradients_of_a_shared_weight_are_added():
    def through_the_embedding(loss):
        torch.manual_seed(1)
        table, output = nn.Embedding(VOCAB, DIM).double(), nn.Linear(DIM, VOCAB).double()
        output.weight = table.weight
        words = torch.randint(VOCAB, (TOKENS,))
        loss(output, table(words), words.flip(0), 0.0).backward()
        return table.weight.grad

    torch.testing.assert_close(
        through_the_embedding(output_cross_entropy), through_the_embedding(on_logits)
    )


def test_without_gradients_it_is_the_same_number():
    with_graph = value_and_gradients(output_cross_entropy, 0.1)[0]
    torch.manual_seed(1)
    output = nn.Linear(DIM, VOCAB).double()
    vectors = torch.randn(TOKENS, DIM, dtype=torch.float64)
    with torch.no_grad():
        alone = output_cross_entropy(output, vectors * 2, torch.randint(VOCAB, (TOKENS,)), 0.1)
    assert not alone.requires_grad
    assert torch.equal(alone, with_graph)


def test_a_second_backward_is_refused_and_not_wrong():
    output = nn.Linear(DIM, VOCAB)
    total = output_cross_entropy(output, torch.randn(5, DIM), torch.randint(VOCAB, (5,)))
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="a second backward pass"):
        total.backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (5, 7), (300, 1023), (2, 40_003), (1000, 17)])
def test_log_softmax_in_place_is_bit_by_bit_the_one_beside_it(dtype, shape):
    torch.manual_seed(1)
    logits = torch.randn(shape, dtype=dtype) * 7
    expected = torch.log_softmax(logits, -1)
    found = log_softmax_in_place(logits)
    assert torch.equal(found, expected)
    assert found.data_ptr() == logits.data_ptr()


def test_chunks_are_alike_and_bounded(monkeypatch):
    monkeypatch.setattr(output_loss, "FEWEST", 512)
    monkeypatch.setattr(output_loss, "LARGEST", 6 * 2**20)
    assert chunk_rows(900, 5921) == 900
    assert chunk_rows(2560, 5921) == 854
    assert chunk_rows(2560, 100_000) == 512
    assert chunk_rows(0, 5921) == 1


# planted bugs


def test_planted_gradient_of_the_last_chunk_alone_is_caught(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "__iadd__", lambda _, last: last)
    with pytest.raises(AssertionError):
        equals_the_loss_of_all_logits()


def test_planted_gradient_without_the_factor_after_it_is_caught(monkeypatch):
    backward = output_loss._OutputLoss.backward
    unscaled = staticmethod(lambda ctx, gradient: backward(ctx, torch.ones_like(gradient)))
    monkeypatch.setattr(output_loss._OutputLoss, "backward", unscaled)
    with pytest.raises(AssertionError):
        equals_the_loss_of_all_logits()
