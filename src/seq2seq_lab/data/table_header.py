"""Does the first row of a table hold names or texts? Asked where the user named no columns; a guess is refused, not made."""

import difflib
import re
from collections.abc import Sequence

_WORDS = frozenset(
    """
    source src target tgt trg id ids idx index nr num number row line key text texts sentence sentences segment segments
    translation translations translated reference references ref input inputs output outputs original query response
    question answer prompt completion label lang language language1 language2 word words phrase phrases term terms
    transcript transcription caption string pair l1 l2 learner native meaning definition gloss score
    \u6e90 \u6e90\u6587 \u539f\u6587 \u8bd1\u6587 \u7ffb\u8bd1 \u53e5\u5b50 \u7f16\u53f7
    quelle ziel text satz \u00fcbersetzung source cible phrase traduction origen destino frase traducci\u00f3n
    """.split()
)
_LANGUAGES = frozenset(
    """
    english chinese mandarin cantonese german french spanish italian portuguese russian japanese korean arabic dutch
    polish czech turkish vietnamese thai ukrainian greek hebrew hindi persian farsi finnish hungarian swedish danish
    norwegian romanian bulgarian indonesian malay latin esperanto catalan croatian serbian slovak slovenian lithuanian
    latvian estonian irish welsh icelandic bengali urdu tamil telugu swahili simplified traditional
    deutsch englisch franz\u00f6sisch spanisch anglais allemand fran\u00e7ais espagnol chinois ingl\u00e9s espa\u00f1ol
    franc\u00e9s alem\u00e1n italiano portugu\u00eas \u4e2d\u6587 \u6c49\u8bed \u6f22\u8a9e \u82f1\u6587 \u82f1\u8bed \u82f1\u8a9e \u65e5\u6587 \u65e5\u8bed
    \u65e5\u672c\u8a9e \u5fb7\u8bed \u5fb7\u6587 \u6cd5\u8bed \u6cd5\u6587 \ud55c\uad6d\uc5b4 \uc601\uc5b4 \u0440\u0443\u0441\u0441\u043a\u0438\u0439
    \u0430\u043d\u0433\u043b\u0438\u0439\u0441\u043a\u0438\u0439
    """.split()
)
_CODES = frozenset(
    """
    en zh de fr es ja ko ru ar pt nl pl cs tr vi th uk el fa hu fi sv ro bg hr sr sk sl lt lv et ga cy sw ca eu gl
    eng zho chi cmn deu ger fra fre spa jpn kor rus ara por nld pol ces tur vie tha ukr ita
    """.split()
)
"""Codes that are no words of their own: `is`, `no`, `it`, `he`, `am` are left out unless declared."""

_RUNNING_ROWS = 3


def names_not_texts(rows: Sequence[Sequence[str]], languages: tuple[str, str]) -> bool:
    """Return whether the first of the first rows is a header: known names in every cell, or above a running number."""
    first, rest = rows[0], rows[1:]
    own = {re.split("[-_]", code)[0].lower() for code in languages} - {"und"}
    if all(_is_name(cell, own) for cell in first):
        return True
    return len(rest) >= _RUNNING_ROWS and any(
        not cell.strip().isdecimal() and is_running([row[i] for row in rest if i < len(row)])
        for i, cell in enumerate(first)
    )


def is_running(cells: Sequence[str]) -> bool:
    """Return whether the cells are whole numbers that go up by one."""
    texts = [cell.strip() for cell in cells]
    if len(texts) < _RUNNING_ROWS or not all(t.isdecimal() and len(t) < 19 for t in texts):
        return False
    return all(int(b) == int(a) + 1 for a, b in zip(texts, texts[1:], strict=False))


def _is_name(cell: str, own: set[str]) -> bool:
    text = cell.strip().casefold()
    if len(text) > 40:
        return False
    if re.fullmatch(r"[a-z]{2,3}([-_][a-z0-9]{2,4})*", text) and (
        re.split("[-_]", text)[0] in _CODES | own
    ):
        return True
    parts = [re.sub(r"\d+$", "", part) or part for part in re.split(r"[\W_]+", text) if part]
    codes = _CODES | own if len(parts) > 1 else frozenset()
    return bool(parts) and all(
        part in _WORDS or part in _LANGUAGES or part in codes for part in parts
    )


def column_advice(cells: Sequence[str], places: tuple[int, int] = (0, 1)) -> str:
    """Return what to write: the columns by name if the row is a header, else by number."""
    by_name, by_number = (
        " ".join(
            f"data.{side}_column={value}"
            for side, value in zip(("source", "target"), values, strict=True)
        )
        for values in ([_quoted(cells[i]) for i in places], [i + 1 for i in places])
    )
    return f"{by_name} if these are names, {by_number} if they are texts like all other rows"


def _quoted(name: str) -> str:
    if re.fullmatch(r"[^\W\d][\w.-]*", name):
        return name
    inner = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"\"'{inner}'\""


def shown_cells(cells: Sequence[str]) -> str:
    """Return the cells of a row with their numbers, cut for a message."""
    texts = [cell if len(cell) <= 30 else f"{cell[:29]}…" for cell in cells[:8]]
    more = f" ... ({len(cells)} columns)" if len(cells) > 8 else ""
    return ", ".join(f"{i} {text!r}" for i, text in enumerate(texts, start=1)) + more


def near(name: str, names: Sequence[str]) -> str:
    """Return `; did you mean NAME?` for the nearest of the names, or nothing; case and outer spaces count little."""
    by_form = {known.strip().casefold(): known for known in names}
    found = difflib.get_close_matches(name.strip().casefold(), by_form, n=1, cutoff=0.6)
    return f"; did you mean {by_form[found[0]]!r}?" if found else ""
