"""The mutation battery: every bug of mutations.toml is planted, alone, in a copy of the checkout, and must be caught.

python tests/mutation.py [--only TEXT] [--workers 2]     (`make mutation`)
Prints a table and exits 1 if a bug survives, 2 if what should catch it fails without any bug.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("mutations.toml")
TIME_LIMIT = 180
CAUGHT, SURVIVED = "caught", "SURVIVED"


@dataclass(frozen=True)
class Bug:
    """A one-line patch and what must notice it: `doctor` (overrides; property `red`) or `tests` (selections)."""

    name: str
    property: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    doctor: tuple[str, ...] = ()
    red: str = ""

    def command(self) -> list[str]:
        """Return the command that must fail; a doctor command checks the bug's property, or the one named by `red`."""
        if self.tests:
            options = ["-q", "-x", "-p", "no:cacheprovider", "-m", "not slow"]
            return [sys.executable, "-m", "pytest", *options, *self.tests]
        options = ["--models", "5", "--properties", self.red or self.property]
        return [sys.executable, "-m", "seq2seq_lab", "doctor", *options, *self.doctor]


def bugs(table: Path = TABLE) -> list[Bug]:
    """Read the table."""
    rows = tomllib.loads(table.read_text(encoding="utf-8"))["bug"]
    lists = ("tests", "doctor")
    return [Bug(**{k: tuple(v) if k in lists else v for k, v in row.items()}) for row in rows]


def copy_checkout(root: Path, folder: Path) -> None:
    """Copy what git does not ignore."""
    done = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
    )
    for name in filter(None, done.stdout.decode().split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)


def run(command: Sequence[str], folder: Path) -> tuple[int | None, str]:
    """Run a command on a copy; return its exit code (None over the time limit) and its most informative line."""
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "src")}
    environment = {**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=TIME_LIMIT
        )
    except subprocess.TimeoutExpired:
        return None, f"over {TIME_LIMIT} s"
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    lines = [x for x in output.splitlines() if re.match(r"O\d+ +FAIL|FAILED|ERROR|error:|E  ", x)]
    return done.returncode, " ".join((lines or output.splitlines() or [""])[0].split())[:100]


def plant(bug: Bug, folder: Path) -> tuple[str, str]:
    """Put the bug into the copy, run what must notice it, and take it out again; return outcome and reason.

    Only a failing test or property counts: a crash of the runner, a usage error or the time limit is no catch.
    """
    file = folder / bug.file
    text = file.read_text(encoding="utf-8")
    if text.count(bug.old) != 1:
        return SURVIVED, f"the old text stands {text.count(bug.old)} times in {bug.file}"
    file.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
    try:
        code, reason = run(bug.command(), folder)
    finally:
        file.write_text(text, encoding="utf-8")
    return (CAUGHT if code == 1 else SURVIVED), reason


def plant_all(chosen: list[Bug], folders: list[Path]) -> int:
    """Plant each bug, side by side in the copies; print a line for each and return how many survived."""
    free: Queue[Path] = Queue()
    for folder in folders:
        free.put(folder)

    def one(bug: Bug) -> tuple[str, str, float]:
        folder, start = free.get(), time.perf_counter()
        try:
            return (*plant(bug, folder), time.perf_counter() - start)
        finally:
            free.put(folder)

    survivors = 0
    with ThreadPoolExecutor(len(folders)) as pool:
        for bug, (outcome, reason, seconds) in zip(chosen, pool.map(one, chosen), strict=True):
            survivors += outcome != CAUGHT
            print(
                f"{outcome:9}{bug.property:4} {bug.name:42}{seconds:6.1f} s  {reason}", flush=True
            )
    return survivors


def fails_without_a_bug(chosen: list[Bug], folders: list[Path]) -> list[str]:
    """Run every command once on a copy without any bug; return what does not end with 0."""
    tests = tuple(dict.fromkeys(t for bug in chosen for t in bug.tests))
    checked: dict[tuple[str, ...], list[str]] = {}
    for bug in chosen:
        if bug.doctor:
            checked.setdefault(bug.doctor, []).append(bug.red or bug.property)
    probes = [
        Bug("", ",".join(dict.fromkeys(ids)), "", "", "", doctor=overrides)
        for overrides, ids in checked.items()
    ]
    probes += [Bug("", "", "", "", "", tests=tests)] if tests else []
    share = [(bug, folders[i % len(folders)]) for i, bug in enumerate(probes)]
    with ThreadPoolExecutor(len(folders)) as pool:
        done = list(pool.map(lambda pair: run(pair[0].command(), pair[1]), share))
    return [reason for code, reason in done if code != 0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", default="", help="bugs whose name has this text, or of this property"
    )
    parser.add_argument("--workers", type=int, default=2, help="copies worked on at once")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--table", type=Path, default=TABLE, help="the table of bugs")
    arguments = parser.parse_args()
    every = bugs(arguments.table)
    chosen = [b for b in every if arguments.only in b.name or arguments.only == b.property]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-mutation-") as base:
        folders = [Path(base) / str(i) for i in range(arguments.workers)]
        for folder in folders:
            folder.mkdir()
            copy_checkout(arguments.root, folder)
        broken = fails_without_a_bug(chosen, folders)
        if broken:
            print("fails without any bug, so it can catch none:", *broken, sep="\n")
            return 2
        survivors = plant_all(chosen, folders)
    seconds = time.perf_counter() - start
    print(f"{len(chosen) - survivors} of {len(chosen)} planted bugs caught; {seconds:.0f} s")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
