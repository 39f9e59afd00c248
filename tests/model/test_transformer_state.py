"""What a Transformer carries from step to step, with several hypotheses per sentence; and its planted bugs."""

from dataclasses import replace

import pytest
import torch

from seq2seq_lab.model import transformer
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel import half_precision
from seq2seq_lab.model.norm import Norm
from seq2seq_lab.model.position import RotaryPosition
from seq2seq_lab.model.state import TransformerState, select_rows
from seq2seq_lab.model.transformer import TransformerDecoder, TransformerEncoder
from seq2seq_lab.model.transformer_layer import DecoderLayer
from support import model_properties as properties
from support.model_properties import assert_equal
from support.tiny_models import TARGET_VOCAB, make_batch
from support.tiny_transformers import (
    TransformerChoice,
    every_transformer,
    make,
    part,
    transformer_choices,
)

EVERY = every_transformer()
SINUSOIDAL = TransformerChoice("transformer", "sinusoidal", "pre", 3, (2, 2), (6, 12), 6)
LEARNED, ROTARY = replace(SINUSOIDAL, position="learned"), replace(SINUSOIDAL, position="rotary")
POST = replace(SINUSOIDAL, norm="post", layers=(1, 2))
FOUR = pytest.mark.parametrize("choice", [SINUSOIDAL, LEARNED, ROTARY, POST], ids=str)
BATCH = make_batch((4, 1, 2), (2, 6, 4))
WIDTH, STEPS = 3, 4


@torch.no_grad()
def hypotheses_equal_each_alone(model: EncoderDecoder) -> None:
    """Three hypotheses per sentence, exchanged at every step, have the logits of their own texts read alone.

    After two steps the middle sentence leaves and the others change places.
    """
    draw = torch.Generator().manual_seed(3)
    state = model.initial_state(model.encode(BATCH.source, BATCH.source_lengths))
    sentences, rows = [0, 1, 2], torch.arange(3).repeat_interleave(WIDTH)
    texts: list[list[int]] = [[] for _ in rows]
    state = state.reorder(rows)
    for step in range(STEPS):
        tokens = torch.randint(4, TARGET_VOCAB, (len(texts),), generator=draw)
        texts = [[*text, token] for text, token in zip(texts, tokens.tolist(), strict=True)]
        logits, state = model.step(tokens, state)
        assert (state.width, len(logits)) == (WIDTH, WIDTH * len(sentences))
        for row, text in enumerate(texts):
            which = sentences[row // WIDTH]
            length = BATCH.source_lengths[which : which + 1]
            source = BATCH.source[which : which + 1, : int(length)]
            assert_equal(logits[row], model(source, length, torch.tensor([text]))[0, -1])
        if step == 1:
            state = state.select(torch.tensor([2, 0]))
            sentences, texts = [2, 0], [*texts[6:9], *texts[0:3]]
        chosen = [s * WIDTH + i for s in range(len(sentences)) for i in (2, 0, 2)]
        state, texts = state.reorder(torch.tensor(chosen)), [texts[i] for i in chosen]


@EVERY
def test_hypotheses_side_by_side_equal_each_alone(choice):
    hypotheses_equal_each_alone(make(choice))


@FOUR
@torch.no_grad()
def test_the_state_is_rows_first_and_the_sentences_share_is_never_repeated(choice):
    model = make(choice)
    state = model.initial_state(model.encode(BATCH.source, BATCH.source_lengths))
    assert (state.attention.shape, state.num_steps, state.width) == ((3, 0), 0, 1)
    wide = state.reorder(torch.arange(3).repeat_interleave(WIDTH))
    _, wide = model.step(torch.full((9,), 5), wide)
    assert (wide.num_steps, wide.width, wide.attention.shape) == (1, 3, (9, 5))
    assert {len(t) for t in (*wide.keys, *wide.values)} == {9}
    assert wide.source is state.source
    assert {len(t) for t in (wide.source.mask, *wide.source.keys, *wide.source.values)} == {3}


def test_rows_of_a_tuple_are_selected_in_each_of_its_tensors():
    pair = torch.arange(3), torch.arange(3, 6)
    assert [t.tolist() for t in select_rows(pair, torch.tensor([2, 0]))] == [[2, 0], [5, 3]]


@FOUR
@torch.no_grad()
def test_attention_weights_sum_to_1_and_are_0_on_the_padding(choice):
    weights = properties.by_steps(make(choice), BATCH)[1]
    assert_equal(weights.sum(dim=-1), torch.ones(3, 7, dtype=torch.float64))
    assert not weights.masked_select(~BATCH.source_mask.unsqueeze(1)).any()


@FOUR
@torch.no_grad()
def test_states_under_the_padding_are_never_read(choice):
    model = make(choice)
    memory = model.encode(BATCH.source, BATCH.source_lengths)
    dirty = replace(memory, states=memory.states.masked_fill(~memory.mask.unsqueeze(-1), torch.nan))
    embedded = model.decoder.embed(BATCH.target_input)
    clean, found = (model.decoder(embedded, m) for m in (memory, dirty))
    assert_equal(found, clean)


@torch.no_grad()
def test_a_row_without_a_real_token_is_refused():
    model = make(SINUSOIDAL)
    with pytest.raises(ValueError, match="without any real token"):
        model.encode(BATCH.source, torch.tensor([5, 0, 3]))
    memory = model.encode(BATCH.source, BATCH.source_lengths)
    empty = replace(memory, mask=memory.mask.clone().index_fill_(0, torch.tensor(1), value=False))
    with pytest.raises(ValueError, match="without any real token"):
        model.initial_state(empty)


def test_sentences_longer_than_the_learned_positions_are_read():
    encoder = make(LEARNED).encoder
    assert BATCH.source.shape[1] > len(encoder.input_embedding.position.vectors)
    assert encoder(BATCH.source, BATCH.source_lengths).states.isfinite().all()


BAD = [({"num_layers": 0}, "num_layers=0"), ({"feedforward_dim": 0}, "feedforward_dim=0")]
BAD += [({"dropout": 1.5}, "dropout=1.5"), ({"num_heads": 4}, "num_heads=4"), ({"dim": 0}, "dim=0")]


@pytest.mark.parametrize(("arguments", "told"), BAD)
def test_bad_arguments_are_refused(arguments, told):
    parts = {"position": part("position", "sinusoidal"), "norm": part("norm", "pre")}
    sizes = {"dim": 6, "num_heads": 3, **arguments}
    with pytest.raises(ValueError, match=told):
        TransformerEncoder(TokenEmbedding(11, 6), **parts, **sizes)
    with pytest.raises(ValueError, match=told):
        TransformerDecoder(11, TokenEmbedding(11, 6), memory_dim=6, **parts, **sizes)


def test_embeddings_are_shared_by_both_sides_and_the_output():
    sides = [make(replace(SINUSOIDAL, widths=(6, 6))) for _ in range(2)]
    decoder = sides[1].decoder
    encoder = TransformerEncoder(
        TokenEmbedding(TARGET_VOCAB, 6),
        part("position", "learned"),
        part("norm", "pre"),
        6,
        num_heads=3,
    )
    model = EncoderDecoder(encoder, decoder, tie_output=True, tie_source=True)
    shared = decoder.embedding.lookup.weight
    assert model.encoder.embedding.lookup.weight is shared is model.decoder.output.weight


# planted bugs


def breaks(check, *arguments) -> None:
    with pytest.raises(AssertionError):
        check(*arguments)


@FOUR
def test_planted_view_of_the_future_is_caught(choice, monkeypatch):
    def open_eyed(*inputs, is_causal=False, **settings):
        return attend(*inputs, **settings)

    attend = half_precision.F.scaled_dot_product_attention
    monkeypatch.setattr(half_precision.F, "scaled_dot_product_attention", open_eyed)
    breaks(properties.forward_equals_steps, make(choice), BATCH)


@FOUR
@pytest.mark.parametrize("by", [-1, 1])
def test_planted_mask_off_by_one_is_caught(choice, by, monkeypatch):
    def wrong(lengths, width):
        return original(lengths + by, width) | original(torch.ones_like(lengths), width)

    original = transformer.mask_from_lengths
    monkeypatch.setattr(transformer, "mask_from_lengths", wrong)
    model = make(choice)
    if by == 1:
        breaks(properties.padding_has_no_effect, model, make_batch())
    else:  # what reads too little is no leak, but it is not the model
        breaks(encoder_reads_every_token, model)


def encoder_reads_every_token(model: EncoderDecoder) -> None:
    memory = model.encode(BATCH.source, BATCH.source_lengths)
    assert torch.equal(memory.mask, BATCH.source_mask)


@pytest.mark.parametrize("choice", [SINUSOIDAL, LEARNED, POST], ids=str)
def test_planted_position_off_by_one_in_a_step_is_caught(choice, monkeypatch):
    late = property(lambda state: state.keys[0].shape[2] + 1)
    model = make(choice)
    monkeypatch.setattr(TransformerState, "num_steps", late)
    with torch.no_grad():
        whole = model(BATCH.source, BATCH.source_lengths, BATCH.target_input)
    monkeypatch.undo()
    with pytest.raises(AssertionError):
        assert_equal(whole, properties.by_steps(model, BATCH)[0])


def test_planted_rotation_off_by_one_in_a_step_is_caught(monkeypatch):
    rotate = RotaryPosition.rotate
    monkeypatch.setattr(
        RotaryPosition,
        "rotate",
        lambda self, heads, start: rotate(self, heads, start - 1 if start > 1 else start),
    )
    breaks(properties.forward_equals_steps, make(ROTARY), BATCH)


@FOUR
def test_planted_cache_that_is_not_reordered_is_caught(choice, monkeypatch):
    def keeps_its_keys(self, rows):
        moved = reorder(self, rows)
        return moved if len(rows) != len(self.keys[0]) else replace(moved, keys=self.keys)

    reorder = TransformerState.reorder
    monkeypatch.setattr(TransformerState, "reorder", keeps_its_keys)
    breaks(hypotheses_equal_each_alone, make(choice))


@FOUR
def test_planted_source_that_does_not_leave_with_its_sentence_is_caught(choice, monkeypatch):
    def keeps_the_order(self, sentences):
        return replace(select(self, sentences), source=select(self, sentences.sort()[0]).source)

    select = TransformerState.select
    monkeypatch.setattr(TransformerState, "select", keeps_the_order)
    breaks(hypotheses_equal_each_alone, make(choice))


@FOUR
def test_planted_wrong_grouping_of_the_hypotheses_is_caught(choice, monkeypatch):
    def grouped(self, vectors, keys, values, mask):
        shuffle = torch.arange(len(vectors)).view(len(mask), -1).t().flatten()
        made, queries = attend(self, vectors[shuffle], keys, values, mask)
        return made[shuffle.argsort()], queries

    attend = DecoderLayer.cross_attention
    monkeypatch.setattr(DecoderLayer, "cross_attention", grouped)
    breaks(hypotheses_equal_each_alone, make(choice))


def test_planted_mean_over_the_padding_is_caught(monkeypatch):
    choice = next(c for c in transformer_choices() if "linear" in str(c) and "_rnn" in c.name)
    monkeypatch.setattr(transformer, "masked_mean", lambda states, mask: states.mean(dim=1))
    breaks(properties.padding_has_no_effect, make(choice), make_batch())


@FOUR
def test_planted_dropout_in_one_road_only_is_caught(choice, monkeypatch):
    def undropped_steps(self, vectors, made):
        if vectors.shape[1] == 1:
            self.dropout.p = 0.0
        return after(self, vectors, made)

    kind = type(make(choice).decoder.layers[0].feedforward_norm)
    assert issubclass(kind, Norm)
    after = kind.after
    monkeypatch.setattr(kind, "after", undropped_steps)
    breaks(properties.sequential_equals_parallel, make(choice, dropout=0.4).train(), make_batch())


def test_planted_untrained_parameter_is_caught():
    model = make(SINUSOIDAL)
    model.decoder.layers[0].source.key.weight.requires_grad_(False)
    breaks(properties.every_parameter_is_trained, model, make_batch())
