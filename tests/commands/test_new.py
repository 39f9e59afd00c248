"""`seq2seq-lab new`: what it writes keeps every property of `seq2seq_lab.testing`, and a mistake writes nothing."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from seq2seq_lab import testing
from seq2seq_lab.commands import new
from support.generated_package import imported, install, run_new

ROOT = Path(__file__).parents[2]
LONG = "a_name_of_forty_characters_for_a_package"


def written(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "green_lab"
    assert run_new("green_lab", "--folder", str(folder)) == 0
    return folder


def test_it_writes_one_of_each_part_with_its_option_and_its_test(lab):
    inside = "src/green_lab"
    assert written(lab) == {
        "pyproject.toml",
        "README.md",
        ".gitignore",
        "tests/test_green_lab.py",
        *(f"{inside}/{p}.py" for p in ("__init__", "attention", "corpus", "callback", "metric")),
        f"{inside}/conf/model/attention/green_lab_distance.yaml",
        f"{inside}/conf/data/green_lab_halves.yaml",
        f"{inside}/conf/training/callback/green_lab_weight_norm.yaml",
        f"{inside}/conf/experiment/green_lab.yaml",
    }


def test_nothing_of_the_template_is_left_in_what_it_writes(lab):
    for path in lab.rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert not any(mark in text for mark in ("{{", "my_lab", "{%"))


def test_pyproject_declares_the_extension_and_what_it_needs(lab):
    facts = tomllib.loads((lab / "pyproject.toml").read_text(encoding="utf-8"))
    assert facts["project"]["name"] == "green-lab"
    assert facts["project"]["dependencies"] == ["seq2seq-lab"]
    points = facts["project"]["entry-points"]["seq2seq_lab.extension"]
    assert points == {"green_lab": "green_lab"}
    assert any(one.startswith("pytest") for one in facts["dependency-groups"]["dev"])


@pytest.mark.parametrize("name", ["my_lab", LONG])
def test_what_it_writes_is_clean_for_ruff(tmp_path, name):
    assert run_new(name, "--folder", str(tmp_path / "lab")) == 0
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", str(tmp_path / "lab")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_its_options_and_parts_keep_the_properties_once_it_is_installed(lab, tmp_path):
    with imported(install(lab, "green_lab", tmp_path), "green_lab"):
        package = importlib.import_module("green_lab")
        testing.check_configs(Path(package.__file__).parent / "conf")
        testing.check_metric(package.METRICS["green_lab_words"])
        testing.check_model(
            "model/attention=green_lab_distance", models=1, properties=("O9", "O10")
        )


@pytest.mark.slow
def test_its_own_tests_pass_and_it_trains(lab, tmp_path):
    paths = os.pathsep.join(install(lab, "green_lab", tmp_path))
    variables = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}

    def done(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=lab, env=variables, capture_output=True, text=True)

    tests = done("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert tests.returncode == 0, tests.stdout
    assert "9 passed" in tests.stdout
    words = ["model=gru_attn", "model/attention=green_lab_distance", "data=green_lab_halves"]
    words += ["+training/callback=green_lab_weight_norm", "debug=tiny", "training/logger=csv"]
    run = done(str(ROOT / "train.py"), *words, f"run_dir={tmp_path / 'run'}")
    assert run.returncode == 0, run.stderr
    result = yaml.safe_load((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert {"test/green_lab_words", "train/weight_norm"} <= set(result)


# mistakes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My-Lab", "as in my_lab"),
        ("7lab", "as in lab"),
        ("my lab", "as in my_lab"),
        ("../lab", "as in lab"),
        ("", "as in my_lab"),
        ("labör", "as in lab_r"),
        ("class", "as in my_lab"),
        ("torch", "a package that seq2seq-lab uses"),
        ("json", "a module of Python itself"),
        ("seq2seq_lab", "seq2seq-lab itself"),
        ("mypy", "there is a module of this name already"),
    ],
)
def test_a_name_that_cannot_be_a_new_package_is_one_line_and_nothing_is_written(
    name, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run_new("--", name) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "notes.txt").write_text("mine")
    assert run_new("my_lab") == 2
    assert "not empty; choose another folder" in capsys.readouterr().err
    assert written(tmp_path) == {"my_lab/notes.txt"}


def test_an_empty_folder_is_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_lab").mkdir()
    assert run_new("my_lab") == 0
    assert "my_lab/pyproject.toml" in written(tmp_path)


@pytest.mark.parametrize("place", ["file", "link", "no/such/lab"])
def test_a_place_where_no_folder_can_be_made_is_refused(place, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert run_new("my_lab", "--folder", str(tmp_path / place)) == 2
    assert capsys.readouterr().err.startswith("error: --folder ")
    assert written(tmp_path) == {"file"}


def test_a_disk_that_is_full_in_the_middle_leaves_nothing(tmp_path, monkeypatch, capsys):
    left = [4]
    original = Path.write_text

    def write_text(self, *arguments, **named):
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device")
        return original(self, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert run_new("my_lab", "--folder", str(tmp_path / "lab")) == 5
    assert "No space left on device; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_flags_are_read_without_a_heavy_import():
    code = (
        "import sys; from seq2seq_lab.commands import new; new.parser(); "
        "print([m for m in ('torch', 'hydra', 'jinja2', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_template_is_read_from_the_package():
    assert new.TEMPLATE.is_relative_to(Path(new.__file__).parent)
    assert all(path.suffix == ".j2" for path in new.TEMPLATE.rglob("*") if path.is_file())
