import os
import shlex
import sys
from pathlib import Path

import pytest

from seq2seq_lab.config.job_command import job_command, resume_command, run_command
from seq2seq_lab.config.launch import launch
from seq2seq_lab.config.typed_command import Typed, remembered, typed
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


# the flags of the program, which a dispatcher takes out of the line before Hydra reads it

FLAGS = ["--extension", "my lab.py"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The installed program as a file, found by its name."""
    script = tmp_path / "bin" / "seq2seq-lab"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    return script


def as_typed(script, *arguments):
    return Typed([sys.executable, str(script), "train"], FLAGS, list(arguments))


def test_the_command_is_what_was_typed_without_the_flags_that_were_taken_out(monkeypatch):
    words = ["train", "--extension", "my lab.py", "seed=3"]
    monkeypatch.setattr(sys, "argv", ["/bin/seq2seq-lab", *words])
    monkeypatch.setattr(sys, "orig_argv", ["/bin/python", "/bin/seq2seq-lab", *words])
    program = ["/bin/python", "/bin/seq2seq-lab", "train"]
    assert typed(["train"], FLAGS, ["seed=3"]) == Typed(program, FLAGS, ["seed=3"])


def test_the_resume_command_has_the_extensions_and_the_name_of_the_installed_program(
    commands, installed
):
    with remembered(as_typed(installed, "seed=3")):
        (line,) = commands(resumed, "seed=3")
    assert line == (
        "seq2seq-lab train --extension 'my lab.py' seed=3 resume=auto run_dir=outputs/x"
    )


def test_a_program_that_is_not_on_the_path_is_shown_with_its_folder(
    commands, installed, monkeypatch
):
    monkeypatch.setenv("PATH", "/nowhere")
    with remembered(as_typed(installed, "seed=3")):
        (line,) = commands(resumed, "seed=3")
    assert line.startswith(f"{installed} train --extension ")


def test_another_process_of_a_run_is_started_by_the_interpreter_with_the_extensions(
    commands, installed
):
    with remembered(as_typed(installed, "seed=3")):
        (line,) = commands(job_command, "seed=3")
    assert line == [sys.executable, str(installed), "train", *FLAGS, "seed=3"]


@pytest.mark.parametrize("form", [["--config-dir", "{}"], ["--config-dir={}"], ["-cd", "{}"]])
def test_a_job_of_a_sweep_keeps_the_flags_that_say_what_is_composed(
    commands, installed, tmp_path, form
):
    typed_words = [word.format(tmp_path) for word in form] + ["-m", "seed=1,2"]
    with remembered(as_typed(installed, *typed_words)):
        lines = commands(job_command, *typed_words)
    tail = [[*FLAGS, f"--config-dir={tmp_path}", f"seed={n}", "hydra.mode=RUN"] for n in (1, 2)]
    assert [line[3:] for line in lines] == tail


def test_a_study_is_resumed_with_its_extensions(commands, installed):
    with remembered(as_typed(installed, "-m", "seed=1,2")):
        lines = commands(lambda: resume_command(Path("x"), "mine"), "-m", "seed=1,2")
    text = "seq2seq-lab train --extension 'my lab.py' -m seed=1,2 resume=auto"
    assert lines == [text] * 2


def test_a_run_of_its_own_is_started_from_any_folder():
    line = run_command(FLAGS, ["seed=3"])
    assert line == [sys.executable, "-P", "-m", "seq2seq_lab", "train", *FLAGS, "seed=3"]
