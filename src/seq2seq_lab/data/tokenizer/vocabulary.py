"""The interface of tokenizers, and the tokenizers whose vocabulary is a list of counted pieces.

A tokenizer is made from declared settings, fitted once on the training text and then frozen. `encode` gives ids
without BOS and EOS, `decode` gives detokenised text back. Ids 0..3 are those of `special_tokens.py`; whatever a user
types, even the spelling of a special token, is ordinary text with ids from 4 on, or UNK. A fitted tokenizer is stored
as one JSON text, which is equal for equal training text whatever its order, the hash seed or the locale.
"""

import hashlib
import inspect
import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from seq2seq_lab.data.slots import check_slots, unknown_words, with_slots
from seq2seq_lab.data.text_form import Normalization, check_normalization, text_form, visible
from seq2seq_lab.data.tokenizer.bpe_dropout import Generator
from seq2seq_lab.data.tokenizer.pieces import checked_pieces
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, SPELLINGS, UNK


def in_any_order(learn: Callable[[Any, Any, str], None]) -> Callable[[Any, Any, str], None]:
    """Mark a `_learn` that reads its texts once and whose result their order does not change.

    Such texts come as an iterator, so that they are never all in memory. A method that replaces it is unmarked again.
    """
    learn.takes_any_order = True  # type: ignore[attr-defined]
    return learn


class Tokenizer(ABC):
    """Turns text into ids and ids into text. Each setting is a constructor argument and an attribute of that name."""

    unknown_id = UNK
    collapses_spaces: ClassVar[bool] = False
    """Whether a run of white space counts as one space."""
    samples: bool = False
    """Whether training reads a new segmentation of each text in each epoch, by `sample`."""
    inner: ClassVar[frozenset[str]] = frozenset()
    """Keys of the state that are tokenizers: `_state` gives their `record`, `_restore` gets them made again."""
    copy_slots: int = 0
    """The last so many ids: slot k stands for the k-th distinct unknown word of a source (`slots.py`)."""

    def __init__(self, *, lowercase: bool, normalization: Normalization):
        check_normalization(normalization)
        self.lowercase, self.normalization = lowercase, normalization
        self.language: str | None = None

    @abstractmethod
    def _learn(self, texts: list[str], language: str) -> None:
        """Learn from normalised, sorted, non-blank texts. With `in_any_order` they come unsorted, one by one."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Return what was learned, as JSON values."""

    @abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Restore what `_state` returned; `ValueError`, `TypeError` or `KeyError` if it is damaged."""

    @abstractmethod
    def _encode(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of normalised texts."""

    @abstractmethod
    def _decode(self, items: list[int | str]) -> str:
        """Return the text of ids that are not special, with given pieces between them."""

    @abstractmethod
    def _cut(self, text: str) -> list[str]:
        """Return the pieces of a normalised text, one for each id."""

    @abstractmethod
    def _piece(self, id_: int) -> str:
        """Return the piece of an id that is not special."""

    @abstractmethod
    def __len__(self) -> int:
        """Vocabulary size, the special tokens included."""

    def normalize(self, text: str) -> str:
        """Return the form of a text that `decode(encode(text))` gives back when every token is known."""
        form = text_form(text, self.normalization, lowercase=self.lowercase)
        return " ".join(form.split()) if self.collapses_spaces else form

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without BOS and EOS; what is not in the vocabulary becomes UNK."""
        return self.encode_batch([text])[0]

    def encode_batch(
        self, texts: Sequence[str], sources: Sequence[str] | None = None
    ) -> list[list[int]]:
        """Return the ids of each text; with copy slots, an unknown word of its source has that word's slot.

        `sources` has the source of each text; None: the texts are sources themselves.
        """
        self._require_fit()
        found = self._encode([self.normalize(text) for text in texts])
        if not self.copy_slots:
            return found
        triples = zip(found, texts, texts if sources is None else sources, strict=True)
        return [
            with_slots(ids, self.pieces(text), self.slot_words(source), self._first_slot)
            if UNK in ids
            else ids
            for ids, text, source in triples
        ]

    @property
    def _first_slot(self) -> int:
        return len(self) - self.copy_slots

    def slot_words(self, source: str) -> list[str]:
        """Return the word that each copy slot stands for in a source, in order."""
        self._require_fit()
        if not self.copy_slots:
            return []
        text = self.normalize(source)
        return unknown_words(self._cut(text), self._encode([text])[0], self.copy_slots)

    def sample(self, text: str, generator: Generator) -> list[int]:  # noqa: ARG002
        """Return the ids of a segmentation drawn for training; the usual one where the tokenizer draws none."""
        return self.encode(text)

    def decode(self, ids: Iterable[int], unknown: Sequence[str] | None = None) -> str:
        """Return the text of the ids; the special tokens are left out.

        `unknown` has a piece for each UNK and copy slot, in order, to stand in its place (an empty one leaves it out).
        """
        self._require_fit()
        kept = [UNK if self.is_unknown(i) else i for i in ids if i >= UNK]
        given = [""] * kept.count(UNK) if unknown is None else unknown
        if len(given) != kept.count(UNK):
            raise ValueError(f"{len(given)} pieces for {kept.count(UNK)} unknown tokens")
        pieces = iter(given)
        items = [next(pieces) if i == UNK else i for i in kept]
        return self._decode([item for item in items if item != ""])

    def is_unknown(self, id_: int) -> bool:
        """Return whether an id stands for a word that is not in the vocabulary: UNK and the copy slots."""
        return id_ == UNK or self.slot(id_) is not None

    def slot(self, id_: int) -> int | None:
        """Return the place of an id among the copy slots, or None."""
        return id_ - self._first_slot if self._first_slot <= id_ < len(self) else None

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text as they are written, one for each id of `encode`."""
        self._require_fit()
        return self._cut(self.normalize(text))

    def tokens(self, text: str) -> list[str]:
        """Return the pieces of a text for display, one for each id of `encode`."""
        return [visible(piece) for piece in self.pieces(text)]

    def token(self, id_: int) -> str:
        """Return the display string of an id."""
        self._require_fit()
        if 0 <= id_ < NUM_SPECIAL_TOKENS:
            return SPELLINGS[id_]
        slot = self.slot(id_)
        return visible(self._piece(id_)) if slot is None else f"<unk{slot + 1}>"

    def fit(self, texts: Iterable[str], language: str) -> None:
        """Learn the vocabulary from the training text, once. `language` is a BCP 47 code."""
        if self.language is not None:
            raise RuntimeError(f"{type(self).__name__} is fitted already; make a new one")
        prepared = (text for text in map(self.normalize, texts) if text.strip())
        first = next(prepared, None)
        if first is None:
            raise DataError(
                "no text to learn a vocabulary from: every training line is empty; check the data.* keys"
            )
        whole: Any = itertools.chain([first], prepared)
        is_streamed = getattr(type(self)._learn, "takes_any_order", False)
        self._learn(whole if is_streamed else sorted(whole), language)
        self.language = language

    def to_json(self) -> str:
        """Return settings and vocabulary as one deterministic JSON text."""
        return json.dumps(self.record(), sort_keys=True, ensure_ascii=False)

    def record(self) -> dict[str, Any]:
        """Return settings and vocabulary as JSON values."""
        self._require_fit()
        return {
            "class": stored_name(type(self)),
            "settings": self._settings(),
            "language": self.language,
            "state": self._state(),
        }

    def _settings(self) -> dict[str, Any]:
        """Return the arguments that make the same tokenizer, as JSON values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @property
    def num_features(self) -> int:
        """The ids at the end of the vocabulary that are conditioning features and no text (`features.py`)."""
        return 0

    @property
    def unknown_ids(self) -> tuple[int, ...]:
        """The ids of what is not in the vocabulary."""
        return (self.unknown_id,)

    def remarks(self, sentences: Sequence[Sequence[int]]) -> dict[str, int]:  # noqa: ARG002
        """Return what the data report counts of encoded sentences that are kept, as {what: sentences}."""
        return {}

    def fingerprint(self) -> str:
        """Return the SHA-256 of `to_json()`, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def _require_fit(self) -> None:
        if self.language is None:
            raise RuntimeError(
                f"{type(self).__name__} has no vocabulary yet; call fit(texts, language)"
            )


def stored_name(kind: type) -> str:
    """Return the name by which a stored tokenizer names its class: one of an extension has its module before it."""
    is_ours = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return kind.__name__ if is_ours else f"{kind.__module__}.{kind.__qualname__}"


class VocabularyTokenizer(Tokenizer):
    """A tokenizer whose vocabulary is a list of counted pieces: `_cut` and `_join` make the difference.

    `max_size` caps the whole vocabulary, special tokens included; `copy_slots` come on top of it. Pieces are ordered by
    (-count, piece), so that neither ties nor the order of the text matter.
    """

    def __init__(
        self,
        *,
        min_frequency: int,
        max_size: int | None,
        lowercase: bool,
        normalization: Normalization,
        copy_slots: int = 0,
    ):
        super().__init__(lowercase=lowercase, normalization=normalization)
        check_slots(copy_slots, min_frequency, max_size)
        self.copy_slots = copy_slots
        if min_frequency < 1:
            raise ValueError(f"min_frequency={min_frequency}: must be >= 1; 1 keeps every token")
        if max_size is not None and max_size <= NUM_SPECIAL_TOKENS:
            raise ValueError(
                f"max_size={max_size}: must be > {NUM_SPECIAL_TOKENS} (the special tokens count), "
                "or null for no cap"
            )
        self.min_frequency, self.max_size = min_frequency, max_size
        self._set_vocabulary([])

    @abstractmethod
    def _join(self, pieces: list[str]) -> str:
        """Put pieces together to running text."""

    def _set_vocabulary(self, vocabulary: list[str]) -> None:
        self._vocabulary = vocabulary
        self._ids = {piece: i for i, piece in enumerate(vocabulary, NUM_SPECIAL_TOKENS)}

    @in_any_order
    def _learn(self, texts: Iterable[str], language: str) -> None:  # noqa: ARG002
        counts = Counter(piece for text in texts for piece in self._cut(text))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [piece for piece, count in ordered if count >= self.min_frequency]
        if not kept:
            raise DataError(
                f"min_frequency={self.min_frequency} leaves an empty vocabulary (the most frequent token "
                f"occurs {ordered[0][1]} times); lower the tokenizer's min_frequency"
            )
        limit = None if self.max_size is None else self.max_size - NUM_SPECIAL_TOKENS
        self._set_vocabulary(kept[:limit])

    def _state(self) -> dict[str, Any]:
        return {"vocabulary": self._vocabulary}

    def _restore(self, state: dict[str, Any]) -> None:
        self._set_vocabulary(checked_pieces(state["vocabulary"]))

    def __len__(self) -> int:
        self._require_fit()
        return NUM_SPECIAL_TOKENS + len(self._vocabulary) + self.copy_slots

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return [[self._ids.get(piece, UNK) for piece in self._cut(text)] for text in texts]

    def _decode(self, items: list[int | str]) -> str:
        return self._join([self._piece(i) if isinstance(i, int) else i for i in items])

    def _piece(self, id_: int) -> str:
        return self._vocabulary[id_ - NUM_SPECIAL_TOKENS]
