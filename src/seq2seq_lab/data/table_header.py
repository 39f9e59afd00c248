"""Does the first row of a table hold names or texts? Asked where no column was named; nothing is guessed."""

import difflib
import itertools
import re
from collections.abc import Sequence

_WORDS = """
source src target tgt trg id ids idx index nr num number row line key text texts sentence sentences segment
segments translation translations translated reference references ref input inputs output outputs original
query response question answer prompt completion label lang language language1 language2 word words phrase
phrases term terms transcript transcription caption string pair l1 l2 learner native meaning definition gloss
score 源 源文 原文 译文 翻译 句子 编号 quelle ziel satz übersetzung cible traduction origen destino frase traducción
"""
_LANGUAGES = """
english chinese mandarin cantonese german french spanish italian portuguese russian japanese korean arabic
dutch polish czech turkish vietnamese thai ukrainian greek hebrew hindi persian farsi finnish hungarian
swedish danish norwegian romanian bulgarian indonesian malay latin esperanto catalan croatian serbian slovak
slovenian lithuanian latvian estonian irish welsh icelandic bengali urdu tamil telugu swahili simplified
traditional deutsch englisch französisch spanisch anglais allemand français espagnol chinois inglés español
francés alemán italiano português
中文 汉语 漢語 英文 英语 英語 日文 日语 日本語 德语 德文 法语 法文 한국어 영어 русский английский
"""
_CODES = """
en zh de fr es ja ko ru ar pt nl pl cs tr vi th uk el fa hu fi sv ro bg hr sr sk sl lt lv et ga cy sw ca eu gl
eng zho chi cmn deu ger fra fre spa jpn kor rus ara por nld pol ces tur vie tha ukr ita
"""
"""Codes that are no words of their own: `is`, `no`, `it`, `he`, `am` are left out unless declared."""
_NAMES, _KNOWN_CODES = frozenset(f"{_WORDS} {_LANGUAGES}".split()), frozenset(_CODES.split())

_RUNNING_ROWS = 3


def names_not_texts(rows: Sequence[Sequence[str]], languages: tuple[str, str]) -> bool:
    """Return whether the first of the first rows is a header: known names in every cell, or above a running number."""
    first, rest = rows[0], rows[1:]
    own = {re.split("[-_]", code)[0].lower() for code in languages} - {"und"}
    forms = {cell.strip().casefold() for cell in first}
    if len(forms) == len(first) and all(_is_name(cell, own) for cell in first):
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
    return all(int(b) == int(a) + 1 for a, b in itertools.pairwise(texts))


def _is_name(cell: str, own: set[str]) -> bool:
    text = cell.strip().casefold()
    if len(text) > 40:
        return False
    if re.fullmatch(r"[a-z]{2,3}([-_][a-z0-9]{2,4})*", text) and (
        re.split("[-_]", text)[0] in _KNOWN_CODES | own
    ):
        return True
    parts = [re.sub(r"\d+$", "", part) or part for part in re.split(r"[\W_]+", text) if part]
    codes = _KNOWN_CODES | own if len(parts) > 1 else frozenset()
    return bool(parts) and all(part in _NAMES or part in codes for part in parts)


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
