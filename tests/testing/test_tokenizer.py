"""`check_tokenizer` on tokenizers of ours, and on tokenizers with one planted bug each."""

import pytest

from seq2seq_lab.data.tokenizer.byte import ByteTokenizer
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.testing import check_tokenizer
from support import planted_tokenizers as planted


class Reversed(WordTokenizer):
    """A tokenizer of one's own: ids from right to left."""

    def _encode(self, texts):
        return [ids[::-1] for ids in super()._encode(texts)]

    def _decode(self, items):
        return super()._decode(items[::-1])


@pytest.mark.parametrize("kind", [Reversed, WordTokenizer, CharacterTokenizer, ByteTokenizer])
def test_tokenizers_of_ours_and_of_ones_own_pass(kind):
    check_tokenizer(kind, elsewhere=False)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (planted.TypedEndTokenizer, "never becomes a special id: .*<eos>.*special ids"),
        (
            planted.LosesSpacesTokenizer,
            "known words come back: 'the cat sat on the mat' comes back as",
        ),
        (planted.ForgetfulTokenizer, "stored form gives the same tokenizer.*suffix"),
    ],
)
def test_planted_tokenizer_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_tokenizer(kind, elsewhere=False)


def test_planted_vocabulary_in_hash_order_is_caught_by_another_process():
    with pytest.raises(AssertionError, match="another process learns the same"):
        check_tokenizer(planted.HashOrderTokenizer)
