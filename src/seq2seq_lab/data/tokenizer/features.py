"""Sources with conditioning features: `text<TAB>V;PST` as the ids of its features, then those of its text."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from seq2seq_lab.data.text_form import Normalization, text_form
from seq2seq_lab.data.tokenizer.bpe_dropout import Generator
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer

UNKNOWN = "<unknown>"
"""How the id of all unknown features is shown; no text becomes it."""
WITHOUT, UNKNOWN_FEATURE = "source without features, kept", "source with an unknown feature, kept"
"""What the data report counts."""


class FeaturesTokenizer(Tokenizer):
    """A tokenizer for the text, and whole words for its features, which stand after a tab.

    `text` cuts the text; null: characters, with `lowercase` and `normalization`. The features stand between
    `separator` (a space: between white space) and keep their order; those that occur less than `min_frequency` times
    are unknown. Their ids follow the vocabulary of the text, the first of them means an unknown feature, and they come
    first in a sentence: an over-long source that is cut keeps them. A line without a tab has no features.
    """

    inner: ClassVar[frozenset[str]] = frozenset({"text"})

    def __init__(
        self,
        text: Tokenizer | None = None,
        separator: str = ";",
        *,
        min_frequency: int = 1,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
    ):
        super().__init__(lowercase=lowercase, normalization=normalization)
        if len(separator) != 1 or not separator.isascii() or not separator.isprintable():
            raise ValueError(
                f"separator={separator!r}: must be one printable ASCII character, such as ; or a space"
            )
        if separator.isalnum():
            raise ValueError(f"separator={separator!r}: must be no letter or digit; use ; or ,")
        if min_frequency < 1:
            raise ValueError(f"min_frequency={min_frequency}: must be >= 1; 1 keeps every feature")
        if text is not None and text.num_features:
            raise ValueError("text: features inside the text; choose another tokenizer for it")
        if text is not None and lowercase:
            raise ValueError("lowercase=true: set it in the tokenizer of the text, text.lowercase")
        self.separator, self.min_frequency = separator, min_frequency
        self.text = text
        self._words: Tokenizer
        if text is not None:
            self._words = text
        else:
            self._words = CharacterTokenizer(lowercase=lowercase, normalization=normalization)
        self._set_features([])

    def _set_features(self, features: list[str]) -> None:
        self._features = features
        self._numbers = {feature: i for i, feature in enumerate(features, start=1)}

    @property
    def num_features(self) -> int:
        """The ids at the end of the vocabulary that are features: the unknown one, and those that were learned."""
        return 1 + len(self._features)

    @property
    def _first(self) -> int:
        return len(self._words)

    @property
    def unknown_ids(self) -> tuple[int, ...]:
        """The ids of what is not in the vocabulary."""
        return (self.unknown_id, self._first)

    @property
    def collapses_spaces(self) -> bool:  # type: ignore[override]
        """Whether a run of white space in the text counts as one space."""
        return self._words.collapses_spaces

    @property
    def samples(self) -> bool:  # type: ignore[override]
        """Whether training reads a new segmentation of each text in each epoch."""
        return self._words.samples

    def sample(self, text: str, generator: Generator) -> list[int]:
        """Return the ids of the features, then those of a segmentation of the text that is drawn."""
        words, _, features = self.normalize(text).partition("\t")
        return [*self._numbers_of(self._separated(features)), *self._words.sample(words, generator)]

    def normalize(self, text: str) -> str:
        """Return the normalised text, and after a tab its features where it has some."""
        words, _, features = text.partition("\t")
        words = self._words.normalize(words)
        kept = self._separated(text_form(features, self.normalization, lowercase=False))
        return f"{words}\t{self.separator.join(kept)}" if kept else words

    def _separated(self, features: str) -> list[str]:
        """Return the features in what follows the first tab; a further tab separates too."""
        if self.separator == " ":
            return features.split()
        parts = features.replace("\t", self.separator).split(self.separator)
        return [" ".join(part.split()) for part in parts if part.strip()]

    def _parts(self, texts: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Return the texts, and the features of each."""
        parts = [text.partition("\t") for text in texts]
        return [words for words, _, _ in parts], [self._separated(some) for _, _, some in parts]

    def _learn(self, texts: list[str], language: str) -> None:
        words, features = self._parts(texts)
        self._words.fit(words, language)
        counts = Counter(feature for some in features for feature in some)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        self._set_features([name for name, count in ordered if count >= self.min_frequency])

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"text": None}

    def _state(self) -> dict[str, Any]:
        return {"text": self._words.record(), "features": self._features}

    def _restore(self, state: dict[str, Any]) -> None:
        features = state["features"]
        if not isinstance(features, list) or not all(isinstance(f, str) for f in features):
            raise TypeError("the features are not a list of texts")
        if len(set(features)) != len(features) or state["text"].num_features:
            raise ValueError("a feature is named twice, or the text has features of its own")
        self._words = state["text"]
        self._set_features(features)

    def __len__(self) -> int:
        return self._first + self.num_features

    def _encode(self, texts: list[str]) -> list[list[int]]:
        words, features = self._parts(texts)
        numbers = map(self._numbers_of, features)
        return [a + b for a, b in zip(numbers, self._words.encode_batch(words), strict=True)]

    def _numbers_of(self, features: list[str]) -> list[int]:
        return [self._first + self._numbers.get(feature, 0) for feature in features]

    def _decode(self, items: list[int | str]) -> str:
        ours = [i for i in items if isinstance(i, int) and i >= self._first]
        words = self._words._decode([i for i in items if isinstance(i, str) or i < self._first])
        features = self.separator.join(self._piece(i) for i in ours if i > self._first)
        return f"{words}\t{features}" if features else words

    def _cut(self, text: str) -> list[str]:
        words, _, features = text.partition("\t")
        return [*self._separated(features), *self._words.pieces(words)]

    def _piece(self, id_: int) -> str:
        if id_ < self._first:
            return self._words._piece(id_)
        return self._features[id_ - self._first - 1] if id_ > self._first else UNKNOWN

    def remarks(self, sentences: Sequence[Sequence[int]]) -> dict[str, int]:
        """Count the encoded sentences without features, and those with an unknown one."""
        first = self._first
        counts = {
            WITHOUT: sum(not ids or ids[0] < first for ids in sentences),
            UNKNOWN_FEATURE: sum(first in ids for ids in sentences),
        }
        return {what: count for what, count in counts.items() if count}
