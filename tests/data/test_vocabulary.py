"""The single tokenizers on hand-made values, and what a wrong setting or a hopeless vocabulary says."""

import pytest

from seq2seq_lab.data.subword import BpeTokenizer, UnigramTokenizer
from seq2seq_lab.data.text_form import check_normalization
from seq2seq_lab.data.tokenizer import (
    ByteTokenizer,
    CharacterTokenizer,
    Tokenizer,
    WordTokenizer,
    cut_edges,
)
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import EOS, UNK

TEXTS = ["the cat sat on the mat", "a big cat ran"]


def _fitted(tokenizer: Tokenizer, texts: list[str] = TEXTS) -> Tokenizer:
    tokenizer.fit(texts, "en")
    return tokenizer


def test_vocabulary_is_ordered_by_count_and_then_by_token():
    tokenizer = _fitted(WordTokenizer(), ["b a b", "c a d"])
    assert [tokenizer.token(i) for i in range(4, len(tokenizer))] == ["a", "b", "c", "d"]


def test_min_frequency_and_max_size_cut_the_vocabulary():
    rare = _fitted(WordTokenizer(min_frequency=2), ["b a b", "c a d"])
    assert rare.encode("a b c") == [4, 5, UNK]
    capped = _fitted(WordTokenizer(max_size=5), ["b a b", "c a b"])
    assert len(capped) == 5
    assert capped.encode("b a") == [4, UNK]


def test_unknown_words_are_shown_as_typed():
    tokenizer = _fitted(WordTokenizer(), ["a b"])
    assert tokenizer.tokens("a zebra") == ["a", "zebra"]


def test_lowercase_and_normalisation_unify_spellings():
    tokenizer = _fitted(WordTokenizer(lowercase=True, normalization="NFKC"), ["e\u0301te\u0301"])
    assert tokenizer.encode("ÉTÉ") == [4]
    plain = _fitted(WordTokenizer(normalization="none"), ["e\u0301te\u0301"])
    assert plain.encode("été") == [UNK]


def test_characters_of_a_word():
    tokenizer = _fitted(CharacterTokenizer(), ["aab b"])
    assert [tokenizer.token(i) for i in range(4, len(tokenizer))] == ["a", "b", "▁"]
    assert tokenizer.encode("b ax") == [5, 6, 4, UNK]


def test_bytes_are_their_utf8_values():
    tokenizer = ByteTokenizer()
    assert tokenizer.encode("aé") == [97 + 4, 0xC3 + 4, 0xA9 + 4]
    assert tokenizer.tokens("aé") == ["a", "\\xc3", "\\xa9"]
    assert len(tokenizer) == 260


def test_broken_bytes_decode_to_the_replacement_character():
    assert ByteTokenizer().decode([0xC3 + 4, 97 + 4]) == "\ufffda"


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("dog.", ("dog", ".")), ("(dog),", ("(", "dog", ")", ",")), ("don't", ("don't",)),
        ("T-Shirt", ("T-Shirt",)), ("...", ("...",)), ("-", ("-",)), ("weiß-", ("weiß-",)),
        ("हिन्दी", ("हिन्दी",)), ("3.5", ("3.5",)),
    ],
)  # fmt: skip
def test_punctuation_is_cut_off_the_edges(word: str, pieces: tuple[str, ...]):
    assert cut_edges(word) == pieces


def test_cut_punctuation_is_joined_again():
    text = 'He said: "stop (now), please!", didn\'t he?'
    tokenizer = _fitted(WordTokenizer(split_punctuation=True), [text])
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_second_fit_is_refused():
    tokenizer = _fitted(WordTokenizer())
    with pytest.raises(RuntimeError, match="fitted already"):
        tokenizer.fit(TEXTS, "en")


@pytest.mark.parametrize("kind", [WordTokenizer, CharacterTokenizer])
def test_a_too_high_min_frequency_names_what_to_lower(kind: type):
    with pytest.raises(DataError, match=r"min_frequency=1000.*lower"):
        _fitted(kind(min_frequency=1000))


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (WordTokenizer, {"min_frequency": 0}),
        (CharacterTokenizer, {"max_size": 4}),
        (BpeTokenizer, {"vocab_size": 4}),
        (BpeTokenizer, {"min_frequency": 0}),
        (UnigramTokenizer, {"vocab_size": 0}),
    ],
)
def test_a_wrong_setting_is_named(kind: type, setting: dict):
    (name, value), *_ = setting.items()
    with pytest.raises(ValueError, match=f"^{name}={value!r}: must be"):
        kind(**setting)


def test_an_unknown_normalisation_is_named():
    with pytest.raises(ValueError, match=r"^normalization='nfc': must be one of none, NFC"):
        check_normalization("nfc")


def test_a_typed_end_token_is_a_word_of_its_own():
    tokenizer = _fitted(WordTokenizer(), ["<eos> a <eos>"])
    assert tokenizer.encode("<eos> a") == [4, 5]
    assert tokenizer.decode([4, EOS, 5]) == "<eos> a"
