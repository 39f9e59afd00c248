"""The functions that `${name:...}` may call in a config. Any other is refused before anything is resolved.

`${oc.env:TOKEN}` would carry a secret of the environment into names and stored files.
"""

from typing import Any

from seq2seq_lab.config.keys import walk
from seq2seq_lab.errors import UnsafeError, one_line

RESOLVERS = ("hydra", "now", "oc.select")


def refuse_resolvers(value: Any, place: str) -> None:
    """Raise `UnsafeError` if a text inside the value, read from `place`, calls a function that is not allowed."""
    for path, text in [("", value), *walk(value)]:
        problem = resolver_problem(text) if isinstance(text, str) else None
        if problem is not None:
            raise UnsafeError(": ".join(filter(None, [place, path, problem])))


def resolver_problem(text: str) -> str | None:
    """Return which function a text calls that is not allowed, or None."""
    wrong = next((name for name in called(text) if name not in RESOLVERS), None)
    if wrong is None:
        return None
    return (
        f"${{{one_line(wrong)}:...}} is not a function that a config may call, so it was refused; "
        f"write the value itself (allowed: {', '.join(RESOLVERS)})"
    )


def called(text: str) -> list[str]:
    """Return the names of the functions that the interpolations of a text call, nested ones too.

    A name that is itself put together by an interpolation is returned as it is written.
    """
    names: list[str] = []
    open_heads: list[int] = []  # where the head of each open `${` begins; -1 after its colon
    i = 0
    while i < len(text):
        if text.startswith("${", i):
            open_heads.append(i + 2)
            i += 2
            continue
        if open_heads:
            if text[i] == ":" and open_heads[-1] >= 0:
                names.append(text[open_heads[-1] : i].strip())
                open_heads[-1] = -1
            elif text[i] == "}":
                open_heads.pop()
        i += 1
    return names
