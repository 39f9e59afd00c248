"""Cells with layer normalisation inside the step, against the equations of Ba et al. (2016), a sentence at a time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn, sigmoid, tanh

from seq2seq_lab.batch import Batch
from seq2seq_lab.model import layer_norm_cell
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.layer_norm_cell import LayerNormCell, LayerNormGruCell, LayerNormLstmCell
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits
from support.model_properties import assert_equal
from support.seedwise import DEFAULT, OWN, compare_with_each_alone, models_of
from support.stack_formulas import normalized
from support.tiny_models import READINGS, make_batch

DIM = 5
CELLS = {"gru_layer_norm": LayerNormGruCell, "lstm_layer_norm": LayerNormLstmCell}
EVERY = pytest.mark.parametrize("name", list(CELLS))
BATCH = make_batch((4, 1, 2, 6), (1, 1, 1, 1))


def randomly_normalized(module: nn.Module) -> None:
    """Give all gains and shifts values of their own."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "gain" in name or "shift" in name:
                weight.normal_()


def plain_step(
    cell: LayerNormCell, end: str, x: Tensor, h: Tensor, c: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of one sentence: each part of the gains belongs to the vector that is named here, in this order."""
    w, u, a, b, gain, shift = (
        getattr(cell, f"{name}_{end}")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "gain", "shift")
    )
    from_input, from_state = w @ x + a, u @ h + b

    def norm(values: Tensor, vectors: list[int]) -> Tensor:
        part = slice(DIM * vectors[0], DIM * (vectors[-1] + 1))
        return normalized(values, gain[part], shift[part])

    if isinstance(cell, LayerNormLstmCell):
        total = norm(from_input, [0, 1, 2, 3]) + norm(from_state, [4, 5, 6, 7])
        i, f, g, o = total.chunk(4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(norm(c, [8])), c
    gates = norm(from_input[: 2 * DIM], [0, 1]) + norm(from_state[: 2 * DIM], [3, 4])
    r, z = sigmoid(gates).chunk(2)
    new = tanh(norm(from_input[2 * DIM :], [2]) + r * norm(from_state[2 * DIM :], [5]))
    return (1 - z) * new + z * h, c


def plain_layers(cell: LayerNormCell, words: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return the states over one sentence, and the last h and c of each layer and direction."""
    below, hidden, cells = words, [], []
    for layer in range(cell.num_layers):
        sides = []
        for end in (f"l{layer}", f"l{layer}_reverse")[: 1 + cell.bidirectional]:
            order = range(len(words))[:: -1 if "reverse" in end else 1]
            h, states = torch.zeros(DIM, dtype=torch.float64), {}
            c = torch.zeros(DIM * cell.has_cell_state, dtype=torch.float64)
            for t in order:
                h, c = plain_step(cell, end, below[t], h, c)
                states[t] = h
            sides.append(torch.stack([states[t] for t in range(len(words))]))
            hidden.append(h)
            cells.append(c)
        below = torch.cat(sides, dim=1)
    return below, hidden, cells


def encoder_of(name: str, reading: str, layers: int) -> RecurrentEncoder:
    torch.manual_seed(2)
    dim = DIM * (1 + (reading == "bidirectional"))
    made = RecurrentEncoder(
        TokenEmbedding(11, 3), CELLS[name], dim, layers, **READINGS[reading]
    ).double()
    randomly_normalized(made)
    return made


def equals_the_equations(encoder: RecurrentEncoder) -> None:
    memory = encoder(BATCH.source, BATCH.source_lengths)
    for row, length in enumerate(BATCH.source_lengths.tolist()):
        words = encoder.embedding.lookup.weight[BATCH.source[row, :length]]
        turn = -1 if encoder.reverse_source else 1
        words = words.flip(0) if turn == -1 else words
        states, hidden, cells = plain_layers(encoder.rnn, words)
        assert_equal(memory.states[row, :length], states.flip(0) if turn == -1 else states)
        assert_equal(memory.hidden[row].flatten(), torch.cat(hidden))
        assert_equal(memory.cell_state[row].flatten(), torch.cat(cells))
        assert not memory.states[row, length:].any()


@EVERY
@pytest.mark.parametrize("reading", list(READINGS))
@pytest.mark.parametrize("layers", [1, 2])
def test_every_sentence_of_a_batch_equals_the_equations(name, reading, layers):
    equals_the_equations(encoder_of(name, reading, layers))


@EVERY
def test_each_layer_and_direction_has_norms_of_its_own_that_are_one_and_zero_at_first(name):
    cell = CELLS[name](3, DIM, num_layers=2, bidirectional=True)
    width = (9 if cell.has_cell_state else 6) * DIM
    for end in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert torch.equal(getattr(cell, f"gain_{end}"), torch.ones(width))
        assert torch.equal(getattr(cell, f"shift_{end}"), torch.zeros(width))


@EVERY
def test_a_scaled_product_changes_nothing(name):
    """What the norm is for: the size of W x + b and of U h + c has no effect (up to the 1e-5 in the root)."""
    cell, scaled = (CELLS[name](3, DIM).double() for _ in range(2))
    with torch.no_grad():
        for key, weight in cell.named_parameters():
            getattr(scaled, key).copy_(weight * (50.0 if "weight" in key or "bias" in key else 1.0))
    inputs = 30 * torch.randn(2, 7, 3, dtype=torch.float64)
    one, other = cell.sequence(inputs)[0], scaled.sequence(inputs)[0]
    torch.testing.assert_close(one[:, 0], other[:, 0], rtol=0, atol=2e-3)
    assert float(one.detach().std()) > 0.05


@EVERY
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("reading", ["forward", "bidirectional"])
def test_several_seeds_at_once_equal_each_alone(name, reading, dropout):
    choice = replace(DEFAULT, cell=name, reading=reading, layers=(2, 2))
    models = models_of(choice, dropout)
    for model in models:
        randomly_normalized(model)
    batches: list[Batch] = OWN
    compare_with_each_alone(
        models,
        batches,
        lambda all_of_them, generators: all_of_them.logits(batches, generators),
        lambda seed: teacher_forced_logits(models[seed], batches[seed]),
    )


@EVERY
def test_dropout_between_layers_spares_the_bottom_and_evaluation(name):
    cell = CELLS[name](3, DIM, num_layers=2, dropout=0.5)
    inputs = torch.randn(2, 7, 3)
    torch.manual_seed(1)
    one, other = cell.sequence(inputs), cell.sequence(inputs)
    assert torch.equal(one[1][0][:, 0], other[1][0][:, 0])
    assert not torch.equal(one[0], other[0])
    cell.eval()
    assert torch.equal(cell.sequence(inputs)[0], cell.sequence(inputs)[0])


@EVERY
def test_autocast_keeps_one_type(name):
    cell = CELLS[name](3, 16, bidirectional=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, _ = cell.sequence(torch.randn(2, 4, 3))
        outputs.float().sum().backward()
    assert cell.weight_hh_l0.grad.isfinite().all()


# planted bugs


@EVERY
def test_planted_norms_of_the_first_layer_everywhere_are_caught(name, monkeypatch):
    update = CELLS[name].update
    monkeypatch.setattr(
        CELLS[name], "update", lambda self, gates, state, norm: update(self, gates, state)
    )
    with pytest.raises(AssertionError):
        equals_the_equations(encoder_of(name, "forward", 2))


@EVERY
def test_planted_ended_rows_that_lose_their_state_are_caught(name, monkeypatch):
    def lost(new, rest):
        return tuple(torch.cat([n, torch.zeros_like(r)]) for n, r in zip(new, rest, strict=True))

    monkeypatch.setattr(layer_norm_cell, "_under", lost)
    with pytest.raises(AssertionError):
        equals_the_equations(encoder_of(name, "forward", 1))


@EVERY
def test_a_traced_encoder_is_refused_since_its_loop_would_keep_the_lengths_of_the_example(
    name, monkeypatch
):
    encoder = encoder_of(name, "forward", 1).eval()
    monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)
    with pytest.raises(RuntimeError, match="no ONNX form; train one with model/cell=gru or lstm"):
        encoder(BATCH.source, BATCH.source_lengths)
