"""Install the wheel in an empty environment, away from the checkout, and do there what a user does first.

python scripts/check_wheel.py dist/seq2seq_lab-0.1.0-py3-none-any.whl
python scripts/check_wheel.py WHEEL --folder DIR --full

Trains the default model, translates and evaluates; `--full` goes on with doctor, a study of 2 x 2 with its report and
shell completion. Prints sizes and seconds. The packages are those of constraints.txt.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from seq2seq_lab import errors, stopping
from seq2seq_lab.config.command_line import Parser

ROOT = Path(__file__).resolve().parents[1]
STUDY = ("debug=tiny", "model=lstm,lstm_attn", "seed=1,2", "study=first", "training/logger=csv")


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=Path, help="the file that `make wheel` built")
    parser.add_argument("--folder", type=Path, help="an empty folder (default: a temporary one)")
    parser.add_argument("--full", action="store_true", help="doctor, study and report as well")
    return parser.parse_args()


def refuse_stray_files(wheel: Path) -> None:
    """Raise unless the wheel holds the package, its configs and nothing of the repository beside them."""
    names = zipfile.ZipFile(wheel).namelist()
    allowed = re.compile(r"(seq2seq_lab|hydra_plugins|seq2seq_lab-[\d.]+\.dist-info)/")
    stray = [name for name in names if not allowed.match(name) or name.endswith((".pyc", ".ttf"))]
    if stray:
        raise errors.UserError(f"{wheel}: holds {', '.join(stray[:5])}; see pyproject.toml")
    files = subprocess.run(
        ["git", "ls-files", "conf", "src"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    expected = {re.sub("^conf/", "seq2seq_lab/conf/", re.sub("^src/", "", f)) for f in files}
    if missing := sorted(expected - set(names)):
        raise errors.UserError(f"{wheel}: lacks {', '.join(missing[:5])}; see pyproject.toml")


class Place:
    """An empty folder with an environment of its own; `call` runs a program there and returns what it prints."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "environment" / "bin"
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "XDG_CONFIG_HOME")
        given = {name: value for name, value in os.environ.items() if name in kept}
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.environment = {**given, **pip, "WANDB_MODE": "offline"}

    def call(self, *line: str, python: bool = False) -> str:
        """Run a program of the environment, or with `python` this interpreter; raise `UserError` if it fails."""
        begin = time.perf_counter()
        program = sys.executable if python else str(self.bin / line[0])
        done = subprocess.run(
            [program, *line[0 if python else 1 :]],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        print(errors.one_line(f"{seconds:7.1f} s  {' '.join(line)[:100]}"), flush=True)
        if done.returncode:
            print(errors.printable(done.stdout[-2000:] + done.stderr[-4000:]), file=sys.stderr)
            raise errors.UserError(f"exit code {done.returncode}: {' '.join(line)}")
        return done.stdout

    def megabytes(self) -> float:
        """Return the size of all files in the folder, in 10^6 bytes."""
        files = (path for path in self.folder.rglob("*") if not path.is_symlink())
        return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def install(place: Place, wheel: Path) -> None:
    constraints = ROOT / "constraints.txt"
    torch = re.search(r"^torch==\S+", constraints.read_text(encoding="utf-8"), re.M)
    assert torch is not None
    place.call("-m", "venv", "environment", python=True)
    pip = ("pip", "install", "--quiet", "--disable-pip-version-check")
    place.call(*pip, torch[0])
    before = place.megabytes()
    place.call(*pip, "--constraint", str(constraints), str(wheel.resolve()))
    after, size = place.megabytes(), wheel.stat().st_size / 1e6
    text = f"wheel {size:.2f} MB; installed: torch {before:,.0f} MB, all {after:,.0f} MB"
    print(errors.one_line(text), flush=True)
    place.call("pip", "check")


def first_steps(place: Place) -> None:
    """Train the default, translate, evaluate."""
    place.call("seq2seq-lab", "--help")
    place.call("seq2seq-lab", "train", "run_dir=first")
    lines = [line.split("\t") for line in place.call("python", "-c", PAIRS).splitlines()]
    sources, references = zip(*lines, strict=True)
    (place.folder / "source.txt").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (place.folder / "reference.txt").write_text("\n".join(references) + "\n", encoding="utf-8")
    found = place.call("seq2seq-lab", "translate", "first", "source.txt").splitlines()
    same = sum(a == b for a, b in zip(found, references, strict=True))
    print(errors.one_line(f"{same} of {len(found)} translations are the reference"), flush=True)
    if same < 0.9 * len(found):
        raise errors.UserError("the default model does not translate; it did not learn")
    place.call("seq2seq-lab", "evaluate", "first", "source.txt", "reference.txt")


PAIRS = (
    "import json\n"
    "for line in list(open('first/hypotheses/test.jsonl', encoding='utf-8'))[:100]:\n"
    "    row = json.loads(line); print(row['source'], row['reference'], sep='\\t')\n"
)


def further_steps(place: Place) -> None:
    """Doctor, a study of 2 x 2 with its report, its status, a second start that has nothing to do."""
    place.call("seq2seq-lab", "doctor")
    place.call("seq2seq-lab", "train", "-m", *STUDY)
    place.call("seq2seq-lab", "study", "status", "first")
    place.call("seq2seq-lab", "report", "first")
    again = place.call("seq2seq-lab", "train", "-m", *STUDY)
    if "4 of them before" not in again:
        raise errors.UserError("the second start of the study ran again what was done")
    if not (place.folder / "outputs/studies/first/report/index.html").is_file():
        raise errors.UserError("the study has no page")


@contextlib.contextmanager
def empty_folder(given: Path | None) -> Iterator[Path]:
    if given is None:
        with tempfile.TemporaryDirectory(prefix="seq2seq-lab-") as name:
            yield Path(name)
        return
    given.mkdir(parents=True, exist_ok=True)
    if any(given.iterdir()):
        raise errors.ConfigError(f"--folder {given}: not empty; choose another")
    yield given.resolve()


def main() -> None:
    arguments = parse()
    refuse_stray_files(arguments.wheel)
    with empty_folder(arguments.folder) as folder:
        place = Place(folder)
        install(place, arguments.wheel)
        first_steps(place)
        if arguments.full:
            further_steps(place)
    print("the wheel works", flush=True)


if __name__ == "__main__":
    stopping.listen_from_now_on()
    sys.exit(errors.run(main))
