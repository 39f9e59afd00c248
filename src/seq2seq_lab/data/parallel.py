"""Reading of two parallel files: line i of one is paired with line i of the other; unequal lengths are refused."""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.pairs import Pairs, Texts, blocks, select
from seq2seq_lab.data.text import iter_file, iter_lines, open_text
from seq2seq_lab.errors import DataError


def read_parallel(source: str | Path, target: str | Path) -> tuple[Pairs, dict[str, int]]:
    """Return the pairs, empty lines included, and what was cut from the lines as {reason: count}.

    Raises `DataError` if both names mean one file or the numbers of lines differ.
    """
    counts: Counter[str] = Counter()
    texts = _texts(source, counts), _texts(target, counts)
    if Path(source).expanduser().samefile(Path(target).expanduser()):
        raise DataError(f"{source} and {target} are the same file; name one file per language")
    if len(texts[0]) != len(texts[1]):
        found = f"{source} has {len(texts[0]):,} lines, {target} has {len(texts[1]):,}"
        line = first_broken_line(*texts)
        where = f"; judged by length they part at line {line}" if line else ""
        raise DataError(
            f"{found}{where}; make line i of one the translation of line i of the other"
        )
    return Pairs(*texts), dict(counts)


def read_references(
    source: str | Path, references: Sequence[str | Path]
) -> tuple[Sequence[Pair], dict[str, int]]:
    """Return the pairs of a source file and one or more files of references, and what was cut from their lines.

    An empty line in a further file says that this reference is missing. Raises what `read_parallel` raises, and
    `DataError` for a file that is named twice.
    """
    pairs, counts = read_parallel(source, references[0])
    if len(references) == 1:
        return pairs, counts
    total, places = Counter(counts), [Path(path).expanduser() for path in (source, *references)]
    for place, other in itertools.combinations(places, 2):
        if place.samefile(other):
            raise DataError(f"{place} is named twice; name one file for each reference")
    columns = []
    for path in references[1:]:
        texts = _texts(path, total)
        if len(texts) != len(pairs):
            found = f"{source} has {len(pairs):,} lines, {path} has {len(texts):,}"
            raise DataError(f"{found}; make line i of one the translation of line i of the other")
        columns.append(list(texts))
    given = [tuple(filter(str.strip, row)) for row in zip(*columns, strict=True)]
    several = [Pair(p.source, p.target, more) for p, more in zip(pairs, given, strict=True)]
    return several, dict(total)


def _texts(path: str | Path, counts: Counter[str]) -> Texts:
    with open_text(path) as stream:
        return Texts(iter_lines(stream, str(path), counts))


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


def first_broken_line(source: Collection[str], target: Collection[str]) -> int | None:
    """Return the 1-based line from which the lengths of two files fit better with the surplus lines skipped.

    A block of surplus lines that starts at line k leaves the pairs before k as they are and shifts those after it:
    the best k has the smallest sum of deviations from the mean length ratio, |log(a / b) - log(mean ratio)|.
    None if one of the files has no line.
    """
    long, short = (source, target) if len(source) > len(target) else (target, source)
    if not short:
        return None
    surplus = len(long) - len(short)
    a, b = (np.log1p(np.fromiter(map(len, lines), float)) for lines in (long, short))
    ratio = a.mean() - b.mean()
    unshifted = np.abs(a[: len(b)] - b - ratio)
    shifted = np.abs(a[surplus:] - b - ratio)
    before = np.append(0.0, unshifted.cumsum())
    after = np.append(0.0, shifted[::-1].cumsum())[::-1]
    costs = before + after
    best = costs.min() + 1e-9 * max(1.0, costs.max())
    return int((costs <= best).argmax()) + 1


def drop_empty(pairs: Sequence[Pair]) -> tuple[Sequence[Pair], dict[str, int]]:
    """Return the pairs with text on both sides, and how many had none, as {reason: count}."""
    counts: Counter[str] = Counter()
    kept, start = [np.zeros(0, np.int64)], 0
    for sources, targets in blocks(pairs):
        has_source, has_target = (
            np.fromiter(map(bool, map(str.strip, texts)), bool) for texts in (sources, targets)
        )
        kept.append(np.flatnonzero(has_source & has_target) + start)
        start += len(sources)
        counts["empty source"] += int((~has_source).sum())
        counts["empty target"] += int((has_source & ~has_target).sum())
    return select(pairs, np.concatenate(kept)), {reason: n for reason, n in counts.items() if n}


def check_languages(source_language: str, target_language: str) -> None:
    """Raise `ValueError` unless both have the form of BCP 47 codes."""
    names = {"source_language": source_language, "target_language": target_language}
    for name, code in names.items():
        if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*", code):
            raise ValueError(
                f"{name}={code!r}: must be a BCP 47 code such as en, zh or pt-BR; und if unknown"
            )
