import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer, UnigramTokenizer
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import CheckpointError, DataError
from seq2seq_lab.special_tokens import UNK

TEXTS = [
    "low low low low low",
    "lower lower",
    "newest newest newest newest newest newest",
    "widest widest widest",
]


def _bpe(texts: list[str] = TEXTS, **settings_: object) -> BpeTokenizer:
    tokenizer = BpeTokenizer(**settings_)
    tokenizer.fit(texts, "en")
    return tokenizer


BYTES = _bpe()
CHARACTERS = _bpe(byte_level=False, min_frequency=1)


def test_merges_of_the_published_example():
    # Counts of Sennrich et al. 2016, figure 1. By hand: `es`, then `est`, 9 times each; then the pairs of ` low`,
    # 7 times each, in an order that the paper leaves open.
    merges = json.loads(CHARACTERS.to_json())["state"]["merges"]
    assert merges[:2] == [["e", "s"], ["es", "t"]]
    assert CHARACTERS.tokens("low") == ["▁low"]


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_byte_level_knows_every_text(text: str):
    ids = BYTES.encode(text)
    assert UNK not in ids
    assert BYTES.decode(ids) == BYTES.normalize(text)


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="low erntsid"))
def test_character_level_is_exact_on_known_characters(text: str):
    assert CHARACTERS.decode(CHARACTERS.encode(text)) == text


@pytest.mark.parametrize("text", ["low", " low", "  low  er ", " ", "   "])
def test_leading_and_trailing_spaces_come_back(text: str):
    for tokenizer in (BYTES, CHARACTERS):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_word_has_the_same_pieces_at_the_start_and_inside():
    assert BYTES.encode("low low") == BYTES.encode("low") * 2


def test_each_unknown_character_is_one_unknown_id():
    ids = CHARACTERS.encode("zz")
    assert ids.count(UNK) == 2
    assert CHARACTERS.tokens("zz")[-2:] == ["z", "z"]


def test_characters_below_min_frequency_are_unknown():
    tokenizer = _bpe(["aaa aaa aab"], byte_level=False, min_frequency=2)
    assert tokenizer.encode("b")[-1] == UNK
    assert UNK not in tokenizer.encode("a")


def test_bpe_vocab_size_counts_everything():
    assert len(_bpe(vocab_size=262)) == 262
    assert len(_bpe(vocab_size=100_000)) < 400


def test_a_vocabulary_smaller_than_its_alphabet_is_refused():
    with pytest.raises(DataError, match="raise the tokenizer's vocab_size to 260"):
        _bpe(vocab_size=100)
    with pytest.raises(DataError, match="different characters"):
        _bpe(vocab_size=8, byte_level=False)


def test_a_min_frequency_above_every_character_is_refused():
    with pytest.raises(DataError, match="lower"):
        _bpe(byte_level=False, min_frequency=1000)


def test_unigram_vocabulary_too_small_is_refused():
    with pytest.raises(DataError, match="vocab_size=6"):
        UnigramTokenizer(vocab_size=6).fit(TEXTS, "en")


def test_one_very_long_word_is_cut_like_any_other():
    word = "low" * 50_000
    for tokenizer in (BYTES, CHARACTERS):
        assert tokenizer.decode(tokenizer.encode(word)) == word


def test_unigram_learns_from_lines_longer_than_the_library_default():
    tokenizer = UnigramTokenizer()
    tokenizer.fit(["abc " * 3000], "en")
    assert UNK not in tokenizer.encode("abc")


@pytest.mark.parametrize("make", [BpeTokenizer, UnigramTokenizer])
def test_shuffled_text_gives_the_same_vocabulary(make: type[Tokenizer]):
    letters = random.Random(3)
    texts = ["".join(letters.choices("abcde ", k=30)) for _ in range(200)]
    first, second = make(), make()
    first.fit(texts, "en")
    letters.shuffle(texts)
    second.fit(texts, "en")
    assert first.fingerprint() == second.fingerprint()


@pytest.mark.parametrize(
    "state",
    [{"alphabet": ["a"], "merges": [["a", "q"]]}, {"alphabet": ["a"], "merges": [["a"]]}, {"alphabet": ["a"]}],
)  # fmt: skip
def test_damaged_merges_are_refused(state: dict):
    record = json.loads(BYTES.to_json()) | {"state": state}
    with pytest.raises(CheckpointError):
        tokenizer_from_json(json.dumps(record))


@pytest.mark.parametrize("model", ["", "!!!", "AAAA", "x" * 40, 3])
def test_a_damaged_unigram_model_is_refused(model: object):
    tokenizer = UnigramTokenizer()
    tokenizer.fit(TEXTS, "en")
    record = json.loads(tokenizer.to_json()) | {"state": {"model": model}}
    with pytest.raises(CheckpointError):
        tokenizer_from_json(json.dumps(record))


def test_a_typed_mark_of_sentencepiece_comes_back():
    tokenizer = UnigramTokenizer()
    tokenizer.fit(["a ▁ b"], "en")
    assert tokenizer.decode(tokenizer.encode("a ▁ b")) == "a ▁ b"


def test_planted_bug_unescaped_mark_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seq2seq_lab.data.tokenizer.subword._TO_SAFE", {})
    with pytest.raises(AssertionError):
        test_a_typed_mark_of_sentencepiece_comes_back()
