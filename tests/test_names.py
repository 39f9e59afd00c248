"""The names of the code are the field's words: private ones that were replaced do not come back."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REPLACED = {
    "look_back": "self_attention",
    "look_at_source": "cross_attention",
    "looks": "attention_weights",
    "entrance": "input_embedding",
    "turn": "rotate",
    "turned": "rotated",
    "coin": "a sampling unit's draw",
    "coins": "use_reference, sampling_generator",
    "throw": "draw",
    "fed": "reference token, sampled token, input",
    "feeding": "scheduled sampling (input_feeding is the field's word)",
    "road": "path",
    "roads": "paths",
    "dial": "alias key",
    "dials": "alias keys",
    "told": "reported",
    "mend": "fix",
    "put_off": "deferred",
    "laid_out": "packed",
    "student": "statistics",
}
"""What is no name in src/, and what is written instead."""
ALLOWED = {"input_feeding"}
PROSE = re.compile(
    r"\b(roads?|dials?|told|mend(s|ed)?|put off|laid out|coins?|fed tokens?|look(s|ed)? back)\b",
    re.IGNORECASE,
)
RUN_NOT_CELL = ("study", "report")
"""Packages in which a trained model is a run; a cell is the recurrent one, or one of a table."""
TABLE_CELLS = {"cells", "cell", "shown_cells", "_cell"}


def names(path: Path) -> set[str]:
    """Return the names that a file defines: functions, classes, arguments, variables and attributes."""
    found: set[str] = {path.stem}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
    return found


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def replaced_names(folder: Path) -> list[str]:
    """Return `file: name` for each name with a replaced word in it."""
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        for name in sorted(names(path) - ALLOWED):
            padded = f"_{snake(name)}_"
            if any(f"_{word}_" in padded for word in REPLACED):
                wrong.append(f"{path.relative_to(folder)}: {name}")
    return wrong


def replaced_words(folder: Path, kinds: tuple[str, ...]) -> list[str]:
    """Return `file:line: word` for each replaced word in code, comments and texts."""
    wrong = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in kinds):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            wrong += [f"{path.relative_to(folder)}:{number}: {m[0]}" for m in PROSE.finditer(line)]
    return wrong


def cells_of_studies(package: Path) -> list[str]:
    """Return names that call a run of a study a cell."""
    files = [path for folder in RUN_NOT_CELL for path in sorted((package / folder).glob("*.py"))]
    found = [(path, name) for path in files for name in sorted(names(path) - TABLE_CELLS)]
    return [f"{p.name}: {name}" for p, name in found if re.search(r"(^|_)cells?(_|$)", snake(name))]


def test_no_name_is_a_replaced_word():
    assert replaced_names(REPOSITORY / "src") == []


@pytest.mark.parametrize("folder", ["src", "conf", "scripts"])
def test_no_text_has_a_replaced_word(folder):
    assert replaced_words(REPOSITORY / folder, (".py", ".yaml", ".j2")) == []


def test_a_run_of_a_study_is_no_cell():
    assert cells_of_studies(REPOSITORY / "src" / "seq2seq_lab") == []


# planted bugs


@pytest.mark.parametrize(
    "line",
    ["def look_back(): ...", "class FedToken: ...", "coins = 1", "def f(road): ...", "x.told = 1"],
)
def test_planted_replaced_name_is_caught(tmp_path, line):
    (tmp_path / "a.py").write_text(f"{line}\ninput_feeding = 1\n")
    assert len(replaced_names(tmp_path)) == 1


def test_planted_replaced_word_is_caught(tmp_path):
    (tmp_path / "a.yaml").write_text("# the dial of the width\nwidth: 1  # roadside\n")
    assert replaced_words(tmp_path, (".yaml",)) == ["a.yaml:1: dial"]


def test_planted_cell_of_a_study_is_caught(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "plan.py").write_text("class Cell: ...\ndef run_cell(run): ...\n")
    assert cells_of_studies(tmp_path) == ["plan.py: Cell", "plan.py: run_cell"]
