"""The program `seq2seq-lab`: its help, its choice of a command, and what is wrong with a line."""

import ast
import importlib
import subprocess
import sys

import pytest

from seq2seq_lab.commands import dispatch
from seq2seq_lab.commands.dispatch import carry_out, commands
from seq2seq_lab.config import extension
from support.small_runs import ROOT, run_command, run_script

PARSED = [name for name in commands() if name != dispatch.TRAIN]


def ended(words, capsys):
    """Carry out a line that only shows something; return its output."""
    with pytest.raises(SystemExit) as end:
        carry_out(words)
    assert end.value.code == 0
    return capsys.readouterr().out


def test_the_help_lists_every_command_with_the_first_line_of_its_module(capsys):
    shown = ended(["--help"], capsys)
    for name, path in commands().items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        line = text.partition("\n")[0]
        assert f"\n  {name:12}{line}\n" in shown
        assert line.endswith(".")
        assert len(line) < 121
    assert "--extension PATH" in shown


def test_every_module_of_the_folder_is_a_command():
    files = {path.stem for path in (ROOT / "src" / "seq2seq_lab" / "commands").glob("*.py")}
    assert {name.replace("-", "_") for name in commands()} == files - {"__init__", "dispatch"}


@pytest.mark.parametrize("name", PARSED)
def test_the_help_of_a_command_names_it_and_the_extensions(name, capsys):
    shown = " ".join(ended([name, "--help"], capsys).split())
    assert shown.startswith(f"usage: seq2seq-lab {name} ")
    assert "--extension PATH" in shown
    assert callable(importlib.import_module(f"seq2seq_lab.commands.{name.replace('-', '_')}").main)


HELP = """
import contextlib, io, sys
from seq2seq_lab.commands.dispatch import carry_out, commands
names = [name for name in commands() if name != "train"]
for line in (["--help"], ["--version"], *([name, "--help"] for name in names), ["train", "--help"]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        sys.argv[1:] = line
        carry_out(line)
    heavy = {"torch", "pytorch_lightning", "matplotlib", "wandb", "sacrebleu", "numpy"}
    heavy |= {"hydra", "omegaconf"} if "train" not in line else set()
    print(line, sorted(heavy & sys.modules.keys()))
"""


def test_no_help_imports_anything_heavy():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(commands()) + 2
    assert [line for line in lines if not line.endswith(" []")] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "a command is missing; seq2seq-lab --help"),
        (["trian"], "trian: no such command; did you mean train?"),
        (["equal_cost"], "did you mean equal-cost?"),
        (["dispatch"], "dispatch: no such command"),
        (["model=lstm"], "seq2seq-lab train model=lstm"),
        (["--nothing"], "--nothing"),
        (["study"], "study: which command?"),
        (["study", "statsu", "mine"], "study statsu: no such command; did you mean status?"),
        (["study", "train"], "a study is run by seq2seq-lab train study=NAME"),
        (["status", "mine", "--ext", "a.py"], "write the flag in full"),
        (["status", "\x1b[31m", "more"], "more"),
    ],
)
def test_a_wrong_line_is_one_line_with_exit_code_2(words, says, capsys):
    assert carry_out(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert says in told.err
    assert "\x1b" not in told.err


def test_the_version_is_that_of_the_package(capsys):
    from importlib.metadata import version

    assert ended(["--version"], capsys) == f"seq2seq-lab {version('seq2seq-lab')}\n"


@pytest.mark.parametrize("name", dispatch.OF_A_STUDY)
def test_the_commands_of_a_study_may_have_the_word_before_them(name):
    assert dispatch.choose(["study", name, "mine"]) == dispatch.choose([name, "mine"])


def test_study_shows_its_commands(capsys):
    shown = ended(["study", "--help"], capsys)
    assert all(f"\n  {name} " in shown for name in dispatch.OF_A_STUDY)


@pytest.mark.parametrize(
    "words",
    [
        ["--extension", "lab.py", "status", "mine"],
        ["status", "--extension", "lab.py", "mine"],
        ["study", "status", "mine", "--extension", "lab.py"],
    ],
)
def test_extensions_are_taken_out_anywhere_and_reach_the_command(words, monkeypatch):
    found = []

    def without(line):
        return [word for word in line if word not in {"--extension", "lab.py"}]

    monkeypatch.setattr(extension, "take_flags", without)
    monkeypatch.setattr("seq2seq_lab.commands.status.main", found.append)
    assert carry_out(words) == 0
    assert (found[0].study, found[0].extension) == ("mine", ["--extension", "lab.py"])


def test_train_py_is_the_same_program():
    words = ("--cfg", "job", "--package", "seed", "seed=7")
    ours, theirs = run_script("train.py", *words), run_command("train", *words)
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, b"7\n", b"")
    assert theirs.stdout == ours.stdout
    wrong = run_command("train", "modle=lstm")
    assert (wrong.returncode, wrong.stderr.count(b"\n")) == (2, 1)


STRUCK = """
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, found, path, target=None):
        if found == "seq2seq_lab.commands.translate":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["translate", "--help"]
from seq2seq_lab.commands.dispatch import program
sys.exit(program())
"""


def test_a_signal_while_the_command_is_imported_is_one_line():
    done = subprocess.run([sys.executable, "-c", STRUCK], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "error: stopped by SIGTERM\n")
