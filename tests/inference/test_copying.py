"""Words that no vocabulary has, copied into translations, prefixes and scores."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from unittest import mock

import pytest
import torch

from seq2seq_lab.commands import score
from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.data.parallel import Pair
from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.doctor.copying import set_gate
from seq2seq_lab.inference.scorer import Scorer, Wanted
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.special_tokens import UNK
from seq2seq_lab.testing.small_training import TINY_MODEL, assemble

SOURCES = ["Zuzu met Wawa in Xoxo on monday", "does Zuzu from Wawa know Zuzu and Yoyo ?"]
OTHERS = {"Zuzu": "Qa", "Wawa": "Qe", "Xoxo": "Qi", "Yoyo": "Qo"}


@cache
def made(decoding: str = "beam", **settings) -> Translator:
    """Return a random model's translator, which only copies and whose choices differ from word to word."""
    sizes = ("data.corpus.num_train=200", "data.corpus.num_val=9", "data.corpus.num_test=9")
    slots = ("data.tokenizer.copy_slots=3", "data.joint=true", "model/output=copy")
    base = assemble("data=names", *sizes, *slots, *TINY_MODEL).module.translator
    model = base.model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6.0)
    set_gate(model, -4.0)
    node = compose([f"decoding={decoding}"])["decoding"]
    return replace(base, decoding=build({**node, "max_ratio": 0.8, **settings}))


def renamed(text: str) -> str:
    return " ".join(OTHERS.get(word, word) for word in text.split())


def unknown_words_are_only_names(translate: Callable[[list[str]], list]) -> None:
    """Other unknown words in the source: the same ids, and these words in the text."""
    found = translate(SOURCES)
    other = translate([renamed(text) for text in SOURCES])
    assert [one.target_ids for one in other] == [one.target_ids for one in found]
    assert [one.text for one in other] == [renamed(one.text) for one in found]
    assert any(set(one.text.split()) & set(OTHERS) for one in found)


@pytest.mark.parametrize("decoding", ["greedy", "beam", "sample"])
def test_other_unknown_words_give_the_same_output_with_these_words(decoding):
    unknown_words_are_only_names(made(decoding).translate)


def test_planted_slots_in_alphabetical_order_are_caught():
    def alphabetical(self, source):
        return sorted(original(self, source), reverse=source == SOURCES[0])

    original = WordTokenizer.slot_words
    with (
        mock.patch.object(WordTokenizer, "slot_words", alphabetical),
        pytest.raises(AssertionError),
    ):
        unknown_words_are_only_names(made().translate)


def test_a_slot_is_the_word_in_the_text_and_a_number_in_the_tokens():
    translator = made()
    first = len(translator.target_tokenizer) - 3
    for source, one in zip(SOURCES, translator.translate(SOURCES), strict=True):
        words = translator.source_tokenizer.slot_words(source)
        for id_, token in zip(one.target_ids, one.target_tokens, strict=False):
            if id_ >= first:
                assert token == f"<unk{id_ - first + 1}>"
        kept = [i for i in one.target_ids if i != UNK and i - first < len(words)]
        expected = [
            words[i - first] if i >= first else translator.target_tokenizer.token(i) for i in kept
        ]
        assert one.text.split() == expected


def test_a_prefix_keeps_its_words_those_of_the_source_and_others():
    for replace_unknown in (False, True):
        translator = made("greedy", replace_unknown=replace_unknown)
        (found,) = translator.translate(SOURCES[:1], prefixes=["Wawa Bobo Zuzu"])
        assert found.text.startswith("Wawa Bobo Zuzu")
        first = len(translator.target_tokenizer) - 3
        assert found.target_ids[:3] == [first + 1, UNK, first]


def test_scores_of_given_texts_are_those_of_copied_words():
    translator = made()
    found = translator.translate(SOURCES)
    target = "am montag traf Zuzu in Xoxo Wawa"
    with mock.patch("seq2seq_lab.data.parallel.iter_parallel") as read:
        read.return_value = [Pair(SOURCES[0], target)]
        (asked,) = score.from_texts(Namespace(source="a", target="b"), translator)
    first = len(translator.target_tokenizer) - 3
    assert [i - first for i in asked.ids if i >= first] == [0, 2, 1]
    ids = translator.source_tokenizer.encode_batch(SOURCES)
    wanted = [
        Wanted(source, one.target_ids, one.finished) for source, one in zip(ids, found, strict=True)
    ]
    scores = Scorer(translator.model)(wanted)
    for one, expected in zip(scores, found, strict=True):
        assert one == pytest.approx(expected.token_scores, abs=1e-6)


def test_a_stored_tokenizer_copies_the_same():
    translator = made()
    again = tokenizer_from_json(translator.target_tokenizer.to_json())
    other = replace(translator, source_tokenizer=again, target_tokenizer=again)
    assert [t.text for t in other.translate(SOURCES)] == [
        t.text for t in translator.translate(SOURCES)
    ]
