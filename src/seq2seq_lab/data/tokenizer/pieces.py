"""Lists of vocabulary pieces as they are stored, and decoding around given pieces."""

from collections.abc import Callable


def decode_runs(items: list[int | str], decode: Callable[[list[int]], str]) -> str:
    """Return the text where only runs of ids can be decoded: given texts between them stay as they are."""
    parts: list[str] = []
    run: list[int] = []
    for item in items:
        if isinstance(item, int):
            run.append(item)
        else:
            parts += [decode(run), item]
            run = []
    return "".join([*parts, decode(run)])


def checked_pieces(pieces: object) -> list[str]:
    """Return a stored list of vocabulary pieces; `ValueError` unless it is non-empty, of distinct texts."""
    if not isinstance(pieces, list) or not pieces or not all(isinstance(p, str) for p in pieces):
        raise ValueError("the vocabulary is not a list of texts")
    if len(set(pieces)) != len(pieces):
        raise ValueError("the vocabulary names a piece twice")
    return pieces
