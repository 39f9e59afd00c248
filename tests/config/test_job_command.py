import os
import shlex
import sys
from pathlib import Path

import pytest

from seq2seq_lab.config.job_command import job_command, resume_command
from seq2seq_lab.config.launch import launch
from support.miniature_conf import write

PROGRAM = [".venv/bin/python", "-X", "dev", "train.py"]


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job_command")
    return write(folder)


@pytest.fixture
def commands(conf, monkeypatch):
    """Run a command line, and return what is asked in each of its jobs."""

    monkeypatch.setenv("MINI_OUT", str(conf.parent / "out"))
    monkeypatch.syspath_prepend(conf.parent)
    monkeypatch.chdir(conf.parent)

    def run(ask, *arguments, program=PROGRAM):
        found = []
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        monkeypatch.setattr(sys, "orig_argv", [*program, *arguments])
        assert launch(lambda cfg: found.append(ask()), conf) == 0
        return found

    return run


def resumed():
    return resume_command(Path("outputs/x"))


def test_it_is_the_program_and_the_line_that_were_typed(commands):
    (line,) = commands(resumed, "model=wide", "run_dir=old", "++resume=auto", "name='a b'")
    assert line == shlex.join(
        [*PROGRAM, "model=wide", "name='a b'", "resume=auto", "run_dir=outputs/x"]
    )


def test_an_odd_folder_is_quoted_for_the_shell_and_for_hydra(commands):
    (line,) = commands(lambda: resume_command(Path("a b/it's,{x}")), "seed=1")
    last = shlex.split(line)[-1]
    folders = commands(lambda: last, "seed=1", last)  # Hydra reads it
    assert folders == [last]
    assert last == r"run_dir='a b/it\'s,{x}'"


def test_a_job_of_a_sweep_is_resumed_alone(commands):
    lines = commands(resumed, "-m", "seed=1,2", "model=wide")
    tail = "hydra.mode=RUN resume=auto run_dir=outputs/x"
    assert lines == [f"{shlex.join(PROGRAM)} seed={seed} model=wide {tail}" for seed in (1, 2)]


def test_a_run_of_a_study_is_resumed_by_the_study(commands):
    lines = commands(lambda: resume_command(Path("x"), "mine"), "-m", "seed=1,2", "name=mine")
    assert lines == [f"{shlex.join(PROGRAM)} -m seed=1,2 name=mine resume=auto"] * 2


def test_workers_know_how_the_command_was_typed(commands, monkeypatch):
    (variable,) = commands(lambda: os.environ["SEQ2SEQ_LAB_COMMAND"], "seed=3")
    assert "SEQ2SEQ_LAB_COMMAND" not in os.environ
    monkeypatch.setenv("SEQ2SEQ_LAB_COMMAND", variable)
    (line,) = commands(job_command, "seed=4")
    assert line == [*PROGRAM, "seed=3"]


def test_a_program_that_cannot_be_told_is_named_by_its_script(commands):
    (line,) = commands(job_command, "seed=3", program=["pytest"])
    assert line == ["python", "train.py", "seed=3"]
