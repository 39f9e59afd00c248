"""Transformers and mixed pairs keep the properties; both sides equal torch's own on unpadded sentences (O11)."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from seq2seq_lab.model.norm import PostNorm, PreNorm
from seq2seq_lab.training.scheduled_sampling.sequential import sequential_logits
from support import model_properties as properties
from support.model_properties import assert_equal
from support.tiny_models import make_batch
from support.tiny_transformers import (
    TransformerChoice,
    every_transformer,
    make,
    mixed,
    named,
    options,
    pure,
    transformer_choices,
)

EVERY = every_transformer()
BATCH = make_batch((4, 1, 2, 6), (2, 6, 4, 3))


def test_the_choices_cover_every_option_of_every_named_model():
    chosen = transformer_choices()
    assert {c.name for c in chosen} == set(named()) >= {"transformer"}
    for name, values in options().items():
        assert {getattr(c, name) for c in pure()} == set(values), name
    for name in set(named()) - set(options()["name"]):
        assert len({c.partner.cell for c in mixed(name)}) > 2


# the properties


@EVERY
def test_forward_equals_repeated_step(choice):
    properties.forward_equals_steps(make(choice), BATCH)


@EVERY
def test_float32_forward_equals_repeated_step(choice):
    model = make(choice).float()
    whole = model(BATCH.source, BATCH.source_lengths, BATCH.target_input)
    torch.testing.assert_close(whole, properties.by_steps(model, BATCH)[0], rtol=1e-5, atol=1e-5)


@EVERY
def test_padding_has_no_effect_on_logits_loss_gradients_and_attention(choice):
    properties.padding_has_no_effect(make(choice), make_batch())


@EVERY
def test_every_parameter_gets_a_gradient_and_the_padding_row_none(choice):
    properties.every_parameter_is_trained(make(choice), make_batch())


@EVERY
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_loop_equals_the_parallel_road_in_logits_and_gradients(choice, dropout):
    properties.sequential_equals_parallel(make(choice, dropout=dropout).train(), make_batch())


@EVERY
def test_the_score_of_a_hypothesis_is_its_teacher_forced_score(choice):
    properties.greedy_score_is_teacher_forced_score(make(choice), BATCH)


@EVERY
def test_batch_mates_have_no_effect(choice):
    properties.batch_mates_have_no_effect(make(choice), BATCH)


@EVERY
def test_ratio_zero_equals_greedy_decoding(choice):
    def never_forced(model, batch):
        return sequential_logits(model, batch, torch.zeros_like(batch.target_mask))

    properties.ratio_zero_equals_greedy(make(choice), properties.full_batch(BATCH), never_forced)


# O11


def torch_layer(kind: type, ours: nn.Module, dim: int, heads: int) -> nn.Module:
    """Return torch's layer with the weights of ours; its bias of the keys, which does nothing, stays random."""
    norm_first = isinstance(ours.attention_norm, PreNorm)
    settings = {"dropout": 0.0, "batch_first": True, "norm_first": norm_first}
    layer = kind(dim, heads, ours.feedforward[0].out_features, **settings).double()
    blocks = [(layer.self_attn, ours.attention), (layer.norm1, ours.attention_norm.norm)]
    if kind is nn.TransformerDecoderLayer:
        blocks += [(layer.multihead_attn, ours.source), (layer.norm2, ours.source_norm.norm)]
    last = layer.norm3 if kind is nn.TransformerDecoderLayer else layer.norm2
    blocks += [(layer.linear1, ours.feedforward[0]), (layer.linear2, ours.feedforward[2])]
    with torch.no_grad():
        for theirs, mine in [*blocks, (last, ours.feedforward_norm.norm)]:
            if isinstance(theirs, nn.MultiheadAttention):
                three = [mine.query, mine.key, mine.value]
                theirs.in_proj_weight.copy_(torch.cat([p.weight for p in three]))
                key_bias = torch.randn(dim, dtype=torch.float64)
                theirs.in_proj_bias.copy_(torch.cat([mine.query.bias, key_bias, mine.value.bias]))
                theirs, mine = theirs.out_proj, mine.output
            theirs.load_state_dict(mine.state_dict())
    return layer.eval()


def entered(side: nn.Module, tokens: Tensor) -> Tensor:
    """Return what enters the first layer, from the lookup table: sinusoids or learned vectors by place."""
    words = side.embedding.lookup.weight[tokens] * side.embedding.dim**0.5
    place, angle = (
        side.input_embedding.position,
        torch.arange(len(tokens), dtype=torch.float64)[:, None],
    )
    if hasattr(place, "vectors"):
        return words + torch.stack([place.vectors[min(i, 3)] for i in range(len(tokens))])
    angle = angle / 10000 ** (torch.arange(0, side.dim, 2, dtype=torch.float64) / side.dim)
    words[:, 0::2] += angle.sin()
    words[:, 1::2] += angle.cos()
    return words


@torch.no_grad()
def equals_torch_on_each_sentence(choice: TransformerChoice) -> None:
    model, batch = make(choice), BATCH
    encoder, decoder = model.encoder, model.decoder
    whole = encoder(batch.source, batch.source_lengths)
    logits = model(batch.source, batch.source_lengths, batch.target_input)
    below = [
        torch_layer(nn.TransformerEncoderLayer, x, encoder.dim, choice.heads)
        for x in encoder.layers
    ]
    above = [
        torch_layer(nn.TransformerDecoderLayer, x, decoder.dim, choice.heads)
        for x in decoder.layers
    ]
    last = [
        nn.LayerNorm(s.dim).double() if choice.norm == "pre" else nn.Identity()
        for s in (encoder, decoder)
    ]
    for one, ours in zip(last, (encoder, decoder), strict=True):
        one.load_state_dict(ours.last_norm.state_dict())
    targets = batch.target_mask.sum(dim=1).tolist()
    for row, (n, m) in enumerate(zip(batch.source_lengths.tolist(), targets, strict=True)):
        states, means = entered(encoder, batch.source[row, :n]).unsqueeze(0), []
        for layer in below:
            states = layer(states)
            means.append(states.mean(dim=1)[0])
        states = last[0](states)
        means[-1] = states.mean(dim=1)[0]
        assert_equal(whole.states[row, :n], states[0])
        assert_equal(whole.hidden[row], torch.stack(means))
        assert not whole.states[row, n:].any()
        vectors = entered(decoder, batch.target_input[row, :m]).unsqueeze(0)
        causal = nn.Transformer.generate_square_subsequent_mask(m, dtype=torch.float64)
        for layer in above:
            vectors = layer(vectors, states, tgt_mask=causal, tgt_is_causal=True)
        assert_equal(logits[row, :m], decoder.output(last[1](vectors)[0]))


@pytest.mark.parametrize("norm", options()["norm"])
@pytest.mark.parametrize("position", ["sinusoidal", "learned"])
@pytest.mark.parametrize("layers", [(1, 1), (2, 3)])
def test_padded_batch_equals_torch_on_each_sentence(norm, position, layers):
    equals_torch_on_each_sentence(
        TransformerChoice("transformer", position, norm, 3, layers, (6, 6), 6)
    )


# planted bugs


SAME = TransformerChoice("transformer", "sinusoidal", "pre", 3, (2, 2), (6, 6), 6)


@pytest.mark.parametrize("norm", [PreNorm, PostNorm])
@pytest.mark.parametrize("bug", ["before", "after"])
def test_planted_wrong_place_of_the_norm_is_caught(norm, bug, monkeypatch):
    choice = replace(SAME, norm="pre" if norm is PreNorm else "post")
    other = PostNorm if norm is PreNorm else PreNorm
    monkeypatch.setattr(norm, bug, getattr(other, bug))
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(choice)


def test_planted_missing_last_norm_is_caught(monkeypatch):
    model = make(SAME)
    model.encoder.last_norm.forward = lambda vectors: vectors
    monkeypatch.setitem(globals(), "make", lambda _: model)
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(SAME)


def test_planted_unscaled_embedding_is_caught(monkeypatch):
    model = make(SAME)
    model.decoder.input_embedding.scale = 1.0
    monkeypatch.setitem(globals(), "make", lambda _: model)
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(SAME)


def test_planted_positions_from_one_are_caught(monkeypatch):
    model = make(SAME)
    place = model.encoder.input_embedding.position
    embed = place.embed
    monkeypatch.setattr(place, "embed", lambda vectors, start: embed(vectors, start + 1))
    monkeypatch.setitem(globals(), "make", lambda _: model)
    with pytest.raises(AssertionError):
        equals_torch_on_each_sentence(SAME)
