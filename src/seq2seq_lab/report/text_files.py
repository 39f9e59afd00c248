"""Runs of any toolkit as a report reads them: text files with a line for each sentence, by arm and seed."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import glob
from pathlib import Path

from seq2seq_lab.data.text import read_lines
from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.files import sha256_of
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.records import Records, Run, Translated

_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Texts:
    """What is compared: the files of each arm in the order of their seeds, the references, and the sources if known."""

    arms: dict[str, tuple[Path, ...]]
    reference_files: tuple[Path, ...]
    source: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """Every file that is read."""
        outputs = [path for paths in self.arms.values() for path in paths]
        return [*outputs, *self.reference_files, *([] if self.source is None else [self.source])]

    @cached_property
    def references(self) -> list[tuple[str, ...]]:
        """All references of each sentence; `DataError` if there is none."""
        first, *further = self.reference_files
        lines = read_lines(first).lines
        if not lines:
            raise DataError(f"{first}: no line in it; a score needs one sentence at least")
        columns = [lines, *(self._as_many(path, len(lines)) for path in further)]
        return list(zip(*columns, strict=True))

    def lines(self, path: Path) -> list[str]:
        """Return as many lines as the reference has; `DataError` for another number."""
        return self._as_many(path, len(self.references))

    def _as_many(self, path: Path, count: int) -> list[str]:
        lines = read_lines(path).lines
        if len(lines) != count:
            raise DataError(
                f"{path}: {len(lines):,} lines, but {self.reference_files[0]} has {count:,}; line i of one belongs to "
                "line i of the other"
            )
        return lines


def arms_of(words: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Return the files of each arm from words such as `none=a-s1.txt,a-s2.txt` or `attention=b-s*.txt`.

    The files of a pattern are in natural order: 2 before 10. Raises `ConfigError` for what is no such word, an arm or a
    file that comes twice, and a pattern that no file fits.
    """
    arms: dict[str, tuple[Path, ...]] = {}
    owner: dict[Path, str] = {}
    for word in words:
        name, is_there, files = word.partition("=")
        if not (name.strip() and is_there and files.strip(",")):
            raise ConfigError(
                f"{word}: write NAME=FILE,FILE... or NAME='PATTERN', a file for each seed"
            )
        if name in arms:
            raise ConfigError(
                f"{name}: an arm of this name comes twice; put all its files behind one {name}="
            )
        paths = [path for text in files.split(",") if text for path in _expanded(text)]
        for path in paths:
            real = path.resolve()
            if real in owner:
                place = "twice" if owner[real] == name else f"in {owner[real]} and in {name}"
                raise ConfigError(f"{path}: comes {place}; each file is one run of one arm")
            owner[real] = name
        arms[name] = tuple(paths)
    return arms


def _expanded(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.exists() or not _PATTERN.search(text):
        return [path]  # what is not there is refused with a hint when it is read
    found = sorted(glob(str(path)), key=_natural)  # noqa: PTH207  # Path.glob knows no absolute patterns
    if not found:
        raise ConfigError(
            f"{text}: no file fits this pattern; relative paths start at {Path.cwd()}"
        )
    return [Path(one) for one in found]


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a key by which numbers are ordered as numbers."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text)]


def read_texts(texts: Texts, metric: str, tokenize: str, folder: Path) -> Records:
    """Return the records of a report in `folder`; seeds are counted by the order of an arm's files.

    `tokenize` is sacreBLEU's tokeniser for the metrics that have one. Raises `ConfigError` for a metric without a row
    in METRICS, `DataError` for files that do not fit each other.
    """
    if metric not in METRICS:
        raise ConfigError(f"--metric {metric}: no such metric; there are {', '.join(METRICS)}")
    sources = None if texts.source is None else texts.lines(texts.source)
    rows = {name: row.made_as(f"tok:{tokenize}") for name, row in METRICS.items()}
    runs = {
        arm: tuple(
            _run(texts, sources, rows, arm, seed, path, folder / "runs" / f"{arm}-{seed}")
            for seed, path in enumerate(paths, start=1)
        )
        for arm, paths in texts.arms.items()
    }
    total, name, factors = sum(map(len, runs.values())), " and ".join(runs), {"arm": tuple(runs)}
    return Records(name, folder, f"test/{metric}", factors, runs, (), total, is_study=False)


def _run(
    texts: Texts,
    sources: list[str] | None,
    rows: dict[str, Metric],
    arm: str,
    seed: int,
    path: Path,
    folder: Path,
) -> Run:
    hypotheses, references = texts.lines(path), texts.references
    first, further = [one[0] for one in references], [one[1:] for one in references]
    scores = {name: row.corpus_of_several(hypotheses, references) for name, row in rows.items()}
    return Run(
        name=path.name,
        arm=arm,
        seed=seed,
        factors={"arm": arm},
        folder=folder,
        result={f"test/{name}": score.value for name, score in scores.items()},
        signatures={name: score.signature for name, score in scores.items() if score.signature},
        translated=tuple(map(Translated, sources or first, first, hypotheses, further)),
        history=(),
        manifest={
            f"{arm}, seed {seed}": _fact(path),
            "references": "\n".join(map(_fact, texts.reference_files)),
            "sentences": len(hypotheses),
        },
        data_report={},
        seconds=math.nan,
    )


def _fact(path: Path) -> str:
    return f"{path.name}, SHA-256 {sha256_of(path)}"
