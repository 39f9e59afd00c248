"""Bad input: the tables of bad command lines and files, mutated configs, and a generated search over overrides."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.child import start
from faults.row import Attempts, Scale, row
from seq2seq_lab.commands.train import main
from seq2seq_lab.config.launch import launch
from support.bad_input_cases import CONFIGS, DATA, TABLE, TINY
from support.bad_input_files import assert_told, make_files

try:
    from faults import override_search as search
except ImportError:
    search = None  # type: ignore[assignment]


def bad_inputs(names: list[tuple[str, str]], folder: Path, attempts: Attempts) -> None:
    """Give each bad input to train.py in a process and folder of its own."""
    files = make_files(_made(folder / "files"))
    for number, (table, name) in enumerate(names):
        arguments, code, *says = {"config": CONFIGS, "data": DATA}[table][name]
        base = TINY if table == "config" else TABLE
        line = [a.replace("@/", f"{files}/") for a in (*base, "run_dir=run", *arguments)]
        place = folder / str(number)

        def act(line: list[str] = line) -> int:
            import sys

            keys = [a.split("=")[0] for a in line]
            last = [a for i, a in enumerate(line) if "=" not in a or keys[i] not in keys[i + 1 :]]
            sys.argv[:] = ["train.py", *sorted(last, key=lambda a: not a.startswith("--"))]
            return launch(main)

        with attempts.one(f"{table} {name}:"):
            assert_told(start(act, place).wait(60), code, tuple(says))
            assert list(place.iterdir()) == [], "something was written"
            assert not (files / "executed").exists(), "EXECUTED"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def searched(kind: str, seed: int, count: int, folder: Path, attempts: Attempts) -> None:
    """Try generated overrides, or edits of the YAML files: each is refused in one line, or runs."""
    with attempts.one("module:"):
        assert search is not None, "faults/override_search.py is missing"
    if search is None:
        return
    make: Any = search.generate if kind == "overrides" else search.generate_edits
    for number, one in enumerate(make(seed, count)):
        with attempts.one(f"seed {seed}, number {number}, {one}:"):
            found = search.outcome(one, folder / str(number))
            assert not found.wrong, f"{found.wrong}: {found.text[-300:]}"


@row("inputs")
def inputs(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Blocks of the tables, and of the searches by seed."""
    named = [("config", name) for name in CONFIGS] + [("data", name) for name in DATA]
    chosen = scale.thin(named, 40, 1)
    size = 10
    for begin in range(0, len(chosen), size):
        yield (
            f"tables, part {begin // size + 1}",
            lambda f, a, b=begin: bad_inputs(chosen[b : b + size], f, a),
        )
    if scale.size == "slice":
        return
    searches = (("overrides", scale.pick(7_000, 200, 0)), ("YAML", scale.pick(300, 60, 0)))
    for kind, count in searches:
        each = min(count, 100)
        for part in range(count // each if search else 1):
            yield (
                f"{kind}, part {part + 1}",
                lambda f, a, k=kind, p=part, e=each: searched(k, 1000 * scale.seed + p, e, f, a),
            )
