"""Error rates, edit distance and token accuracy are torchmetrics' on 50 corpora; distances are the recursion's."""

import random
from functools import cache

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy
from torchmetrics.functional.text import char_error_rate, edit_distance, word_error_rate

from seq2seq_lab.metrics import edit_distance as ours
from seq2seq_lab.metrics.metric import Ratio
from seq2seq_lab.metrics.table import METRICS

WORDS = [
    "the",
    "cat",
    "HH",
    "AH0",
    "naïve",
    "e\u0301",
    "猫",
    "我喜欢",
    "🙂",
    "👩\u200d🔬",
    "a",
    "\u0438\u0306",
    "xyzzy",
    ",",
    ".",
]


def corpora(count: int = 50) -> list[tuple[list[str], list[str]]]:
    """Return corpora of (hypotheses, references): words dropped, doubled and swapped, and empty hypotheses."""
    found = []
    for seed in range(count):
        dice = random.Random(seed)
        hypotheses, references = [], []
        for _ in range(dice.randint(1, 9)):
            reference = dice.choices(WORDS, k=dice.randint(1, 11))
            hypothesis = [w for w in reference if dice.random() > 0.3]
            if dice.random() < 0.6:
                hypothesis.insert(dice.randint(0, len(hypothesis)), dice.choice(WORDS))
            if dice.random() < 0.2:
                hypothesis = hypothesis[::-1] if dice.random() < 0.5 else []
            hypotheses.append(dice.choice([" ", " ", "  "]).join(hypothesis))
            references.append(" ".join(reference))
        found.append((hypotheses, references))
    return found


def token_accuracy(hypotheses: list[str], references: list[str]) -> float:
    """Return torchmetrics' accuracy of the words of the references, absent words of the hypothesis being wrong."""
    ids: dict[str, int] = {"": 0}
    expected, found = [], []
    for h, r in zip(hypotheses, references, strict=True):
        words = h.split()
        for place, word in enumerate(r.split()):
            expected.append(ids.setdefault(word, len(ids)))
            one = words[place] if place < len(words) else ""
            found.append(ids.setdefault(one, len(ids)))
    tensors = torch.tensor(found), torch.tensor(expected)
    return float(multiclass_accuracy(*tensors, num_classes=len(ids), average="micro"))


LIBRARY = {
    "cer": lambda h, r: 100 * float(char_error_rate(h, r)),
    "wer": lambda h, r: 100 * float(word_error_rate(h, r)),
    "edit_distance": lambda h, r: float(edit_distance(h, r)),
    "token_accuracy": lambda h, r: 100 * token_accuracy(h, r),
}


def equals_its_library(name: str) -> None:
    for hypotheses, references in corpora():
        row = METRICS[name]
        expected = pytest.approx(LIBRARY[name](hypotheses, references), rel=1e-6)  # of 32 bits
        assert row.corpus(hypotheses, references).value == expected
        sums = row.statistics([hypotheses], references).sum(1)
        assert row.score(sums)[0] == expected


@pytest.mark.parametrize("name", LIBRARY)
def test_a_metric_equals_torchmetrics_on_50_corpora(name):
    equals_its_library(name)


def every_second(hypotheses, references):
    """Count edits as a loop that forgets insertions."""
    return [
        (abs(len(r.split()) - len(h.split())), len(r.split()))
        for h, r in zip(hypotheses, references, strict=True)
    ]


@pytest.mark.parametrize("name", LIBRARY)
def test_planted_counts_are_caught(name, monkeypatch):
    monkeypatch.setitem(METRICS, name, Ratio(name, name, every_second))
    with pytest.raises(AssertionError):
        equals_its_library(name)


def by_recursion(one, other) -> int:
    @cache
    def cost(i: int, j: int) -> int:
        if not (i and j):
            return i + j
        return min(
            cost(i - 1, j) + 1,
            cost(i, j - 1) + 1,
            cost(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
        )

    return cost(len(one), len(other))


def distances_are_right(distance) -> None:
    dice = random.Random(3)
    sizes = [(0, 0), (0, 5), (5, 0), (1, 1), (3, 130), (130, 3), (70, 67)]
    sizes += [(dice.randint(0, 9), dice.randint(0, 9)) for _ in range(300)]
    for long, short in sizes:
        one, other = ("".join(dice.choices("abc", k=n)) for n in (long, short))
        assert distance(one, other) == by_recursion(one, other), (one, other)


def test_distances_are_those_of_the_recursion():
    distances_are_right(ours.edit_distance)


def test_planted_distance_of_64_bits_is_caught():
    with pytest.raises(AssertionError):
        distances_are_right(lambda one, other: ours.edit_distance(one[:64], other[:64]))


def test_words_are_compared_as_wholes():
    assert ours.word_errors(["a bc d"], ["a b cd"]) == [(2, 3)]
    assert ours.character_errors(["a bc d"], ["a b cd"]) == [(2, 6)]
    assert ours.words_in_place(["a b c"], ["a c b d"]) == [(1, 4)]


def test_a_perfect_output_has_no_error():
    texts = ["HH AH0 L OW1", "我喜欢猫"]
    assert [METRICS[n].corpus(texts, texts).value for n in ("cer", "wer", "edit_distance")] == [
        0
    ] * 3


def test_empty_references_count_what_was_inserted():
    assert METRICS["cer"].corpus(["ab", "c"], ["", "cd"]).value == pytest.approx(150.0)
    assert np.isnan(METRICS["wer"].corpus([""], [""]).value)
