"""A model goes to the hub and comes back byte for byte; what is wrong on the way is one line. The hub is a stand-in."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_lab.inference import hub as our_hub
from seq2seq_lab.inference.stored_model import CARD, CONFIG, FILES, MANIFEST
from support import in_process_command
from support.hub_server import Repository, environment, hub
from support.in_process_command import LINES, learned, one_line_error, text_of
from support.small_runs import run_command

command = in_process_command.command

NAME = "lab/copy"
STDIN = text_of(LINES).encode()
CALLS = """
import contextlib, io, json, sys
from seq2seq_lab.commands.dispatch import carry_out
found = []
for words in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        found.append([carry_out(words), said.getvalue()])
print(json.dumps(found))
"""
"""What runs several commands in one process: the imports take most of the time of each."""


@pytest.fixture(scope="module")
def server():
    with hub() as found:
        yield found


@pytest.fixture(scope="module")
def pushed(server, tmp_path_factory):
    """Push a run once; returns (the commit, the exported folder)."""
    folder = tmp_path_factory.mktemp("pushed") / "model"
    home = tmp_path_factory.mktemp("home")
    done = run_command("export", learned(), folder, "--push", NAME, **environment(server, home))
    assert (done.returncode, done.stderr) == (0, b"")
    found = re.search(rf"pushed to hf://{NAME}@([0-9a-f]{{40}})\n", done.stdout.decode())
    assert found, done.stdout
    return found[1], folder


def in_one_process(calls, variables, cwd=None):
    """Carry out command lines one after the other in a fresh process; returns [(exit code, what it said)]."""
    done = subprocess.run(
        [sys.executable, "-c", CALLS],
        input=json.dumps([[str(word) for word in words] for words in calls]),
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=cwd,
    )
    return [tuple(one) for one in json.loads(done.stdout.splitlines()[-1])]


def one_line(found, code):
    assert found[0] == code, found
    assert found[1].startswith("error: "), found
    assert found[1].count("\n") == 1, found
    return found[1]


def test_what_is_pushed_is_what_was_exported(server, pushed):
    commit, folder = pushed
    files = server.repositories["models", NAME].files(commit)
    assert set(files) == {*FILES, MANIFEST, CARD}
    assert all((folder / name).read_bytes() == content for name, content in files.items())
    assert b"hf://lab/copy" in files[CARD]


def test_nothing_of_this_machine_is_pushed(server, pushed):
    for name, content in server.repositories["models", NAME].files("main").items():
        for place in (learned(), learned().parent, Path.home(), pushed[1].parent):
            assert str(place).encode() not in content, name


def test_a_pulled_model_gives_the_same_translations(server, pushed, tmp_path):
    words = ("--beam", 3, "--jsonl", "--attention")
    here = run_command("translate", learned(), *words, stdin=STDIN)
    address = f"hf://{NAME}@{pushed[0]}"
    there = run_command(
        "translate", address, *words, stdin=STDIN, **environment(server, tmp_path, token="")
    )
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout
    assert there.stderr == here.stderr
    names = {path.name for path in tmp_path.rglob("snapshots/*/*")}
    assert names == {*FILES, MANIFEST}


@pytest.mark.slow
def test_main_is_noted_with_its_commit_and_works_again_without_a_network(server, pushed, tmp_path):
    variables = environment(server, tmp_path, token="")
    first = run_command("translate", f"hf://{NAME}", "--text", "1 2", **variables)
    note = f"note: hf://{NAME} is read at main, now commit {pushed[0]}; hf://{NAME}@{pushed[0]} keeps it\n"
    assert (first.returncode, first.stderr.decode()) == (0, note)
    count = len(server.requests)
    variables |= {"HF_HUB_OFFLINE": "1"}
    for address in (f"hf://{NAME}", f"hf://{NAME}@{pushed[0]}"):
        again = run_command("translate", address, "--text", "1 2", **variables)
        assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    assert len(server.requests) == count


def test_evaluate_score_and_export_take_an_address(server, pushed, tmp_path):
    for name in ("source.txt", "reference.txt"):
        (tmp_path / name).write_text("1 2\n3 4\n")
    texts = (tmp_path / "source.txt", tmp_path / "reference.txt")
    place = f"hf://{NAME}@{pushed[0]}"
    calls = [
        ["evaluate", place, *texts],
        ["score", place, *texts],
        ["export", place, tmp_path / "copy"],
    ]
    found = in_one_process(calls, environment(server, tmp_path / "home", token=""), tmp_path)
    assert [code for code, _ in found] == [0, 0, 0], found
    assert (tmp_path / "copy" / CONFIG).read_bytes() == (pushed[1] / CONFIG).read_bytes()


MISSING = {
    "hf://lab/nowhere": "no such model, or it is private",
    f"hf://{NAME}@nowhere": "no such revision of it",
    "hf://lab/other": "no model that `seq2seq-lab export` wrote",
    "hf://lab/secret": "no such model, or it is private",
    "hf://lab/changed": "damaged, its SHA-256 differs",
}


def test_what_is_not_there_or_not_right_is_one_line(server, pushed, tmp_path):
    files = dict(server.repositories["models", NAME].files(pushed[0]))
    files[CONFIG] = files[CONFIG].replace(b"zxx", b"xxx")
    given = {"other": {CONFIG: b"{}", "pytorch_model.bin": b"x"}, "changed": files, "secret": {}}
    for name, content in given.items():
        there = server.repositories["models", f"lab/{name}"] = Repository(private=name == "secret")
        there.commit(content)
    calls = [["translate", address, "--text", "1"] for address in MISSING]
    found = in_one_process(calls, environment(server, tmp_path, token=""))
    for (address, says), one in zip(MISSING.items(), found, strict=True):
        notes = "".join(line for line in one[1].splitlines(keepends=True) if "note" not in line[:5])
        assert says in one_line((one[0], notes), 6), address
    assert not list(tmp_path.rglob("pytorch_model.bin"))


@pytest.mark.slow
def test_no_network_and_no_token_are_one_line_and_leave_no_folder(server, tmp_path):
    nowhere = {**environment(server, tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    export = ["export", learned(), tmp_path / "model", "--push", "lab/x"]
    pulled, sent = in_one_process(
        [["translate", "hf://lab/nowhere", "--text", "1"], export], nowhere
    )
    assert "cannot be reached" in one_line(pulled, 6)
    assert "cannot be reached" in one_line(sent, 5)
    (refused,) = in_one_process([export], environment(server, tmp_path, token="hf_wrong"))
    assert "the hub refuses it" in one_line(refused, 5)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("address", ["hf://", "hf://a", "hf://a/b/c", "hf://a/b@", "hf:/a b/c"])
def test_a_wrong_address_says_how_to_write_it(command, address):
    says = "write hf://USER/REPO or hf://USER/REPO@REVISION"
    assert says in one_line_error(command("translate", address, "--text", "1"), 2)


# pushing


def test_a_dry_run_sends_nothing_and_needs_no_token(command, tmp_path):
    code, output, _ = command("export", learned(), tmp_path / "dry", "--push", "a/b", "--dry-run")
    assert code == 0
    assert "--dry-run: 6 files of" in output
    assert "hf://a/b" in (tmp_path / "dry" / CARD).read_text()


def test_private_means_private(server, tmp_path):
    there = server.repositories["models", "lab/public"] = Repository()
    calls = [
        ["export", learned(), tmp_path / name, "--push", f"lab/{name}", "--private"]
        for name in ("mine", "public")
    ]
    mine, public = in_one_process(calls, environment(server, tmp_path / "home"))
    assert mine[0] == 0, mine
    assert server.repositories["models", "lab/mine"].private
    assert "is there and public" in one_line(public, 7)
    assert there.commits == {}
    assert not (tmp_path / "public").exists()


REFUSED = {
    "no token": (("--push", "lab/x"), "set HF_TOKEN"),
    "name": (("--push", "x"), "--push x: write USER/REPO"),
    "private alone": (("--private",), "--private: belongs to --push"),
    "dry run alone": (("--dry-run",), "--dry-run: belongs to --push"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_push_that_cannot_be_is_one_line(command, tmp_path, monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    words, says = REFUSED[name]
    assert says in one_line_error(command("export", learned(), tmp_path / "model", *words), 2)
    assert not (tmp_path / "model").exists()


def test_planted_home_folder_in_the_card_is_not_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / CONFIG).write_text("{}")
    (tmp_path / CARD).write_text(f"see {tmp_path / 'me'}/notes")
    with pytest.raises(our_hub.UnsafeError, match=r"README\.md would publish"):
        our_hub.refuse_private(tmp_path)
    (tmp_path / CARD).write_text(f"see {tmp_path / 'meadow'}")
    our_hub.refuse_private(tmp_path)
