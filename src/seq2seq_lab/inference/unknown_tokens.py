"""The tokens of texts that a vocabulary does not have: counted for the user, who would not see them otherwise."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import one_line

_SHOWN, _LONGEST = 5, 30
_REMEMBERED = 10_000
"""So many different tokens are counted one by one; of more, the rarer half is forgotten now and then."""


def unknown_pieces(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> list[str]:
    """Return the pieces of a text that became UNK, in order; `ids` are those of the text, or the first of them."""
    unknown = set(tokenizer.unknown_ids)
    if unknown.isdisjoint(ids):
        return []
    pieces = tokenizer.pieces(text)
    return [piece for piece, id_ in zip(pieces, ids, strict=False) if id_ in unknown]


@dataclass
class UnknownTokens:
    """The count of one side, gathered line by line in bounded memory."""

    side: str = "source"
    tokens: int = 0
    unknown: int = 0
    lines: int = 0
    lines_with: int = 0
    pieces: Counter[str] = field(default_factory=Counter)

    def add(self, tokens: int, unknown: int, pieces: Sequence[str] = ()) -> None:
        """Add a line of so many tokens, so many of them unknown; `pieces` are these, where they have a text."""
        self.tokens += tokens
        self.unknown += unknown
        self.lines += 1
        self.lines_with += unknown > 0
        self.pieces.update(piece[: _LONGEST + 1] for piece in pieces)
        if len(self.pieces) > _REMEMBERED:
            self.pieces = Counter(dict(self.pieces.most_common(_REMEMBERED // 2)))

    def add_text(self, tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> None:
        """Add a text, of which `ids` are all ids or the first of them."""
        pieces = unknown_pieces(tokenizer, text, ids)
        self.add(len(ids), len(pieces), pieces)

    @property
    def numbers(self) -> dict[str, int]:
        """The counts under the names of metrics.json."""
        return {
            f"{self.side}_tokens": self.tokens,
            f"unknown_{self.side}_tokens": self.unknown,
            f"lines_with_unknown_{self.side}_tokens": self.lines_with,
        }

    @property
    def notes(self) -> list[str]:
        """One line for the user; none if every token is known."""
        if not self.unknown:
            return []
        common = sorted(self.pieces.items(), key=lambda item: (-item[1], item[0]))
        shown = [
            f"'{_cut(piece)}'" + (f" ({count} times)" if count > 1 else "")
            for piece, count in common[:_SHOWN]
        ]
        more = " ..." if len(common) > _SHOWN else ""
        words = f": {', '.join(shown)}{more}" if shown else ""
        return [
            f"note: {self.unknown:,} of {self.tokens:,} {self.side} tokens are not in the vocabulary, in "
            f"{self.lines_with:,} of {self.lines:,} lines{words}"
        ]


def _cut(piece: str) -> str:
    text = one_line(piece) or piece
    return text if len(piece) <= _LONGEST else f"{text[:_LONGEST]}…"
