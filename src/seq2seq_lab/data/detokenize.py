"""Detokenization by rules: punctuation joins its neighbour, quotation marks are paired."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})
"""Languages written without spaces between words."""

_JOINS_LEFT = frozenset(".,!?;:…)]}”’»›%。，、！？；：）】》」』")
_JOINS_RIGHT = frozenset("([{„‚¿¡#$£（【《「『")
_JOINS_BOTH = frozenset("/@_")
_APOSTROPHES = ("'", "’")
_ENGLISH_CLITICS = frozenset({"'s", "'m", "'d", "'re", "'ve", "'ll", "n't"})
_PAIRED = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "»": "«", "‹": "›", "›": "‹"}
_SPACED_IN_FRENCH = frozenset("!?;:%«»")


class _Joins(NamedTuple):
    left: bool
    right: bool


_APART = _Joins(left=False, right=False)
_LEFT = _Joins(left=True, right=False)
_RIGHT = _Joins(left=False, right=True)
_BOTH = _Joins(left=True, right=True)


def primary_language(code: str) -> str:
    """Return the language part of a BCP 47 code: `zh` for `zh-Hant-TW`."""
    return code.replace("_", "-").split("-")[0].lower()


def detokenize(tokens: Sequence[str], language: str, *, hyphen_joins: bool) -> str:
    """Return running text. `hyphen_joins`: a lone `-` stood inside a word (`T - shirt`), not between words."""
    language = primary_language(language)
    if language in UNSPACED:
        return "".join(tokens)
    pieces: list[str] = []
    open_quotes: list[str] = []
    previous, glued = "", True
    for token in tokens:
        if token == "-":
            joins = _BOTH if hyphen_joins else _APART
        else:
            joins = _quote(token, previous, open_quotes, language) or _joins(token, language)
        pieces.append(token if glued or joins.left else " " + token)
        previous, glued = token, joins.right
    return "".join(pieces)


@lru_cache(maxsize=65536)
def _joins(token: str, language: str) -> _Joins:
    """How a token that is no quotation mark joins its neighbours, whatever they are."""
    if language == "fr" and all(c in _SPACED_IN_FRENCH for c in token):
        return _APART
    if all(c in _JOINS_LEFT for c in token):
        return _LEFT
    if token in _JOINS_RIGHT:
        return _RIGHT
    if token in _JOINS_BOTH:
        return _BOTH
    if language == "en":  # don't, the man's, they're
        return _LEFT if token.lower().replace("’", "'") in _ENGLISH_CLITICS else _APART
    # l'homme, aujourd'hui; est-ce, -vous
    elided = len(token) > 1 and token.endswith(_APOSTROPHES) and language in {"fr", "it", "ca"}
    attached = len(token) > 1 and token[0] == "-" and token[1:].isalpha() and language == "fr"
    return _Joins(left=attached, right=elided)


def _quote(token: str, previous: str, open_quotes: list[str], language: str) -> _Joins | None:
    """Pair quotation marks: the opening one joins its right neighbour, the closing one its left."""
    if token in {"„", "‚"}:
        open_quotes.append("“" if token == "„" else "‘")
        return _RIGHT
    if open_quotes and token == open_quotes[-1]:
        open_quotes.pop()
        return _APART if language == "fr" and token in "«»" else _LEFT
    if token not in _PAIRED:
        return None
    if token == "'" and previous.endswith(("s", "S")):  # the boys' room
        return _LEFT
    if language == "fr" and token in "«»":
        return _APART
    open_quotes.append(_PAIRED[token])
    return _RIGHT
