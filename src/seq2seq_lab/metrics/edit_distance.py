"""Edits between hypothesis and reference, by character and by word, and tokens at their place.

A word is what white space separates, so that the symbols of a phoneme or grapheme sequence (`HH AH L OW`) are words.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from seq2seq_lab.metrics.metric import Texts

Counts = list[tuple[int, int]]


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the smallest number of inserted, deleted and replaced symbols (Levenshtein 1966).

    A column of the matrix is two whole numbers, whose bits say where it grows and shrinks by one (Myers 1999; Hyyrö
    2003): a step costs some operations on numbers of as many bits as `other` has symbols.
    """
    if not other:
        return len(one)
    places: defaultdict[str, int] = defaultdict(int)
    for place, symbol in enumerate(other):
        places[symbol] |= 1 << place
    last, mask = 1 << (len(other) - 1), (1 << len(other)) - 1
    grows, shrinks, distance = mask, 0, len(other)
    for symbol in one:
        equal = places.get(symbol, 0)
        diagonal = (((equal & grows) + grows) ^ grows) | equal | shrinks
        up, down = shrinks | (mask & ~(diagonal | grows)), grows & diagonal
        distance += bool(up & last) - bool(down & last)
        up, down = (up << 1 | 1) & mask, (down << 1) & mask
        grows, shrinks = down | (mask & ~(diagonal | up)), up & diagonal
    return distance


@lru_cache(maxsize=4096)
def _characters(hypothesis: str, reference: str) -> int:
    """Return the edit distance of characters, which two rows of METRICS need."""
    return edit_distance(hypothesis, reference)


def character_errors(hypotheses: Texts, references: Texts) -> Counts:
    """Return for each pair the edited characters, and the characters of the reference."""
    pairs = zip(hypotheses, references, strict=True)
    return [(_characters(h, r), len(r)) for h, r in pairs]


def character_edits(hypotheses: Texts, references: Texts) -> Counts:
    """Return for each pair the edited characters, and 1."""
    return [(_characters(h, r), 1) for h, r in zip(hypotheses, references, strict=True)]


def word_errors(hypotheses: Texts, references: Texts) -> Counts:
    """Return for each pair the edited words, and the words of the reference."""
    pairs = [(h.split(), r.split()) for h, r in zip(hypotheses, references, strict=True)]
    return [(edit_distance(h, r), len(r)) for h, r in pairs]


def words_in_place(hypotheses: Texts, references: Texts) -> Counts:
    """Return for each pair the words of the reference that the hypothesis has at the same place, and all of them."""
    pairs = [(h.split(), r.split()) for h, r in zip(hypotheses, references, strict=True)]
    return [(sum(a == b for a, b in zip(h, r, strict=False)), len(r)) for h, r in pairs]
