"""Conditioning features: the text is read as if alone, the features beside it, in any legal model."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.data.collate import pad_source
from seq2seq_lab.doctor.agreement import PropertyBroken, agree
from seq2seq_lab.doctor.batches import Vocabularies, random_batch
from seq2seq_lab.doctor.padding import padding_has_no_effect
from seq2seq_lab.doctor.paths import every_parameter_is_trained, untrained
from seq2seq_lab.doctor.random_weights import randomize
from seq2seq_lab.model import feature_encoder
from seq2seq_lab.model.cell import GruCell, LstmCell
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.feature_encoder import FeatureEncoder, SetEncoder, shifted
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.model.state import Memory
from seq2seq_lab.special_tokens import EOS

TEXT, FEATURES, TARGET = 11, 5, 13
SIZES = Vocabularies(TEXT + FEATURES, TARGET, FEATURES)
ROWS = [[12, 15, 4, 9, 5], [7, 6, 8], [14, 13, 11], [12, 10]]
"""Two features and three words, no feature, features without a word, one of each."""
COUNTS = [2, 0, 3, 1]


def text_encoder(cell: Any = LstmCell, **settings: Any) -> RecurrentEncoder:
    torch.manual_seed(3)
    return RecurrentEncoder(TokenEmbedding(TEXT + FEATURES, 3), cell, 6, **settings).double()


def of_a_set(text: nn.Module | None = None) -> FeatureEncoder:
    made = FeatureEncoder(text or text_encoder(), lambda embedding: SetEncoder(embedding, 6), TEXT)
    return made.double()


def in_order(text: nn.Module | None = None, layers: int = 1) -> FeatureEncoder:
    def recurrent(embedding: TokenEmbedding) -> RecurrentEncoder:
        return RecurrentEncoder(embedding, GruCell, 6, layers, bidirectional=True)

    return FeatureEncoder(text or text_encoder(), recurrent, TEXT).double()


KINDS = {"set": of_a_set, "recurrent": in_order}


def read(encoder: nn.Module, rows: list[list[int]], more: int = 0) -> Memory:
    source, lengths = pad_source(rows)
    return encoder(nn.functional.pad(source, (0, more)), lengths)


def text_is_read_as_if_alone(encoder: FeatureEncoder, rows: list[list[int]]) -> None:
    """Compare each row with a loop: the text encoder on the text of that row and nothing else."""
    memory = read(encoder, rows, more=2)
    for row, ids in enumerate(rows):
        words = [id_ for id_ in ids if id_ < TEXT]
        alone = read(encoder.text_encoder, [words])
        count = len(ids) - len(words)
        agree(memory.states[row, count : len(ids) + 1], alone.states[0], f"text of row {row}")
        if not count:
            agree(memory.hidden[row], alone.hidden[0], "final h of a row without features")
        agree(memory.cell_state[row], alone.cell_state[0], "final c")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reading", [{}, {"bidirectional": True}, {"reverse_source": True}])
def test_the_text_is_read_as_if_alone(kind, reading):
    text_is_read_as_if_alone(KINDS[kind](text_encoder(num_layers=2, **reading)), ROWS)


def test_planted_bug_reversal_over_the_features_is_caught(monkeypatch):
    def unshifted(values: Tensor, by: Tensor, fill: Tensor) -> Tensor:
        return values

    monkeypatch.setattr(feature_encoder, "shifted", unshifted)
    with pytest.raises(PropertyBroken):
        text_is_read_as_if_alone(of_a_set(text_encoder(reverse_source=True)), ROWS)


def test_planted_bug_text_one_place_too_far_is_caught(monkeypatch):
    monkeypatch.setattr(feature_encoder, "shifted", lambda v, by, fill: shifted(v, by + 1, fill))
    with pytest.raises(PropertyBroken):
        text_is_read_as_if_alone(of_a_set(), ROWS)


def test_states_of_a_set_are_the_linear_map_of_each_embedding():
    encoder = of_a_set()
    memory = read(encoder, ROWS)
    weight, bias = encoder.features.linear.weight, encoder.features.linear.bias
    for row, count in enumerate(COUNTS):
        expected = [
            weight @ encoder.embedding.lookup.weight[id_] + bias for id_ in ROWS[row][:count]
        ]
        for place, state in enumerate(expected):
            agree(memory.states[row, place], state, "state")
        alone = read(encoder.text_encoder, [ROWS[row][count:]]).hidden[0]
        added = sum(expected) / count if count else torch.zeros(6).double()
        agree(memory.hidden[row], alone + added, "final h")


@pytest.mark.parametrize("layers", [1, 2])
def test_features_in_order_are_their_own_encoder_alone(layers):
    encoder = in_order(text_encoder(num_layers=2), layers)
    memory = read(encoder, ROWS)
    for row, count in enumerate(COUNTS):
        ids = torch.tensor([ROWS[row][:count]])
        if count:
            alone = encoder.features(ids, torch.tensor([count]))
            agree(memory.states[row, :count], alone.states[0], "states of the features")
            words = read(encoder.text_encoder, [ROWS[row][count:]])
            agree(
                memory.hidden[row], words.hidden[0] + alone.hidden[0, -1:], "final h of both layers"
            )


def order_has_no_effect(encoder: FeatureEncoder) -> None:
    one, other = (read(encoder, [[*some, 4, 9]]) for some in ([12, 15, 14], [14, 12, 15]))
    agree(one.hidden, other.hidden, "final h")
    agree(one.states[0, 3:], other.states[0, 3:], "text")
    agree(one.states[0, [0, 1, 2]], other.states[0, [1, 2, 0]], "features")


def test_the_order_of_a_set_has_no_effect():
    order_has_no_effect(of_a_set())


def test_planted_bug_an_encoder_that_reads_in_order_is_no_set():
    with pytest.raises(PropertyBroken):
        order_has_no_effect(in_order())


def test_the_mask_is_that_of_all_ids():
    memory = read(of_a_set(), ROWS, more=1)
    lengths = torch.tensor([len(ids) + 1 for ids in ROWS])
    assert torch.equal(memory.mask, mask_from_lengths(lengths, 7))
    assert not memory.states[~memory.mask].any()


def test_shifted_equals_a_loop():
    values = torch.arange(1, 11).view(2, 5)
    by = torch.tensor([2, -1])
    fill = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 0, 1]]).bool()
    assert shifted(values, by, fill).tolist() == [[0, 0, 1, 2, 3], [7, 8, 9, 10, 0]]


def test_widths_that_differ_are_refused():
    with pytest.raises(ValueError, match="must be the width of the text's encoder, 6"):
        FeatureEncoder(text_encoder(), lambda embedding: SetEncoder(embedding, 4), TEXT)


def make(*overrides: str) -> EncoderDecoder:
    """Return the composed model with random weights, tiny."""
    sizes = (
        f"model.source_vocab_size={SIZES.source}",
        f"model.target_vocab_size={TARGET}",
        f"model.feature_encoder.text_vocab_size={TEXT}",
        "model.dim=8",
        "model.embedding_dim=4",
    )
    return randomize(build(compose([*overrides, *sizes])["model"]), 1).eval()


def batch() -> Batch:
    return random_batch((4, 0, 2, 6, 5), (2, 5, 0, 3, 1), SIZES, seed=4)


MODELS = {
    "lstm_attn": (),
    "lstm": ("model.num_layers=2",),
    "gru": ("model.encoder.bidirectional=true",),
    "rnn_attn": ("model.encoder.reverse_source=true", "model/order=before"),
    "transformer": (),
    "rnn_transformer": (),
    "transformer_rnn": ("model/bridge=zero",),
}
CHOICES = list(product(MODELS, ("set", "recurrent", "transformer")))
SOME = [
    pytest.param(*one, marks=[] if i % 3 == i // 3 % 3 else pytest.mark.slow, id="-".join(one))
    for i, one in enumerate(CHOICES)
]


@pytest.mark.parametrize(("model", "kind"), SOME)
def test_padding_has_no_effect_and_every_parameter_is_trained(model, kind):
    made = make(f"model={model}", *MODELS[model], f"model/feature_encoder={kind}")
    padding_has_no_effect(made, batch())
    every_parameter_is_trained(made, batch())


def test_planted_bug_features_under_the_padding_are_caught(monkeypatch):
    made = make("model=lstm_attn", "model/feature_encoder=set")
    padding_has_no_effect(made, batch())

    def all_real(lengths: Tensor, width: int) -> Tensor:
        return torch.ones(len(lengths), width, dtype=torch.bool)

    monkeypatch.setattr(feature_encoder, "mask_from_lengths", all_real)
    with pytest.raises((PropertyBroken, ValueError, RuntimeError)):
        padding_has_no_effect(made, batch())


def test_planted_bug_without_a_summary_a_model_without_attention_is_not_conditioned(monkeypatch):
    made = make("model=lstm", "model/feature_encoder=set")
    assert untrained(made, batch()) == []
    honest = FeatureEncoder._encode_features

    def without_summary(self: Any, *given: Any) -> Memory:
        memory = honest(self, *given)
        return Memory(memory.states, memory.mask, 0 * memory.hidden.detach(), memory.cell_state)

    monkeypatch.setattr(FeatureEncoder, "_encode_features", without_summary)
    assert untrained(made, batch()) == [
        "encoder.features.linear.weight",
        "encoder.features.linear.bias",
    ]


def test_features_and_text_have_rows_of_their_own_in_one_embedding():
    encoder = of_a_set()
    source, lengths = pad_source([[12, 4]])
    encoder(source, lengths).states.sum().backward()
    gradient = encoder.embedding.lookup.weight.grad
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [EOS, 4, 12]
    names = [name for name, _ in encoder.named_parameters() if "lookup" in name]
    assert names == ["text_encoder.embedding.lookup.weight"]


def test_attention_has_a_column_for_each_feature():
    made = make("model=gru_attn", "model/feature_encoder=set")
    one = batch()
    weights = made.attention_weights(one.source, one.source_lengths, one.target_input)
    assert weights.shape[-1] == one.source.shape[1]
    assert (weights[3, 0, 0, :7] > 0).all()
