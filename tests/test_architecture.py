"""The rules of the house as tests: who imports whom, how long a file may be, what a name may not be."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "src" / "seq2seq_lab"
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 50
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
ONLY_IN = {
    "pytorch_lightning": ("training/",),
    "wandb": ("training/logger/",),
    "hydra": ("config/", "commands/train.py"),
    "hydra_plugins": ("commands/train.py",),
    "omegaconf": ("config/", "commands/train.py"),
    "unittest": (),
    "random": (),
    "numpy.random": (),
}
GROUND_FLOOR = {
    "__init__.py", "__main__.py", "batch.py", "device_queue.py", "errors.py", "extras.py", "files.py", "float64.py",
    "output.py", "special_tokens.py", "stopping.py", "stored_text.py", "threads.py", "waiting.py",
}  # fmt: skip


def python_files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no Python file in {folder}"
    return found


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, at its head or within a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def libraries_stay_in_their_place(package: Path) -> None:
    wrong = []
    for path in python_files(package):
        place = path.relative_to(package).as_posix()
        for module in imported(path):
            for library, places in ONLY_IN.items():
                inside = module == library or module.startswith(f"{library}.")
                if inside and not place.startswith(places or "nowhere"):
                    wrong.append(f"{place} imports {module}")
    assert wrong == []


def files_and_functions_are_short(folder: Path) -> None:
    wrong = []
    for path in python_files(folder):
        text = path.read_text(encoding="utf-8")
        if (lines := text.count("\n")) >= MAX_FILE_LINES:
            wrong.append(f"{path.name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length >= MAX_FUNCTION_LINES:
                    wrong.append(f"{path.name}: {node.name} has {length} lines")
    assert wrong == []


def names_say_something(folder: Path) -> None:
    stems = [part.stem for path in python_files(folder) for part in (path, path.parent)]
    assert not FORBIDDEN_NAMES.intersection(stems)


def test_libraries_stay_in_their_place():
    libraries_stay_in_their_place(PACKAGE)


def test_the_import_contracts_hold(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


@pytest.mark.parametrize("folder", ["src", "scripts", "tests"])
def test_files_and_functions_are_short(folder):
    files_and_functions_are_short(REPOSITORY / folder)


@pytest.mark.parametrize("folder", ["src", "scripts", "tests"])
def test_names_say_something(folder):
    names_say_something(REPOSITORY / folder)


def test_tests_mirror_the_package():
    tests = REPOSITORY / "tests"
    folders = {p.relative_to(tests).parent for p in tests.rglob("test_*.py")}
    homes = (PACKAGE, REPOSITORY)  # tests/scripts mirrors scripts/
    assert [str(f) for f in folders if not any((home / f).is_dir() for home in homes)] == []


def test_only_the_ground_floor_lies_at_the_package_root():
    assert {path.name for path in PACKAGE.glob("*.py")} == GROUND_FLOOR


def file_imports(package: Path) -> dict[str, set[str]]:
    """Return {module: modules of the package that its file imports, at its head or within a function}."""
    files = {
        ".".join([package.name, *path.relative_to(package).with_suffix("").parts]): path
        for path in python_files(package)
        if path.name != "__init__.py"
    }
    return {name: files.keys() & set(imported(path)) for name, path in files.items()}


def no_circle_of_files(package: Path) -> None:
    """Take away files that import no file left, again and again; what remains imports itself in the end."""
    left = file_imports(package)
    while free := [name for name, names in left.items() if not names & left.keys()]:
        for name in free:
            del left[name]
    assert sorted(left) == []


def test_no_circle_of_files():
    no_circle_of_files(PACKAGE)


def test_shapes_are_not_postponed():
    postponed = [
        p.name for p in python_files(PACKAGE) if "__future__.annotations" in set(imported(p))
    ]
    assert postponed == []


def test_the_model_needs_neither_lightning_nor_hydra():
    code = (
        "import sys; from seq2seq_lab.model.encoder_decoder import EncoderDecoder; "
        "print([m for m in ('pytorch_lightning', 'hydra', 'omegaconf', 'wandb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def tracked_files() -> list[Path]:
    done = subprocess.run(
        [
            "git",
            "-C",
            str(REPOSITORY),
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [REPOSITORY / name for name in done.stdout.decode().split("\0") if name]
    return [f for f in files if f.is_file()]


# spelled in pieces, so that this file does not hold them
PRIVATE = re.compile(
    "|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", "index" + "-url", "index" + "_url"])
)


def nothing_private_is_written(files: list[Path]) -> None:
    wrong = []
    for path in files:
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if PRIVATE.search(line.decode("utf-8", "replace")):
                wrong.append(f"{path.name}:{number}")
    assert wrong == []


def test_no_file_names_a_folder_or_package_index_of_one_machine():
    nothing_private_is_written(tracked_files())


# planted bugs


def test_planted_circle_is_caught(tmp_path):
    package = tmp_path / "lab"
    (package / "model").mkdir(parents=True)
    (package / "batch.py").write_text("def f():\n    from lab.model import cell\n")
    (package / "model" / "cell.py").write_text("from lab.batch import f\n")
    (package / "files.py").write_text("import lab.batch\n")
    with pytest.raises(AssertionError, match=r"lab\.batch"):
        no_circle_of_files(package)
    (package / "model" / "cell.py").write_text("")
    no_circle_of_files(package)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("model/cell.py", "import pytorch_lightning as pl"),
        ("data/corpus.py", "def f():\n    import wandb"),
        ("training/module.py", "from omegaconf import DictConfig"),
        ("model/cell.py", "from numpy import random"),
        ("data/split.py", "import random"),
        ("config/dry_run.py", "from unittest import mock"),
        ("config/launch.py", "from hydra_plugins import seq2seq_lab_study"),
        ("report/page.py", "import wandb"),
    ],
)
def test_planted_import_is_caught(tmp_path, place, line):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    with pytest.raises(AssertionError, match="imports"):
        libraries_stay_in_their_place(tmp_path)


@pytest.mark.parametrize("text", ["x = 1\n" * 300, "def f():\n" + "    x = 1\n" * 49])
def test_planted_length_is_caught(tmp_path, text):
    (tmp_path / "long.py").write_text(text)
    with pytest.raises(AssertionError, match="lines"):
        files_and_functions_are_short(tmp_path)


def test_planted_empty_name_is_caught(tmp_path):
    (tmp_path / "utils.py").write_text("")
    with pytest.raises(AssertionError):
        names_say_something(tmp_path)


def test_planted_path_of_a_machine_is_caught(tmp_path):
    (tmp_path / "a.yaml").write_text("path: /wo" + "rk/data\n")
    with pytest.raises(AssertionError, match=r"a.yaml:1"):
        nothing_private_is_written([tmp_path / "a.yaml"])
