"""F1 of words by frequency: counted by hand, an explicit loop, and all bins together are the F1 of all words."""

import random

import numpy as np
import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics import word_rarity
from seq2seq_lab.metrics.scores import score
from seq2seq_lab.metrics.word_rarity import (
    BINS,
    WORD_F1,
    Frequencies,
    bin_counts,
    bin_names,
    bin_of,
    rarity_statistics,
    training_frequencies,
)

TRAINING = ["the cat sat on the mat", "the dog", "a dog ran"]


def test_bins_cover_every_frequency_once():
    for frequency in (*range(1200), 10**9):
        assert sum(low <= frequency <= high for low, high in BINS) == 1
        low, high = BINS[bin_of(frequency)]
        assert low <= frequency <= high
    assert bin_names()[0] == "word_f1_seen_0"
    assert bin_names()[2] == "word_f1_seen_2_4"
    assert bin_names()[-1] == "word_f1_seen_1000_or_more"


def test_training_words_are_counted():
    found = training_frequencies(TRAINING, "en")
    assert (found.counts["the"], found.counts["dog"], found.counts["cat"]) == (3, 2, 1)
    assert found.of_texts(["the bird"]).counts == {"the": 3}
    by_character = training_frequencies(["我 我们"], "zh")
    assert by_character.counts == {"我": 2, "们": 1}


def test_f1_by_hand():
    known = training_frequencies(TRAINING, "en")
    pairs = [Pair("s", "the cat sat"), Pair("t", "the bird ran the")]
    found = score(pairs, ["the cat ran", "the the the dog"], "en", frequencies=known).numbers
    # the: shared 1 + 2 of 2 * (1 + 2 | 1 + 3): 6 / 7; dog is seen twice as well, in one hypothesis
    assert found["word_f1_seen_2_4"] == pytest.approx(100 * 6 / 8)
    # seen once: cat, ran | cat, sat and nothing | ran
    assert found["word_f1_seen_1"] == pytest.approx(100 * 2 / 5)
    assert found["word_f1_seen_0"] == 0.0
    assert "word_f1_seen_10_99" not in found


def explicit(hypothesis: str, reference: str, counts: dict[str, int], low: int, high: float):
    """Return twice the right words, and all words, of a bin: each word of the reference is used up once."""
    left, right, total = reference.split(), 0, 0
    for word in hypothesis.split():
        if not low <= counts.get(word, 0) <= high:
            continue
        total += 1
        if word in left:
            left.remove(word)
            right += 1
    total += sum(low <= counts.get(word, 0) <= high for word in reference.split())
    return 2 * right, total


def counts_are_right() -> None:
    dice = random.Random(5)
    counts = {"a": 1, "b": 3, "c": 5, "d": 40, "e": 400, "f": 4000}
    known = Frequencies(counts, by_character=False)
    texts = [
        [" ".join(dice.choices("abcdefgh", k=dice.randint(0, 9))) for _ in range(60)]
        for _ in range(2)
    ]
    found = word_rarity.bin_counts(*texts, known)
    for place, (low, high) in enumerate(BINS):
        expected = [explicit(h, r, counts, low, high) for h, r in zip(*texts, strict=True)]
        assert found[place].tolist() == [[float(x) for x in row] for row in expected]
    assert np.array_equal(found.sum(0), WORD_F1.statistics([texts[0]], texts[1])[0])


def test_counts_are_those_of_a_loop_and_add_up_to_all_words():
    counts_are_right()


def test_planted_words_without_clipping_are_caught(monkeypatch):
    def unclipped(hypotheses, references, known):
        found = bin_counts(hypotheses, references, known)
        found[..., 0] = np.minimum(found[..., 0] * 2, found[..., 1])
        return found

    monkeypatch.setattr(word_rarity, "bin_counts", unclipped)
    with pytest.raises(AssertionError):
        counts_are_right()


def test_a_bin_that_no_reference_has_a_word_of_is_left_out():
    known = Frequencies({"a": 1}, by_character=False)
    assert list(rarity_statistics(["a b"], ["a"], known)) == ["word_f1_seen_1"]


def test_every_part_has_an_interval_around_its_score():
    known = training_frequencies(TRAINING, "en")
    dice = random.Random(2)
    words = ["the", "cat", "dog", "bird"]
    pairs = [Pair("s" * i, " ".join(dice.choices(words, k=3))) for i in range(1, 41)]
    texts = [p.target if dice.random() < 0.6 else "the bird" for p in pairs]
    found = score(pairs, texts, "en", with_intervals=True, frequencies=known)
    parts = [name for name in found.numbers if name.startswith(("exact_match_", "word_f1_seen_"))]
    assert len(parts) == 4 + 4 + 3
    for name in parts:
        low, high = found.intervals[name]
        assert low <= found.numbers[name] <= high
        assert low < high
