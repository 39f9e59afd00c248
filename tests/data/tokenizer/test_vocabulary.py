"""The single tokenizers on hand-made values, and what a wrong setting or a hopeless vocabulary says."""

import pytest

from seq2seq_lab.data.text_form import check_normalization
from seq2seq_lab.data.tokenizer.byte import ByteTokenizer
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer, UnigramTokenizer
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer, cut_edges
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


# pieces in place of unknown tokens

UNKNOWN = {
    "words": (WordTokenizer(), ["the", UNK, "mat"], "the Zürich mat"),
    "punctuation": (WordTokenizer(split_punctuation=True), ["the", UNK, "mat"], "the Zürich mat"),
    "characters": (CharacterTokenizer(), ["t", UNK, "e"], "tZüriche"),
    "bytes": (ByteTokenizer(), ["t", UNK, "e"], "tZüriche"),
    "pieces": (BpeTokenizer(vocab_size=270), ["t", UNK, "e"], "tZüriche"),
    "characters merged": (BpeTokenizer(vocab_size=30, byte_level=False), ["t", UNK], "tZürich"),
    "unigram": (UnigramTokenizer(vocab_size=40), ["t", UNK, "e"], "tZüriche"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_given_piece_stands_where_a_token_is_unknown(name):
    tokenizer, parts, expected = UNKNOWN[name]
    if tokenizer.language is None:
        tokenizer.fit(TEXTS, "en")
    ids = {tokenizer.token(i): i for i in range(4, len(tokenizer))}
    found = [part if part == UNK else ids[part] for part in parts]
    assert tokenizer.decode(found, ["Zürich"]) == expected
    without = tokenizer.decode(found)
    assert without == tokenizer.decode(found, [""])
    assert without == tokenizer.decode([i for i in found if i != UNK])


@pytest.mark.parametrize("pieces", [[], ["a", "b"]])
def test_there_is_a_piece_for_each_unknown_token(pieces):
    with pytest.raises(ValueError, match="unknown tokens"):
        _fitted(WordTokenizer()).decode([UNK, 4], pieces)


def test_pieces_are_the_words_as_they_are_written():
    tokenizer = _fitted(CharacterTokenizer())
    assert tokenizer.pieces("a \t") == ["a", " ", "\t"]
    assert tokenizer.tokens("a \t") == ["a", "▁", "\\t"]
