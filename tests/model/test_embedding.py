import pytest
import torch

from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.special_tokens import PAD

TOKENS = torch.tensor([[4, 5, PAD], [6, PAD, PAD]])


def test_padding_is_zero():
    vectors = TokenEmbedding(11, 3)(TOKENS)
    assert not vectors[TOKENS == PAD].any()
    assert vectors[TOKENS != PAD].all()


def test_padding_stays_zero_when_a_tied_layer_has_trained_its_row():
    embedding = TokenEmbedding(11, 3)
    torch.nn.init.ones_(embedding.lookup.weight)
    assert not embedding(TOKENS)[TOKENS == PAD].any()


def test_the_padding_row_gets_no_gradient():
    embedding = TokenEmbedding(11, 3)
    embedding(TOKENS).sum().backward()
    trained = embedding.lookup.weight.grad.any(dim=1).nonzero().squeeze(1)
    assert trained.tolist() == [4, 5, 6]


def test_dropout_acts_in_training_only():
    embedding = TokenEmbedding(11, 53, dropout=0.5)
    real = TOKENS != PAD
    assert (embedding.train()(TOKENS)[real] == 0).any()
    assert not (embedding.eval()(TOKENS)[real] == 0).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 0, "dim": 3}, "vocab_size=0: must be >= 1"),
        ({"vocab_size": 11, "dim": 0}, "dim=0: must be >= 1"),
        ({"vocab_size": 11, "dim": 3, "dropout": 1.0}, r"dropout=1.0: must be in \[0, 1\)"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(**settings)
