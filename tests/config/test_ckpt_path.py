"""`ckpt_path=PATH`, as users of Lightning's template type it, is `resume=PATH` with a hint."""

import shlex
import sys
from pathlib import Path

import pytest

from seq2seq_lab.config.compose import compose
from seq2seq_lab.config.job_command import job_command, resume_command
from seq2seq_lab.config.keys import computing
from seq2seq_lab.config.launch import launch
from seq2seq_lab.config.resolve import resolve


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Launch a command line on conf/; each job asks something of its config."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, ask=resolve):
        found = []
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", *arguments])
        code = launch(lambda cfg: found.append(ask(cfg)))
        return code, found, capsys.readouterr().err

    return run


def test_it_is_resume_with_a_hint_and_no_key_of_the_config(command):
    code, (config,), err = command("ckpt_path='a b.ckpt'", "debug=tiny")
    assert code == 0
    assert err == (
        "hint: ckpt_path='a b.ckpt' is taken as resume='a b.ckpt'; ckpt_path is called resume here\n"
    )
    assert config["resume"] == "a b.ckpt"
    assert "ckpt_path" not in config
    assert computing(config) == computing(compose(["debug=tiny"]))


def test_the_last_one_is_that_of_the_run_folder(command):
    assert command("++ckpt_path=last", ask=lambda cfg: cfg.resume)[:2] == (0, ["auto"])


def test_the_commands_that_resume_and_start_others_do_not_have_it(command):
    def ask(cfg):
        return job_command(), shlex.split(resume_command(Path("outputs/x")))

    _, ((job, resumed),), _ = command("seed=3", "ckpt_path=a.ckpt", ask=ask)
    assert job == ["python", "train.py", "seed=3", "resume=a.ckpt"]
    assert resumed == ["python", "train.py", "seed=3", "resume=auto", "run_dir=outputs/x"]


def test_it_holds_in_a_sweep(command):
    code, found, err = command("-m", "ckpt_path=a.ckpt,b.ckpt", ask=lambda cfg: cfg.resume)
    assert (code, found, err.count("hint: ")) == (0, ["a.ckpt", "b.ckpt"], 1)


def test_both_names_at_once_are_refused(command):
    code, found, err = command("ckpt_path=a.ckpt", "resume=b.ckpt")
    assert (code, found) == (2, [])
    assert err == "error: ckpt_path and resume say the same; leave ckpt_path out\n"
