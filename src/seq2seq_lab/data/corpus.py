"""The interface of a corpus: parallel text in three splits, with counts of everything that was left out.

A corpus class lives in a module of its own beside this one, takes explicit annotated arguments, validates them in
its constructor (`ValueError` that names the value and the rule) and reads or makes text only in `read`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Pair:
    """A source text and its translation, both as plain detokenised strings without line ends.

    `further` are more references of a validation or test pair: scores count against all, losses know the target alone.
    """

    source: str
    target: str
    further: tuple[str, ...] = field(default=(), compare=False)

    @property
    def references(self) -> tuple[str, ...]:
        """The target and the further references."""
        return (self.target, *self.further)


@dataclass(frozen=True)
class ParallelText:
    """The three splits: lists, or `Pairs` where the text is large.

    `dropped` counts pairs left out while reading, as {split: {reason: count}}. `origin` says where fetched
    text came from, for the data report and the manifest.
    """

    train: Sequence[Pair]
    val: Sequence[Pair]
    test: Sequence[Pair]
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    origin: Any = field(default_factory=dict)  # an object of JSON


@runtime_checkable
class Corpus(Protocol):
    """Anything with two languages and a `read` method; languages are BCP 47 codes such as `en` or `zh`.

    A corpus that reads files may have a method `paths()` that returns them: loggers then refer to these files.
    """

    source_language: str
    target_language: str

    def read(self) -> ParallelText:
        """Read or make the text. Deterministic; raises `DataError` with file:line for unusable input."""
        ...
