"""Words between white space, with or without the punctuation at their edges as tokens of its own."""

import unicodedata
from functools import lru_cache

from seq2seq_lab.data.detokenize import detokenize
from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.vocabulary import VocabularyTokenizer


class WordTokenizer(VocabularyTokenizer):
    """Words between white space; with `split_punctuation`, punctuation at their edges is cut off as well.

    Runs of white space count as one space. Cut-off punctuation is joined again by rules (`detokenize.py`).
    """

    collapses_spaces = True

    def __init__(
        self,
        *,
        min_frequency: int = 1,
        max_size: int | None = None,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
        copy_slots: int = 0,
        split_punctuation: bool = False,
    ):
        super().__init__(
            min_frequency=min_frequency,
            max_size=max_size,
            lowercase=lowercase,
            normalization=normalization,
            copy_slots=copy_slots,
        )
        self.split_punctuation = split_punctuation

    def _cut(self, text: str) -> list[str]:
        words = text.split()
        if not self.split_punctuation:
            return words
        return [piece for word in words for piece in cut_edges(word)]

    def _join(self, pieces: list[str]) -> str:
        if not self.split_punctuation:
            return " ".join(pieces)
        return detokenize(pieces, self.language or "", hyphen_joins=False)


@lru_cache(maxsize=65536)
def cut_edges(word: str) -> tuple[str, ...]:
    """Cut punctuation off both ends of a word; hyphens and apostrophes at its end belong to it (`l'`, `weiß-`)."""
    start, end = 0, len(word)
    while start < end and _is_punctuation(word[start]):
        start += 1
    while end > start and _is_punctuation(word[end - 1]):
        end -= 1
    if start == end:  # nothing but punctuation: `...`, `-`, `<<<`
        return (word,)
    return (*word[:start], word[start:end], *word[end:])


def _is_punctuation(character: str) -> bool:
    return character not in "-'’&" and unicodedata.category(character)[0] in "PS"
