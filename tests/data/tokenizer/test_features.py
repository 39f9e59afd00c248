"""Features after a tab: their ids first, unknown ones counted, the text's tokenizer as it is."""

import json

import numpy as np
import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.encoding import encode
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.tokenizer.byte import ByteTokenizer
from seq2seq_lab.data.tokenizer.features import UNKNOWN_FEATURE, WITHOUT, FeaturesTokenizer
from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import CheckpointError, UnsafeError
from seq2seq_lab.inference.unknown_tokens import unknown_pieces
from seq2seq_lab.special_tokens import UNK

LINES = ["ab\tV;PST", "ba\tV;PRS", "b", "aab\tN ; PL;"]


def fitted(text=None, lines=LINES, **settings):
    tokenizer = FeaturesTokenizer(text, **settings)
    tokenizer.fit(lines, "en")
    return tokenizer


def test_ids_are_those_of_the_features_then_those_of_the_text():
    # by count: b 4, a 4 times (then by letter); V is there twice, the others once
    tokenizer = fitted()
    names = [tokenizer.token(i) for i in range(4, len(tokenizer))]
    assert names == ["a", "b", "<unknown>", "V", "N", "PL", "PRS", "PST"]
    assert tokenizer.encode("ab\tV;PST") == [7, 11, 4, 5]
    assert tokenizer.num_features == 6
    assert tokenizer.unknown_ids == (UNK, 6)


def test_pieces_are_in_the_order_of_the_ids_and_the_text_comes_back():
    tokenizer = fitted()
    assert tokenizer.tokens("ab\tPST ;V") == ["PST", "V", "a", "b"]
    for line in ("ab\tPST;V", "ba", "\tN", "b\tV;V"):
        assert tokenizer.decode(tokenizer.encode(line)) == line


@pytest.mark.parametrize("line", ["ab\t", "ab\t ; ;", "ab"])
def test_a_line_without_features_is_its_text(line):
    assert fitted().encode(line) == [4, 5]


def test_further_tabs_separate_too():
    assert fitted().encode("ab\tV\tPST") == fitted().encode("ab\tV;PST")


def test_other_separators():
    spaced = fitted(separator=" ", lines=["ab\tV  PST"])
    assert spaced.tokens("ab\tPST V") == ["PST", "V", "a", "b"]
    old = fitted(separator=",", lines=["ab\tpos=V,tense=PST"])
    assert old.tokens("a\ttense=PST") == ["tense=PST", "a"]


def test_the_text_has_a_tokenizer_of_its_own():
    words = fitted(WordTokenizer(), ["the cat\tN;PL", "a cat\tN"])
    assert words.tokens("the  cat\tN") == ["N", "the", "cat"]
    assert words.normalize("the  cat\tN") == "the cat\tN"
    bytewise = fitted(ByteTokenizer())
    assert bytewise.encode("é") == ByteTokenizer().encode("é")


def test_rare_and_new_features_are_unknown():
    tokenizer = fitted(min_frequency=2)
    assert [tokenizer.token(i) for i in range(6, len(tokenizer))] == ["<unknown>", "V"]
    assert tokenizer.encode("b\tPST;V;X") == [6, 7, 6, 5]
    assert unknown_pieces(tokenizer, "bz\tV;X", tokenizer.encode("bz\tV;X")) == ["X", "z"]


def test_a_typed_name_of_the_unknown_feature_is_a_feature_like_others():
    assert fitted().encode("b\t<unknown>") == [6, 5]
    assert fitted(lines=["b\t<unknown>"]).encode("b\t<unknown>") == [6, 4]


def test_what_an_over_long_source_loses_is_text():
    pairs = [Pair("aaaa\tV;PST", "x")]
    target = WordTokenizer()
    target.fit(["x"], "en")
    limit = LengthFilter(max_source_tokens=3)
    found = encode(pairs, (fitted(), target), limit, training=False)
    assert found.sources[0].tolist() == [7, 11, 4, 2]
    assert found.dropped == {"source cut, kept": 1}


def test_lines_without_features_and_unknown_features_are_counted():
    pairs = [Pair(line, "x") for line in ("ab\tV", "b", "b\tX", "a\tX;Y", "")]
    target = WordTokenizer()
    target.fit(["x"], "en")
    found = encode(pairs, (fitted(), target), LengthFilter(), training=True)
    assert found.dropped == {"empty source": 1, WITHOUT: 1, UNKNOWN_FEATURE: 2}


def test_the_stored_form_has_both_vocabularies():
    tokenizer = fitted(WordTokenizer(lowercase=True), ["The cat\tN;PL"])
    again = tokenizer_from_json(tokenizer.to_json())
    assert again.fingerprint() == tokenizer.fingerprint()
    assert again.encode("THE cat\tPL;Q") == tokenizer.encode("THE cat\tPL;Q")
    assert again.num_features == tokenizer.num_features


def stored(**state):
    record = json.loads(fitted().to_json())
    record["state"] |= state
    return json.dumps(record)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ({"features": ["V", "V"]}, CheckpointError),
        ({"features": "V"}, CheckpointError),
        ({"features": [1]}, CheckpointError),
        ({"text": None}, CheckpointError),
        ({"text": json.loads(fitted().to_json())}, CheckpointError),
        ({"text": json.loads(fitted().to_json()) | {"class": "os.system"}}, UnsafeError),
    ],
)
def test_a_damaged_stored_form_is_refused(state, kind):
    with pytest.raises(kind):
        tokenizer_from_json(stored(**state))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"separator": ""}, "one printable ASCII character"),
        ({"separator": "\t"}, "one printable ASCII character"),
        ({"separator": ";;"}, "one printable ASCII character"),
        ({"separator": "x"}, "no letter or digit"),
        ({"min_frequency": 0}, "min_frequency=0: must be >= 1"),
        ({"text": FeaturesTokenizer()}, "features inside the text"),
        ({"text": WordTokenizer(), "lowercase": True}, r"text\.lowercase"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FeaturesTokenizer(**settings)


def test_planted_bug_features_after_the_text_are_cut_off(monkeypatch):
    honest = FeaturesTokenizer._encode
    monkeypatch.setattr(
        FeaturesTokenizer,
        "_encode",
        lambda self, texts: [[*ids[2:], *ids[:2]] for ids in honest(self, texts)],
    )
    with pytest.raises(AssertionError):
        test_what_an_over_long_source_loses_is_text()


def test_a_text_that_is_segmented_at_random_keeps_its_features():
    tokenizer = fitted(BpeTokenizer(vocab_size=270, min_frequency=1, dropout=0.5), LINES * 3)
    assert tokenizer.samples
    drawn = np.random.default_rng(1)
    usual = tokenizer.encode("aab\tN;PL")
    found = [tokenizer.sample("aab\tN;PL", drawn) for _ in range(20)]
    assert {tuple(ids[:2]) for ids in found} == {tuple(usual[:2])}
    assert {tokenizer.decode(ids) for ids in found} == {"aab\tN;PL"}
    assert len({tuple(ids) for ids in found}) > 1
    assert not fitted().samples
