"""Slots for unknown words: their numbers, both sides of a pair, what is stored, what is refused."""

import pytest

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.encoding import encode
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.special_tokens import UNK

TEXTS = ["the cat sat", "the cat ran", "Rex ran", "the sat"]


def fitted(slots: int = 2, **settings) -> WordTokenizer:
    """Return a tokenizer that knows the, cat, ran, sat: ids 4 to 7, and slots from 8 on."""
    tokenizer = WordTokenizer(min_frequency=2, copy_slots=slots, **settings)
    tokenizer.fit(TEXTS, "en")
    return tokenizer


def test_slots_are_numbered_by_first_occurrence():
    tokenizer = fitted()
    the = tokenizer.encode("the")[0]
    assert len(tokenizer) == 4 + 4 + 2
    assert tokenizer.slot_words("the Zoe Rex Zoe Amy") == ["Zoe", "Rex"]
    assert tokenizer.encode("the Zoe Rex Zoe Amy") == [the, 8, 9, 8, UNK]


def test_a_target_has_the_slots_of_its_source_and_other_unknown_words_stay_unknown():
    tokenizer = fitted()
    the = tokenizer.encode("the")[0]
    found = tokenizer.encode_batch(["Rex the Bob Zoe Amy"], ["Zoe the Rex Amy"])
    assert found == [[9, the, UNK, 8, UNK]]


def test_a_split_has_the_source_words_slots_in_its_targets():
    tokenizer = fitted()
    pairs = [Pair("the Zoe Rex", "Rex Zoe"), Pair("the cat", "Zoe")]
    encoded = encode(pairs, (tokenizer, tokenizer), LengthFilter(9, 9), training=True)
    sources, targets = encoded.sources[0].tolist(), encoded.targets[0].tolist()
    the, cat = tokenizer.encode("the cat")
    assert sources == [the, 8, 9, 2, the, cat, 2]
    assert targets == [1, 9, 8, 2, 1, UNK, 2]
    assert encoded.unknown == (0, 1)


def test_decoding_takes_the_words_that_are_given_and_leaves_slots_out_without():
    tokenizer = fitted()
    ids = [8, tokenizer.encode("cat")[0], UNK, 9]
    assert tokenizer.decode(ids, ["Zoe", "", "Rex"]) == "Zoe cat Rex"
    assert tokenizer.decode(ids) == "cat"
    with pytest.raises(ValueError, match="2 pieces for 3 unknown tokens"):
        tokenizer.decode(ids, ["a", "b"])


def test_slots_are_shown_by_number_and_ids_beyond_them_are_none():
    tokenizer = fitted()
    assert [tokenizer.token(i) for i in (UNK, 8, 9)] == ["<unk>", "<unk1>", "<unk2>"]
    assert [tokenizer.slot(i) for i in (UNK, 7, 8, 9, 10)] == [None, None, 0, 1, None]
    with pytest.raises(IndexError):
        tokenizer.token(10)
    with pytest.raises(IndexError):
        fitted(0).decode([99])


def test_words_are_compared_as_they_are_encoded():
    tokenizer = fitted(lowercase=True)
    assert tokenizer.encode_batch(["ZOE"], ["the Zoe"]) == [[8]]
    assert tokenizer.slot_words("the Zoe") == ["zoe"]


def test_slots_are_stored_and_none_change_nothing():
    tokenizer = fitted()
    again = tokenizer_from_json(tokenizer.to_json())
    assert again.fingerprint() == tokenizer.fingerprint()
    assert again.encode("the Zoe") == tokenizer.encode("the Zoe")
    assert fitted(0).encode_batch(["Rex cat"], ["Rex"]) == [[UNK, fitted(0).encode("cat")[0]]]
    assert fitted(0).slot_words("Rex") == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"copy_slots": -1}, "copy_slots=-1: must be >= 0"),
        ({"copy_slots": 2}, "no slot is ever trained; set min_frequency=2 or a max_size"),
    ],
)
def test_slots_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WordTokenizer(**settings)


def test_slots_need_one_vocabulary():
    node = compose(["data=names", "data.tokenizer.copy_slots=2"])["data"]
    with pytest.raises(ConfigError, match="set joint=true, or copy_slots=0"):
        build(node)
