"""A package that `seq2seq-lab new` wrote, installed beside this one without a download."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.commands import new
from support.extension_packages import on_path


def run_new(*words: str) -> int:
    """Carry out `seq2seq-lab new` in this process and return the exit code."""
    return errors.run(lambda: new.main(new.parser().parse_args(list(words))))


def install(folder: Path, name: str, site: Path) -> list[str]:
    """Declare the entry point of a package as an editable installation does; return what belongs on the path."""
    facts = site / f"{name}-0.1.0.dist-info"
    facts.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n"
    (facts / "METADATA").write_text(text, encoding="utf-8")
    point = f"[seq2seq_lab.extension]\n{name} = {name}\n"
    (facts / "entry_points.txt").write_text(point, encoding="utf-8")
    return [str(site), str(folder / "src")]


@contextmanager
def imported(paths: list[str], name: str) -> Iterator[None]:
    """Have the package installed in this process within the block; afterwards nothing of it is known."""
    with on_path(*map(Path, paths)):
        try:
            yield
        finally:
            for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
                del sys.modules[module]
