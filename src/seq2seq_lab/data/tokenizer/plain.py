"""Text to ids and back: the tokenizers that need no library, and the way back from a stored one.

A tokenizer is made from declared settings, fitted once on the training text and then frozen. `encode` gives ids
without BOS and EOS, `decode` gives detokenised text back. Ids 0..3 are those of `special_tokens.py`; whatever a user
types, even the spelling of a special token, is ordinary text with ids from 4 on, or UNK. Everything that a fitted
tokenizer is travels as one JSON text, equal for equal text whatever its order, the hash seed or the locale.
The contract is in `vocabulary.py`, subword tokenizers in `subword.py`, spaCy's words in `spacy_tokenizer.py`.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from seq2seq_lab.data.detokenize import detokenize
from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.spacy_words import SpacyTokenizer
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer, UnigramTokenizer
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer, VocabularyTokenizer
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS


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
        split_punctuation: bool = False,
    ):
        super().__init__(
            min_frequency=min_frequency,
            max_size=max_size,
            lowercase=lowercase,
            normalization=normalization,
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


class CharacterTokenizer(VocabularyTokenizer):
    """Unicode code points; a space is a character like any other."""

    def __init__(
        self,
        *,
        min_frequency: int = 1,
        max_size: int | None = None,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
    ):
        super().__init__(
            min_frequency=min_frequency,
            max_size=max_size,
            lowercase=lowercase,
            normalization=normalization,
        )

    def _cut(self, text: str) -> list[str]:
        return list(text)

    def _join(self, pieces: list[str]) -> str:
        return "".join(pieces)


class ByteTokenizer(Tokenizer):
    """The 256 bytes of UTF-8: nothing to learn, nothing unknown. Broken sequences decode to U+FFFD."""

    def __init__(self, *, lowercase: bool = False, normalization: Normalization = "NFC"):
        super().__init__(lowercase=lowercase, normalization=normalization)

    def fit(self, texts: Iterable[str], language: str) -> None:  # noqa: ARG002
        """Learn nothing; like every tokenizer, refuse a training split without text."""
        if not any(text.strip() for text in texts):
            raise DataError("the training text is empty; check the data.* keys")

    def _learn(self, texts: list[str], language: str) -> None:
        pass

    def _state(self) -> dict[str, Any]:
        return {}

    def _restore(self, state: dict[str, Any]) -> None:
        pass

    def _require_fit(self) -> None:
        pass

    def __len__(self) -> int:
        return NUM_SPECIAL_TOKENS + 256

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return [[byte + NUM_SPECIAL_TOKENS for byte in text.encode()] for text in texts]

    def _decode(self, items: list[int | str]) -> str:
        written = (
            item.encode() if isinstance(item, str) else bytes([item - NUM_SPECIAL_TOKENS])
            for item in items
        )
        return b"".join(written).decode(errors="replace")

    def _cut(self, text: str) -> list[str]:
        return [self._piece(byte + NUM_SPECIAL_TOKENS) for byte in text.encode()]

    def _piece(self, id_: int) -> str:
        byte = bytes([id_ - NUM_SPECIAL_TOKENS])
        return byte.decode() if byte.isascii() else f"\\x{byte.hex()}"


TOKENIZERS: dict[str, type[Tokenizer]] = {
    "WordTokenizer": WordTokenizer,
    "SpacyTokenizer": SpacyTokenizer,
    "CharacterTokenizer": CharacterTokenizer,
    "BpeTokenizer": BpeTokenizer,
    "UnigramTokenizer": UnigramTokenizer,
    "ByteTokenizer": ByteTokenizer,
}
"""The exact table of classes that a stored tokenizer may name."""
