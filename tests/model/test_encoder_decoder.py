from contextlib import suppress

import pytest
import torch
from torch import nn

from seq2seq_lab.doctor import paths
from seq2seq_lab.model import attention, bridge, encoder_decoder, normalizer, state
from seq2seq_lab.model import recurrent_decoder as decoder
from seq2seq_lab.model import recurrent_encoder as encoder
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.special_tokens import PAD
from seq2seq_lab.training.scheduled_sampling import sequential as feeding
from support import model_properties as properties
from support.tiny_models import (
    Choice,
    all_choices,
    axes,
    covering_choices,
    every_choice,
    is_legal,
    make_batch,
    make_model,
)

EVERY = every_choice()
LOCKED = pytest.mark.parametrize(
    "choice", [c for c in covering_choices(1) if c.stack in ("locked", "all")], ids=str
)
LSTM = Choice(
    "lstm",
    "additive",
    "mean",
    "every_step_and_output",
    "before",
    "deep",
    True,
    "bidirectional",
    (1, 2),
    (6, 5),
)
PLAIN = Choice(
    "gru", "none", "last", "initial_state", "after", "state", False, "forward", (2, 2), (6, 6)
)


def every_parameter_is_trained(choice: Choice) -> None:
    """O12; a unit of max(0, x) may sleep through a batch, so such a cell has a few random models to wake in."""
    for seed in range(2, 12) if choice.cell == "rnn_relu" else ():
        with suppress(AssertionError):
            return properties.every_parameter_is_trained(
                make_model(choice, seed).train(), make_batch()
            )
    properties.every_parameter_is_trained(make_model(choice).train(), make_batch())


def test_the_choices_cover_every_option_and_are_many():
    chosen = covering_choices()
    assert len(chosen) > 50
    for name, options in axes().items():
        assert {getattr(choice, name) for choice in chosen} == set(options), name


@EVERY
def test_forward_equals_repeated_step(choice):
    properties.forward_equals_steps(make_model(choice), make_batch())


@LOCKED
def test_forward_equals_repeated_step_while_training(choice):
    properties.forward_equals_steps(make_model(choice).train(), make_batch())


@EVERY
def test_padding_has_no_effect_on_logits_loss_gradients_and_attention(choice):
    properties.padding_has_no_effect(make_model(choice), make_batch())


@LOCKED
def test_padding_has_no_effect_while_training(choice):
    properties.padding_has_no_effect(make_model(choice).train(), make_batch())


@EVERY
def test_every_parameter_gets_a_gradient_and_the_padding_row_none(choice):
    every_parameter_is_trained(choice)


@EVERY
def test_float32_forward_equals_repeated_step(choice):
    model, batch = make_model(choice).float(), make_batch()
    whole = model(batch.source, batch.source_lengths, batch.target_input)
    steps = properties.by_steps(model, batch)[0]
    # rounding grows with what is summed, and a relu cell's states have no bound: its unit is the largest logit
    unit = max(1.0, float(whole.abs().max())) if choice.cell == "rnn_relu" else 1.0
    torch.testing.assert_close(whole / unit, steps / unit, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("attention", axes()["attention"])
@pytest.mark.parametrize("cell", axes()["cell"])
def test_every_legal_combination_keeps_the_laws(cell, attention):
    batch, count = make_batch(), 0
    fixed = {"reading": "bidirectional", "layers": (2, 2), "widths": (6, 6), "stack": "all"}
    for choice in all_choices(cell=cell, attention=attention, **fixed):
        model = make_model(choice)
        properties.forward_equals_steps(model, batch)
        properties.padding_has_no_effect(model, batch)
        every_parameter_is_trained(choice)
        properties.sequential_equals_parallel(model, batch)
        properties.greedy_score_is_teacher_forced_score(model, batch)
        count += 1
    assert count > 100


# planted bugs


def test_planted_wrong_time_of_feeding_is_caught(monkeypatch):
    def late(self, static, embedded, start):
        return original(self, static.roll(1, dims=1), embedded, start)

    original = decoder.RecurrentDecoder._loop
    monkeypatch.setattr(decoder.RecurrentDecoder, "_loop", late)
    with pytest.raises(AssertionError):
        properties.forward_equals_steps(make_model(LSTM), make_batch())


def test_planted_mask_off_by_one_is_caught(monkeypatch):
    def only_real(scores, mask):
        wrong = mask | mask.roll(1, dims=1)
        return scores.masked_fill(~wrong.unsqueeze(1), -torch.inf)

    monkeypatch.setattr(normalizer, "only_real", only_real)
    with pytest.raises(AssertionError):
        properties.padding_has_no_effect(make_model(LSTM), make_batch())


def test_planted_missing_mask_is_caught(monkeypatch):
    monkeypatch.setattr(normalizer, "only_real", lambda scores, mask: scores)
    with pytest.raises(AssertionError):
        properties.padding_has_no_effect(make_model(LSTM), make_batch())


def test_planted_backward_reading_from_the_padding_is_caught(monkeypatch):
    monkeypatch.setattr(encoder, "pack", lambda embedded, _: embedded)
    monkeypatch.setattr(encoder, "unpack", lambda outputs, _: outputs)
    with pytest.raises(AssertionError):
        properties.padding_has_no_effect(make_model(LSTM), make_batch())


def test_planted_mean_over_the_padding_is_caught(monkeypatch):
    def vectors(self, memory):
        mean = memory.states.mean(dim=1)
        return [mean] * self.num_layers, [mean] * self.num_layers

    monkeypatch.setattr(bridge.MeanBridge, "vectors", vectors)
    with pytest.raises(AssertionError):
        properties.padding_has_no_effect(make_model(LSTM), make_batch())


def test_planted_padding_in_the_loss_is_caught(monkeypatch):
    def forced(model, batch):
        logits = model(batch.source, batch.source_lengths, batch.target_input)
        return (logits * 1.0)[batch.target_mask] + logits.mean()

    monkeypatch.setattr(paths, "teacher_forced_logits", forced)
    with pytest.raises(AssertionError):
        properties.padding_has_no_effect(make_model(PLAIN), make_batch())


def test_planted_untrained_parameter_is_caught():
    model = make_model(LSTM)
    model.decoder.forgotten = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(AssertionError, match="forgotten"):
        properties.every_parameter_is_trained(model, make_batch())


def test_planted_trained_padding_row_is_caught():
    model = make_model(LSTM)
    model.encoder.embedding.lookup.padding_idx = None
    model.encoder.embedding.forward = model.encoder.embedding.lookup.forward
    batch = make_batch()
    batch.source[0, 0] = PAD
    with pytest.raises(AssertionError):
        properties.every_parameter_is_trained(model, batch)


# tied embeddings


def sides(source_vocab=11, target_vocab=11, embedding_dim=6):
    memory = encoder.RecurrentEncoder(TokenEmbedding(source_vocab, 6), _cell, 6)
    readout = make_model(PLAIN).decoder.readout.__class__(6)
    output = decoder.LuongDecoder(
        target_vocab,
        TokenEmbedding(target_vocab, embedding_dim),
        _cell,
        attention.NoAttention(6, 6),
        bridge.LastBridge(6, 1, 6, 1),
        make_model(PLAIN).decoder.context.__class__(6),
        readout,
        6,
    )
    return memory, output


def _cell(*sizes, **settings):
    from seq2seq_lab.model.cell import GruCell

    return GruCell(*sizes, **settings)


def test_tied_output_shares_the_target_embedding():
    model = encoder_decoder.EncoderDecoder(*sides(), tie_output=True)
    assert model.decoder.output.weight is model.decoder.embedding.lookup.weight


def test_tied_source_shares_the_target_embedding():
    model = encoder_decoder.EncoderDecoder(*sides(), tie_source=True)
    assert model.encoder.embedding.lookup.weight is model.decoder.embedding.lookup.weight


def test_tying_saves_exactly_the_shared_parameters():
    def count(**ties):
        return sum(p.numel() for p in encoder_decoder.EncoderDecoder(*sides(), **ties).parameters())

    assert count() - count(tie_output=True, tie_source=True) == 2 * 11 * 6


@pytest.mark.parametrize(
    ("sizes", "key"),
    [({"embedding_dim": 5}, "tie_output"), ({"source_vocab": 7}, "tie_source")],
)
def test_tying_unequal_weights_is_refused_with_the_key(sizes, key):
    with pytest.raises(ValueError, match=f"model.{key}=true"):
        encoder_decoder.EncoderDecoder(*sides(**sizes), **{key: True})


def test_tied_model_still_ignores_padding():
    model = encoder_decoder.EncoderDecoder(*sides(), tie_output=True, tie_source=True).double()
    batch = make_batch()
    batch.target_input.clamp_(max=10)
    batch.target_output.clamp_(max=10)
    expected = properties.loss_and_gradients(model, batch)
    assert_wide = properties.loss_and_gradients(model, properties.widened(batch))
    properties.assert_equal(assert_wide, expected)


# what the classes share


def test_states_of_chosen_rows_are_the_states_of_a_smaller_batch():
    model, batch, rows = make_model(LSTM), make_batch(), torch.tensor([2, 0])
    start = model.initial_state(model.encode(batch.source, batch.source_lengths))
    _, chosen = model.step(batch.target_input[rows, 0], start.select(rows))
    _, whole = model.step(batch.target_input[:, 0], start)
    for one, other in zip(_tensors(chosen), _tensors(whole.select(rows)), strict=True):
        properties.assert_equal(one, other)


def _tensors(value):
    source = value.source
    found = [
        value.hidden,
        value.cell_state,
        value.feed,
        value.past,
        value.attention,
        source.summary,
    ]
    return [*found, source.keys.keys, source.keys.values, source.keys.mask]


def test_the_state_is_batch_first_in_every_tensor():
    model, batch = make_model(LSTM), make_batch()
    start = model.initial_state(model.encode(batch.source, batch.source_lengths))
    assert isinstance(start, state.RecurrentState)
    assert {tensor.shape[0] for tensor in _tensors(start)} == {3}


def test_teacher_forced_returns_the_real_positions_row_by_row():
    model, batch = make_model(LSTM), make_batch()
    whole = model(batch.source, batch.source_lengths, batch.target_input)
    rows = [whole[i, t] for i, n in enumerate((3, 7, 5)) for t in range(n)]
    properties.assert_equal(feeding.teacher_forced_logits(model, batch), torch.stack(rows))


def test_a_decoder_that_hears_nothing_of_the_source_is_not_legal():
    deaf = Choice(
        "gru", "none", "zero", "initial_state", "after", "state", False, "forward", (1, 1), (6, 6)
    )
    assert not is_legal(deaf)
