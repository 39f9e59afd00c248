"""Normalisation of text before any tokenizer: Unicode form and lower-casing."""

import re
import unicodedata
from typing import Literal, get_args

Normalization = Literal["none", "NFC", "NFD", "NFKC", "NFKD"]
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_normalization(normalization: str) -> None:
    """Raise `ValueError` unless the name is one of `Normalization`."""
    known = get_args(Normalization)
    if normalization not in known:
        raise ValueError(f"normalization={normalization!r}: must be one of {', '.join(known)}")


def text_form(text: str, normalization: Normalization, *, lowercase: bool) -> str:
    """Return the text normalised and, if wanted, lower-cased.

    Lone surrogates, which no UTF-8 file can hold but a command line can, become U+FFFD. Lower-casing can undo the
    normalisation (and the reverse), hence the second pass.
    """
    if text.isascii():
        return text.lower() if lowercase else text
    text = _normalized(_SURROGATE.sub("\ufffd", text), normalization)
    return _normalized(text.lower(), normalization) if lowercase else text


def _normalized(text: str, normalization: Normalization) -> str:
    return text if normalization == "none" else unicodedata.normalize(normalization, text)


def visible(piece: str) -> str:
    """Return a piece of text for display: spaces as U+2581, control characters escaped."""
    shown = piece.replace(" ", "\u2581")
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)
