"""Completion as a shell asks for it: by its own function in bash, by the same protocol for zsh and fish."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

from seq2seq_lab.commands.completion import parser_at
from support.small_runs import run_command

PROGRAM = f"""#!{sys.executable}
import sys
from seq2seq_lab.commands.dispatch import program
sys.exit(program())
"""
"""What pip writes for the entry point."""

ASK = """
eval "$(seq2seq-lab completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
read -ra COMP_WORDS <<< "$1"
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
function=$(complete -p seq2seq-lab | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
$function seq2seq-lab
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables with which a shell finds the installed program."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "seq2seq-lab"
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("seq2seq-lab transl", ["translate "]),
        ("seq2seq-lab train model=ls", ["lstm", "lstm_attn"]),  # bash has = between two words
        ("seq2seq-lab doctor training.opt", ["training.optimizer."]),
    ],
)
def test_bash_completes_commands_and_overrides(environment, line, found):
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", line], env=environment, capture_output=True, text=True
    )
    assert (done.stdout.splitlines(), done.stderr) == (found, "")


def answer(line, environment, tmp_path, shell):
    """Ask as the function of a shell does: the answer comes in a file."""
    out = tmp_path / "answer"
    variables = {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_SHELL": shell, "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line,
        "COMP_POINT": str(len(line)), "_ARGCOMPLETE_STDOUT_FILENAME": str(out), "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
    }  # fmt: skip
    subprocess.run(["seq2seq-lab"], env={**environment, **variables}, cwd=tmp_path, check=True)
    return out.read_text().splitlines()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_files_and_studies(environment, tmp_path, shell):
    (tmp_path / "best.ckpt").write_text("")
    place = tmp_path / "outputs" / "studies" / "mine"
    place.mkdir(parents=True)
    (place / "study.json").write_text("{}")
    names = [
        w.partition(":")[0] for w in answer("seq2seq-lab score be", environment, tmp_path, shell)
    ]
    assert names == ["best.ckpt"]
    names = [
        w.partition(":")[0]
        for w in answer("seq2seq-lab study status mi", environment, tmp_path, shell)
    ]
    assert names == ["mine"]


@pytest.mark.parametrize("line", ["runs ou", "diff ou", "diff a ou", "reproduce ou"])
def test_runs_are_completed_as_folders(environment, tmp_path, line):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "ours.txt").write_text("")
    found = answer(f"seq2seq-lab {line}", environment, tmp_path, "zsh")
    assert [word.partition(":")[0] for word in found] == ["outputs/"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_printed_code_is_read_by_its_shell(environment, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    line = ["-n", "/dev/stdin"] if shell != "fish" else ["--no-execute", "/dev/stdin"]
    code = run_command("completion", shell).stdout
    assert b"seq2seq-lab" in code
    done = subprocess.run([shell, *line], input=code, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "count", "flag"),
    [
        (["train"], 1, "--config-dir"),
        (["--extension", "a.py", "translate"], 3, "--beam"),
        (["--extension=a.py", "study", "status"], 3, "--workers"),
        (["study"], 1, "command"),
        (["--extension"], 0, "--version"),
        (["nothing"], 0, "--version"),
    ],
)
def test_the_flags_are_those_of_the_command_before_the_cursor(words, count, flag):
    found, flags = parser_at(words)
    assert found == count
    names = {name for action in flags._actions for name in (*action.option_strings, action.dest)}
    assert flag in names
