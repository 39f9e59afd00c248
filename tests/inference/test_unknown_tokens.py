import pytest

from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.inference.unknown_tokens import UnknownTokens, unknown_pieces


def fitted(tokenizer, texts):
    tokenizer.fit(texts, "en")
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "text", "unknown"),
    [
        (WordTokenizer(), "a x b y x", ["x", "y", "x"]),
        (WordTokenizer(), "a b", []),
        (WordTokenizer(), "", []),
        (CharacterTokenizer(), "abz", ["z"]),
    ],
)
def test_the_pieces_that_became_unknown_are_named_in_order(tokenizer, text, unknown):
    fitted(tokenizer, ["a b", "b a"])
    ids = tokenizer.encode_batch([text])[0]
    assert unknown_pieces(tokenizer, text, ids) == unknown


def test_of_a_text_that_was_cut_only_what_was_read_counts():
    tokenizer = fitted(WordTokenizer(), ["a b"])
    ids = tokenizer.encode_batch(["a x b y"])[0]
    assert unknown_pieces(tokenizer, "a x b y", ids[:3]) == ["x"]


def test_the_note_counts_tokens_and_lines_and_shows_the_most_frequent_safely():
    counts = UnknownTokens()
    counts.add(4, 0)
    counts.add(5, 3, ["x", "esc\x1b[31m", "x"])
    counts.add(2, 1, ["w" * 99])
    (note,) = counts.notes
    assert note == (
        "note: 4 of 11 source tokens are not in the vocabulary, in 2 of 3 lines: 'x' (2 times), "
        f"'esc\\x1b[31m', '{'w' * 30}…'"
    )
    assert counts.numbers == {
        "source_tokens": 11,
        "unknown_source_tokens": 4,
        "lines_with_unknown_source_tokens": 2,
    }


def test_nothing_is_noted_where_every_token_is_known():
    counts = UnknownTokens("target")
    counts.add(7, 0)
    assert counts.notes == []
