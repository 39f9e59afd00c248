"""One layer against loops over heads, queries and keys, for every position and norm."""

import math

import pytest
import torch
from torch import Tensor, nn

from seq2seq_lab.model import transformer_layer
from seq2seq_lab.model.kernel import half_precision
from seq2seq_lab.model.position import Position, RotaryPosition
from seq2seq_lab.model.self_attention import RelativeSelfAttention, SelfAttention
from seq2seq_lab.model.transformer_layer import (
    AttentionHeads,
    DecoderLayer,
    EncoderLayer,
    InputEmbedding,
    attention_weights,
)
from support.model_properties import assert_equal
from support.tiny_models import nodes_of
from support.tiny_transformers import part

EVERY_POSITION = pytest.mark.parametrize("position", sorted(nodes_of("position")))
EVERY_NORM = pytest.mark.parametrize("norm", sorted(nodes_of("norm")))
DIM, MEMORY, HEADS = 6, 5, 3


def random(module: nn.Module) -> nn.Module:
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.6)
    return module


def plain_attention(
    heads: AttentionHeads,
    query: Tensor,
    memory: Tensor,
    allowed,
    position: Position | None = None,
    read_by: SelfAttention | None = None,
) -> tuple[Tensor, Tensor]:
    """One unpadded sentence: (what is read, mean weights); `allowed(i, j)` says which keys a query may see."""
    width = heads.query.out_features // heads.num_heads

    def head(layer: nn.Linear, vector: Tensor, number: int, place: int, *, turns: bool) -> Tensor:
        projected = layer.weight @ vector + (0.0 if layer.bias is None else layer.bias)
        mine = projected[number * width : (number + 1) * width]
        if turns and position is not None:
            return position.rotate(mine.view(1, 1, 1, -1), place).flatten()
        return mine

    def apart(name: str, number: int, distance: int) -> Tensor | float:
        if not isinstance(read_by, RelativeSelfAttention):
            return 0.0
        longest = read_by.max_distance
        return getattr(read_by, name)[number, max(-longest, min(longest, distance)) + longest]

    outputs, means = [], []
    for i, asking in enumerate(query):
        read, mean = [], torch.zeros(len(memory), dtype=torch.float64)
        for n in range(heads.num_heads):
            q = head(heads.query, asking, n, i, turns=True)
            seen = [j for j in range(len(memory)) if allowed(i, j)]
            scores = [
                float(q @ (head(heads.key, memory[j], n, j, turns=True) + apart("keys", n, j - i)))
                / math.sqrt(width)
                for j in seen
            ]
            total = sum(math.exp(s) for s in scores)
            weights = [math.exp(s) / total for s in scores]
            values = [
                head(heads.value, memory[j], n, j, turns=False) + apart("values", n, j - i)
                for j in seen
            ]
            read.append(sum(w * v for w, v in zip(weights, values, strict=True)))
            for j, w in zip(seen, weights, strict=True):
                mean[j] += w / heads.num_heads
        outputs.append(heads.output.weight @ torch.cat(read) + heads.output.bias)
        means.append(mean)
    return torch.stack(outputs), torch.stack(means)


def everything(i: int, j: int) -> bool:
    return True


def earlier(i: int, j: int) -> bool:
    return j <= i


def plain_feedforward(layer: EncoderLayer | DecoderLayer, vectors: Tensor) -> Tensor:
    first, _, second = layer.feedforward
    seen = layer.feedforward_norm.before(vectors)
    inner = (seen @ first.weight.T + first.bias).clamp(min=0.0)
    return layer.feedforward_norm.after(vectors, inner @ second.weight.T + second.bias)


def make(kind: type, position: str, norm: str) -> tuple[nn.Module, Position]:
    sizes = (DIM, HEADS, 7) if kind is EncoderLayer else (DIM, MEMORY, HEADS, 7)
    place = part("position", position)(DIM, HEADS)
    return random(kind(*sizes, part("norm", norm), 0.0, place)), place


@torch.no_grad()
def encoder_layer_equals_loops(position: str, norm: str) -> None:
    layer, place = make(EncoderLayer, position, norm)
    vectors, lengths = torch.randn(2, 5, DIM, dtype=torch.float64), (5, 3)
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    found = layer(vectors, mask, place)
    for row, n in enumerate(lengths):
        alone = vectors[row, :n]
        seen = layer.attention_norm.before(alone)
        read, _ = plain_attention(layer.attention, seen, seen, everything, place, layer.read)
        assert_equal(
            found[row, :n], plain_feedforward(layer, layer.attention_norm.after(alone, read))
        )


@torch.no_grad()
def decoder_layer_equals_loops(position: str, norm: str) -> None:
    layer, place = make(DecoderLayer, position, norm)
    vectors = torch.randn(2, 4, DIM, dtype=torch.float64)
    memory, lengths = torch.randn(2, 5, MEMORY, dtype=torch.float64), (5, 3)
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    nothing = torch.zeros(2, HEADS, 0, DIM // HEADS, dtype=torch.float64)
    back, _, _ = layer.self_attention(vectors, (nothing, nothing), place)
    keys = layer.source.keys(memory)
    across, queries = layer.cross_attention(back, keys, layer.source.values(memory), mask)
    weights = attention_weights(queries, keys, mask).mean(dim=1)
    found = layer.feed_forward(across)
    for row, n in enumerate(lengths):
        seen = layer.attention_norm.before(vectors[row])
        read, _ = plain_attention(layer.attention, seen, seen, earlier, place, layer.read)
        after = layer.attention_norm.after(vectors[row], read)
        seen = layer.source_norm.before(after)
        read, expected = plain_attention(layer.source, seen, memory[row, :n], everything)
        after = layer.source_norm.after(after, read)
        assert_equal(weights[row, :, :n], expected)
        assert not weights[row, :, n:].any()
        assert_equal(found[row], plain_feedforward(layer, after))


@EVERY_POSITION
@EVERY_NORM
def test_encoder_layer_equals_loops(position, norm):
    encoder_layer_equals_loops(position, norm)


@EVERY_POSITION
@EVERY_NORM
def test_decoder_layer_equals_loops(position, norm):
    decoder_layer_equals_loops(position, norm)


def test_a_bias_of_the_keys_would_change_nothing():
    queries, keys = torch.randn(2, 2, 3, 5, 2, dtype=torch.float64)
    mask = torch.ones(2, 5, dtype=torch.bool)
    biased = keys + torch.randn(1, 3, 1, 2, dtype=torch.float64)
    assert_equal(attention_weights(queries, keys, mask), attention_weights(queries, biased, mask))


def test_vectors_enter_scaled_by_the_root_of_their_width():
    embed = InputEmbedding(4, 4, RotaryPosition(4, 1), 0.0)
    assert torch.equal(embed(torch.ones(1, 2, 4), 0), torch.full((1, 2, 4), 2.0))


def test_vectors_of_another_width_are_projected_and_those_of_the_same_are_not():
    assert InputEmbedding(3, 4, RotaryPosition(4, 1), 0.0)(torch.ones(1, 2, 3), 0).shape == (
        1,
        2,
        4,
    )
    assert list(InputEmbedding(4, 4, RotaryPosition(4, 1), 0.0).parameters()) == []


def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="dim=6, num_heads=4: the heads share dim equally"):
        AttentionHeads(6, 6, 4)


# planted bugs


LOOPS = (encoder_layer_equals_loops, decoder_layer_equals_loops)


@pytest.mark.parametrize("loops", LOOPS)
def test_planted_mixture_of_heads_is_caught(loops, monkeypatch):
    def mixed(self, vectors):
        return vectors.unflatten(-1, (-1, self.num_heads)).transpose(-1, -2).transpose(1, 2)

    monkeypatch.setattr(AttentionHeads, "_split", mixed)
    with pytest.raises(AssertionError):
        loops("sinusoidal", "pre")


@pytest.mark.parametrize("loops", LOOPS)
def test_planted_scale_by_the_whole_width_is_caught(loops, monkeypatch):
    def scaled(query, *rest, **settings):
        return attend(query / math.sqrt(HEADS), *rest, **settings)

    attend = half_precision.F.scaled_dot_product_attention
    monkeypatch.setattr(half_precision.F, "scaled_dot_product_attention", scaled)
    with pytest.raises(AssertionError):
        loops("learned", "post")


@pytest.mark.parametrize("loops", LOOPS)
def test_planted_missing_mask_is_caught(loops, monkeypatch):
    def unmasked(query, key, value, attn_mask=None, is_causal=False):
        return attend(query, key, value)

    attend = half_precision.F.scaled_dot_product_attention
    monkeypatch.setattr(half_precision.F, "scaled_dot_product_attention", unmasked)
    with pytest.raises(AssertionError):
        loops("sinusoidal", "pre")


@pytest.mark.parametrize("loops", LOOPS)
def test_planted_unrotated_keys_are_caught(loops, monkeypatch):
    calls = iter(range(1000))
    rotate = RotaryPosition.rotate
    monkeypatch.setattr(
        RotaryPosition,
        "rotate",
        lambda self, heads, start: heads if next(calls) == 1 else rotate(self, heads, start),
    )
    with pytest.raises(AssertionError):
        loops("rotary", "pre")


def test_planted_weights_of_one_head_are_caught(monkeypatch):
    original = transformer_layer.attention_weights
    monkeypatch.setitem(
        globals(),
        "attention_weights",
        lambda queries, keys, mask: original(queries[:, :1], keys[:, :1], mask),
    )
    with pytest.raises(AssertionError):
        decoder_layer_equals_loops("sinusoidal", "pre")


def test_planted_softmax_over_the_queries_is_caught(monkeypatch):
    def wrong(queries, keys, mask):
        scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[-1])
        return scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(dim=-2)

    monkeypatch.setitem(globals(), "attention_weights", wrong)
    with pytest.raises(AssertionError):
        decoder_layer_equals_loops("sinusoidal", "pre")
