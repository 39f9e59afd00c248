"""Gold alignments: which parts of a source text say what parts of the target text.

Links are between characters, so that they hold for any tokenizer: two tokens are linked when any of their characters
are. As in the literature on word alignment there are sure links, and possible ones that a good alignment may have but
need not (Och and Ney 2003); every sure link is possible.

A corpus that knows its alignments has a method `alignments(pairs)`, which returns one for each pair, or None for a
pair that it does not know.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.corpus import Pair

Span = tuple[int, int]
"""First character and the one after the last."""
Link = tuple[Span, Span]
"""(source, target)"""


@dataclass(frozen=True)
class Alignment:
    """Links between spans of characters: all characters of one side with all of the other."""

    sure: tuple[Link, ...] = ()
    possible: tuple[Link, ...] = field(default=())


@runtime_checkable
class Aligned(Protocol):
    """A corpus with gold alignments."""

    def alignments(self, pairs: Sequence[Pair]) -> list[Alignment | None]:
        """Return the alignment of each pair."""
        ...


def word_spans(text: str) -> list[Span]:
    """Return where the words between white space are."""
    return token_spans(text, text.split()) or []


def token_spans(text: str, pieces: Iterable[str]) -> list[Span] | None:
    """Return where the pieces of a tokenizer are in the text, one after another; None if one is not there as it is."""
    spans, at = [], 0
    for piece in pieces:
        start = text.find(piece, at)
        if start < 0 or text[at:start].strip() or not piece:
            return None
        at = start + len(piece)
        spans.append((start, at))
    return None if text[at:].strip() else spans


def token_links(
    links: Iterable[Link], source: Sequence[Span], target: Sequence[Span]
) -> Bool[Tensor, "target source"]:
    """Return which target tokens are linked to which source tokens."""
    found = torch.zeros(len(target), len(source), dtype=torch.bool)
    for left, right in links:
        rows = torch.tensor([_meet(right, span) for span in target], dtype=torch.bool)
        columns = torch.tensor([_meet(left, span) for span in source], dtype=torch.bool)
        found |= rows.unsqueeze(1) & columns.unsqueeze(0)
    return found


def _meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


class GoldLinks:
    """The gold alignments of a split as links between tokens; none where tokens are not parts of the text."""

    def __init__(self, pairs: Sequence[Pair], corpus: Aligned, tokenizers: tuple[Any, Any]):
        known = corpus.alignments(pairs)
        self.links: dict[int, tuple[Tensor, Tensor]] = {}
        for number, (pair, alignment) in enumerate(zip(pairs, known, strict=True)):
            texts = (pair.source, pair.target)
            spans = [
                token_spans(text, tokenizer.pieces(text))
                for text, tokenizer in zip(texts, tokenizers, strict=True)
            ]
            if alignment is not None and None not in spans:
                sides: Any = spans
                both = alignment.sure, (*alignment.sure, *alignment.possible)
                self.links[number] = tuple(token_links(links, *sides) for links in both)  # type: ignore[assignment]

    def of(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sure and the possible links of a batch, and its steps: end tokens are no part of an alignment."""
        shape = len(batch), batch.target_input.shape[1], batch.source.shape[1]
        sure, possible = (torch.zeros(shape, dtype=torch.bool) for _ in range(2))
        steps = torch.zeros(shape[:2], dtype=torch.bool)
        for row, number in enumerate(batch.ids.tolist()):
            links = self.links.get(number, ())
            for whole, own in zip((sure, possible), links, strict=False):
                part = own[: shape[1], : shape[2]]
                whole[row, : part.shape[0], : part.shape[1]] = part
                steps[row, : part.shape[0]] = True
        return sure, possible, steps
