"""Reading of two parallel files: line i of one is paired with line i of the other; unequal lengths are refused."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.text import iter_file, read_lines
from seq2seq_lab.errors import DataError


def read_parallel(source: str | Path, target: str | Path) -> tuple[list[Pair], dict[str, int]]:
    """Return the pairs, empty lines included, and what was cut from the lines as {reason: count}.

    Raises `DataError` if both names mean one file or the numbers of lines differ.
    """
    texts = read_lines(source), read_lines(target)
    if Path(source).expanduser().samefile(Path(target).expanduser()):
        raise DataError(f"{source} and {target} are the same file; name one file per language")
    if len(texts[0].lines) != len(texts[1].lines):
        counts = f"{source} has {len(texts[0].lines):,} lines, {target} has {len(texts[1].lines):,}"
        line = first_broken_line(texts[0].lines, texts[1].lines)
        where = f"; judged by length they part at line {line}" if line else ""
        raise DataError(
            f"{counts}{where}; make line i of one the translation of line i of the other"
        )
    pairs = [Pair(s, t) for s, t in zip(texts[0].lines, texts[1].lines, strict=True)]
    return pairs, dict(Counter(texts[0].dropped) + Counter(texts[1].dropped))


def iter_parallel(source: str | Path, target: str | Path) -> Iterator[Pair]:
    """Yield the pairs of two files of any size, empty lines included; both are read through once before the first.

    A pipe, which can be read only once, is held in memory. Raises what `read_parallel` raises, before the first pair.
    """
    if not (Path(source).expanduser().is_file() and Path(target).expanduser().is_file()):
        yield from read_parallel(source, target)[0]
        return
    lengths = [sum(1 for _ in iter_file(path)) for path in (source, target)]
    if lengths[0] != lengths[1] or Path(source).expanduser().samefile(Path(target).expanduser()):
        read_parallel(source, target)  # says what is wrong
    for texts in zip(iter_file(source), iter_file(target), strict=True):
        yield Pair(*texts)


def first_broken_line(source: list[str], target: list[str]) -> int | None:
    """Return the 1-based line from which the lengths of two files fit better with the surplus lines skipped.

    A block of surplus lines that starts at line k leaves the pairs before k as they are and shifts those after it:
    the best k has the smallest sum of deviations from the mean length ratio, |log(a / b) - log(mean ratio)|.
    None if one of the files has no line.
    """
    long, short = (source, target) if len(source) > len(target) else (target, source)
    if not short:
        return None
    surplus = len(long) - len(short)
    a, b = [math.log1p(len(line)) for line in long], [math.log1p(len(line)) for line in short]
    ratio = sum(a) / len(a) - sum(b) / len(b)
    unshifted = [abs(x - y - ratio) for x, y in zip(a, b, strict=False)]
    shifted = [abs(x - y - ratio) for x, y in zip(a[surplus:], b, strict=True)]
    before = itertools.accumulate(unshifted, initial=0.0)
    after = list(itertools.accumulate(reversed(shifted), initial=0.0))[::-1]
    costs = [p + q for p, q in zip(before, after, strict=True)]
    best = min(costs) + 1e-9 * max(1.0, max(costs))
    return next(k for k, cost in enumerate(costs) if cost <= best) + 1


def drop_empty(pairs: list[Pair]) -> tuple[list[Pair], dict[str, int]]:
    """Return the pairs with text on both sides, and how many had none, as {reason: count}."""
    counts: Counter[str] = Counter()
    whole = []
    for pair in pairs:
        if not pair.source.strip():
            counts["empty source"] += 1
        elif not pair.target.strip():
            counts["empty target"] += 1
        else:
            whole.append(pair)
    return whole, dict(counts)


def check_languages(source_language: str, target_language: str) -> None:
    """Raise `ValueError` unless both have the form of BCP 47 codes."""
    names = {"source_language": source_language, "target_language": target_language}
    for name, code in names.items():
        if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*", code):
            raise ValueError(
                f"{name}={code!r}: must be a BCP 47 code such as en, zh or pt-BR; und if unknown"
            )
