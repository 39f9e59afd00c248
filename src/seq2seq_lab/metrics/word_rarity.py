"""How well words are translated by how often training has seen them: F1 of words by frequency (Neubig et al. 2019).

Of the words of a frequency, those that hypothesis and reference share in a sentence are right, each at most as often as
the reference has it. F1 = 2 right / (words of hypotheses + words of references), which is a ratio of sums over
sentences. compare-mt counts in the same way. A word is what white space separates; where BLEU counts characters (zh,
ja, ...) it is a character.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.metric import Array, Ratio, Texts

PREFIX = "word_f1_seen_"
"""How the numbers in result.json begin; the range of the frequency follows."""
BINS: tuple[tuple[int, int | float], ...] = (
    (0, 0), (1, 1), (2, 4), (5, 9), (10, 99), (100, 999), (1000, math.inf),
)  # fmt: skip
"""The first and the last frequency of each bin."""


@dataclass(frozen=True)
class Frequencies:
    """How often the target side of the training pairs has each word; `by_character` says what a word is."""

    counts: Mapping[str, int]
    by_character: bool

    def words(self, text: str) -> list[str]:
        """Return the words of a text."""
        return list("".join(text.split())) if self.by_character else text.split()

    def of_texts(self, texts: Iterable[str]) -> "Frequencies":
        """Return the frequencies of the words in these texts alone, those of training words."""
        words = {word for text in texts for word in self.words(text)}
        known = {word: self.counts[word] for word in sorted(words) if word in self.counts}
        return Frequencies(known, self.by_character)


def training_frequencies(targets: Iterable[str], language: str) -> Frequencies:
    """Count the words of the training targets."""
    by_character = is_by_character(language)
    nothing, counts = Frequencies({}, by_character), Counter[str]()
    for text in targets:
        counts.update(nothing.words(text))
    return Frequencies(counts, by_character)


def is_by_character(language: str) -> bool:
    """Tell whether a word of the language is a character, as BLEU counts it."""
    return bleu_tokenizer(language) in {"zh", "char"}


def bin_names() -> list[str]:
    """Return the name of each bin in result.json, the rarest words first."""
    return [PREFIX + _range(low, high) for low, high in BINS]


def _range(low: int, high: int | float) -> str:
    if high == math.inf:
        return f"{low}_or_more"
    return f"{low}" if low == high else f"{low}_{high:.0f}"


def bin_of(frequency: int) -> int:
    """Return the number of the bin that a frequency lies in."""
    return next(i for i, (low, high) in enumerate(BINS) if low <= frequency <= high)


def bin_counts(hypotheses: Texts, references: Texts, frequencies: Frequencies) -> Array:
    """Return twice the right words, and the words of both sides, for each bin and sentence: (bins, sentences, 2)."""
    found = np.zeros((len(BINS), len(references), 2))
    for i, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        ours, theirs = (Counter(frequencies.words(text)) for text in (hypothesis, reference))
        for word in ours.keys() | theirs.keys():
            place = bin_of(frequencies.counts.get(word, 0))
            found[place, i] += 2 * min(ours[word], theirs[word]), ours[word] + theirs[word]
    return found


def reference_words(references: Texts, frequencies: Frequencies) -> list[int]:
    """Return how many words of the references lie in each bin."""
    counts = Counter(
        bin_of(frequencies.counts.get(word, 0))
        for text in references
        for word in frequencies.words(text)
    )
    return [counts[i] for i in range(len(BINS))]


def rarity_statistics(
    hypotheses: Texts, references: Sequence[str], frequencies: Frequencies
) -> dict[str, Array]:
    """Return the counts of each sentence, (sentences, 2), by the name of each bin that a reference has a word of."""
    found = bin_counts(hypotheses, references, frequencies)
    words = reference_words(references, frequencies)
    return {name: found[i] for i, name in enumerate(bin_names()) if words[i]}


def shared_words(hypotheses: Texts, references: Texts) -> list[tuple[int, int]]:
    """Return for each pair twice the words that both texts have, and the words of both."""
    pairs = [(h.split(), r.split()) for h, r in zip(hypotheses, references, strict=True)]
    return [(2 * (Counter(h) & Counter(r)).total(), len(h) + len(r)) for h, r in pairs]


WORD_F1 = Ratio("word_f1", "word F1 %", shared_words)
"""The score of the counts of all words, or of a bin."""
