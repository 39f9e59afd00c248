"""The library behind a stored tokenizer, where another version may cut text in another way."""

import warnings

from seq2seq_lab.errors import one_line


def tell_other_version(name: str, made_with: str, installed: str) -> None:
    """Warn that a tokenizer was made with another version of its library than the installed one."""
    if made_with != installed:
        warnings.warn(
            f"this tokenizer was made with {name} {one_line(made_with)}, installed is {installed}: some words may be "
            "cut in another way",
            stacklevel=3,
        )
