"""The rows of the battery: a row is a function that yields cases, a case a function that makes attempts."""

import contextlib
import re
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import one_line


class SkippedError(Exception):
    """The machine cannot do what the case needs; the text says why."""


@dataclass(frozen=True)
class Scale:
    """How much of a row is made: `slice` for `make test`, `fast` for `make faults FAST=1`, else `full`."""

    size: str = "full"
    seed: int = 1

    def pick(self, full: int, fast: int, slice_: int) -> int:
        """Return the number for this size."""
        return {"full": full, "fast": fast, "slice": slice_}[self.size]

    def thin(self, cases: list[Any], fast: int, slice_: int) -> list[Any]:
        """Return all cases, or so many of them, evenly spread."""
        count = self.pick(len(cases), min(fast, len(cases)), min(slice_, len(cases)))
        return [cases[i * len(cases) // count] for i in range(count)]


@dataclass
class Attempts:
    """What a case did: each attempt survived, or is one line that says what went wrong."""

    tried: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def one(self, label: object = "") -> Iterator[None]:
        """Count the block as one attempt; an error in it is a failure, not the end."""
        self.tried += 1
        try:
            yield
        except SkippedError as reason:
            self.tried -= 1
            self.skipped.append(one_line(reason))
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            text = one_line(error)[:500] or place.line
            self.failures.append(
                " ".join(f"{label} {type(error).__name__} at {where}: {text}".split())
            )


@dataclass(frozen=True)
class Case:
    """A case; `run` gets an empty folder of its own and the attempts that it fills."""

    row: str
    name: str
    run: Callable[[Path, Attempts], object]

    @property
    def label(self) -> str:
        """What `--only` takes."""
        return f"{self.row}:{self.name}"

    def carry_out(self) -> tuple[str, Attempts, float]:
        """Run the case in a folder that is deleted afterwards."""
        attempts, begin = Attempts(), time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="seq2seq-lab-faults-"))
        try:
            with _counted_if_it_breaks(attempts):
                self.run(folder, attempts)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self.label, attempts, time.monotonic() - begin


@contextlib.contextmanager
def _counted_if_it_breaks(attempts: Attempts) -> Iterator[None]:
    """An error outside the attempts is the failure of one more attempt."""
    broken = Attempts()
    with broken.one("outside of an attempt:"):
        yield
    if broken.failures or broken.skipped:
        attempts.tried += len(broken.failures)
        attempts.failures += broken.failures
        attempts.skipped += broken.skipped


Maker = Callable[[Scale], Iterator[tuple[str, Callable[[Path, Attempts], object]]]]
ROWS: dict[str, Maker] = {}


def row(name: str) -> Callable[[Maker], Maker]:
    """Register a row."""

    def register(maker: Maker) -> Maker:
        ROWS[name] = maker
        return maker

    return register


def cases(scale: Scale, only: str = "") -> list[Case]:
    """Return the cases; `only` lists rows, or `row:name` for cases whose name begins so, with commas between."""
    between = rf",\s*(?=(?:{'|'.join(ROWS)})(?:[:,]|$))"  # cases may have commas in their names
    wanted = [text.strip() for text in re.split(between, only) if text.strip()]
    found = []
    for name, maker in ROWS.items():
        if wanted and not any(text.partition(":")[0] == name for text in wanted):
            continue
        for label, function in maker(scale):
            case = Case(name, label, function)
            if not wanted or any(
                case.label.startswith(text) if ":" in text else name == text for text in wanted
            ):
                found.append(case)
    return found
