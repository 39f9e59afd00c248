"""translate.py with another search, more models, n-best lists, JSONL and prefixes; and evaluate.py alike."""

import json
import os
import subprocess
import sys

import pytest
import torch

from seq2seq_lab.inference.translator import Translator
from support import in_process_command
from support.in_process_command import LINES, learned, one_line_error, text_of
from support.small_runs import SMALL_COPY, run_command, run_folder, tiny_run

command = in_process_command.command


@pytest.fixture(scope="module", autouse=True)
def trained():
    """Train before any output is captured."""
    return learned(), second(), tiny_run()


STDIN = text_of(LINES).encode()


def second() -> str:
    """Return a run with the vocabulary of `learned()` and other weights."""
    few = tuple(o for o in SMALL_COPY if "num_train" not in o)
    small = ("data.corpus.num_train=120", "training.trainer.max_epochs=2", "model=gru", "seed=1")
    return run_folder(*few, "model.dim=16", "model.embedding_dim=8", *small)


def objects(out: str) -> list:
    return [json.loads(line) for line in out.split("\n")[:-1]]


def test_beam_is_short_for_its_overrides(command):
    short = command("translate", learned(), "--beam", 3, stdin=STDIN)
    long = ("decoding=beam", "decoding.beam_size=3")
    assert short[0] == 0
    assert short == command("translate", learned(), *long, stdin=STDIN)
    assert short == command("translate", learned(), "-", *long, stdin=STDIN)


def test_limits_of_the_run_are_changed(command):
    short = ("decoding.max_ratio=0.0", "decoding.max_extra=1")
    code, out, err = command("translate", learned(), *short, stdin=STDIN)
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("note: 2 of 19 source tokens are not in the vocabulary, in 1 of 8 lines")
    assert max(len(line.split()) for line in out.split("\n")) == 1


def test_jsonl_holds_scores_tokens_and_attention(command):
    arguments = ("--beam", 3, "--n-best", 2, "--jsonl", "--attention")
    code, out, _ = command("translate", learned(), *arguments, stdin=STDIN)
    rows = objects(out)
    assert code == 0
    assert [row["id"] for row in rows] == list(range(len(LINES)))
    assert [row["source"] for row in rows] == LINES
    for row, line in zip(rows, LINES, strict=True):
        assert len(row["hypotheses"]) == (2 if line.strip() else 1)
        for one in row["hypotheses"]:
            assert len(one["tokens"]) == len(one["token_scores"]) == len(one["attention"])
            assert one["score"] == pytest.approx(sum(one["token_scores"]), abs=1e-4)


def test_n_best_lines_name_their_input_line(command):
    code, out, _ = command(
        "translate", learned(), "--beam", 3, "--n-best", 2, stdin=b"0 1 2\n\n4 4\n"
    )
    found = [line.split("\t") for line in out.split("\n")[:-1]]
    assert code == 0
    assert [row[0] for row in found] == ["1", "1", "2", "3", "3"]
    assert float(found[0][1]) >= float(found[1][1])


def test_samples_do_not_depend_on_the_batch_size(command):
    stdin = b"0 1 2 3 4\n" * 120
    every = [
        command("translate", learned(), "decoding=sample", "decoding.temperature=3.0", *more, stdin=stdin)[1]
        for more in ((), ("--batch-size", 1), ("--batch-tokens", 50))
    ]  # fmt: skip
    assert len(set(every)) == 1
    assert len(set(every[0].split("\n"))) > 20


def test_planted_forgotten_chunk_offset_is_caught(monkeypatch, command):
    found = Translator.n_best

    def forgetful(self, texts, *, first=0, prefixes=None):
        return found(self, texts, prefixes=prefixes)

    monkeypatch.setattr(Translator, "n_best", forgetful)
    with pytest.raises(AssertionError):
        test_samples_do_not_depend_on_the_batch_size(command)


# prefixes


def test_every_output_starts_with_the_prefix(command):
    code, out, _ = command("translate", learned(), "--prefix", "3 zebra", stdin=b"0 1\n2\n")
    assert code == 0
    assert [line[:7] for line in out.split("\n")[:-1]] == ["3 zebra"] * 2


def test_a_file_gives_each_line_its_prefix(command, tmp_path):
    (tmp_path / "p").write_text("3 3\n\n5\n")
    code, out, _ = command(
        "translate", learned(), "--prefix-file", tmp_path / "p", stdin=b"0\n1 2\n4\n"
    )
    assert code == 0
    lines = out.split("\n")
    assert lines[0].startswith("3 3")
    assert lines[2].startswith("5")
    assert lines[1] == command("translate", learned(), stdin=b"1 2\n")[1][:-1]


@pytest.mark.parametrize("prefixes", ["3\n", "3\n4\n5\n"])
def test_a_prefix_file_of_another_length_is_reported(command, tmp_path, prefixes):
    (tmp_path / "p").write_text(prefixes)
    found = command("translate", learned(), "--prefix-file", tmp_path / "p", stdin=b"0\n1\n")
    line = min(2, prefixes.count("\n")) + 1
    assert f"one of them ends before line {line}" in one_line_error(found, 3)


# ensembles


def test_an_ensemble_of_one_run_with_itself_is_the_run(command):
    alone = objects(command("translate", learned(), "--jsonl", stdin=STDIN)[1])
    arguments = ("--ensemble", learned(), learned(), "--jsonl")
    both = objects(command("translate", learned(), *arguments, stdin=STDIN)[1])
    for one, other in zip(alone, both, strict=True):
        assert one["hypotheses"][0]["ids"] == other["hypotheses"][0]["ids"]
        scores = [row["hypotheses"][0]["score"] for row in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_an_ensemble_of_two_models_is_neither_of_them(command):
    arguments = ("--jsonl", "decoding.max_ratio=1.0")
    every = [
        objects(command("translate", *models, *arguments, stdin=STDIN)[1])
        for models in ((learned(),), (second(),), (learned(), "--ensemble", second()))
    ]
    assert len({row[0]["hypotheses"][0]["score"] for row in every}) == 3


def test_models_of_other_data_are_refused(command):
    error = one_line_error(
        command("translate", learned(), "--ensemble", tiny_run(), stdin=STDIN), 6
    )
    assert "its source tokenizer" in error
    assert "same vocabularies" in error


# mistakes

WRONG = {
    "no such search": (["decoding=baem"], 2, "did you mean beam"),
    "no such key": (["decodng.beam_size=2"], 2, "did you mean decoding"),
    "no such file": (["in.txt"], 3, "in.txt: no such file"),
    "not the decoding": (["model.dim=3"], 2, "only the decoding can be changed"),
    "beam of 0": (["--beam", "0"], 2, "beam_size=0: must be >= 1"),
    "n-best without beam": (["--n-best", "2"], 2, "--n-best 2: this search writes one output"),
    "n-best wider than the beam": (["--beam", "2", "--n-best", "3"], 2, "must be from 1 to beam_size=2"),
    "n-best of 0": (["--n-best", "0"], 2, "--n-best 0: must be >= 1"),
    "attention in text": (["--attention"], 2, "add --jsonl"),
    "two prefixes": (["--prefix", "a", "--prefix-file", "b"], 2, "not both"),
    "no prefix file": (["--prefix-file", "nowhere"], 3, "nowhere: no such file"),
    "batch of no tokens": (["--batch-tokens", "0"], 2, "--batch-tokens 0: must be >= 1"),
    "no ensemble": (["--ensemble", "nowhere"], 6, "nowhere: no such checkpoint"),
    "two files": (["a.txt", "b.txt"], 2, "b.txt: one argument too many"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(command, name):
    arguments, code, says = WRONG[name]
    found = command("translate", learned(), *arguments, stdin=b"1\n")
    assert says in one_line_error(found, code)
    assert found[1] == ""


def test_unknown_words_need_attention(command):
    found = command("translate", second(), "decoding.replace_unknown=true", stdin=b"1\n")
    assert "decoding.replace_unknown=true: this model has no attention" in one_line_error(found, 2)


# evaluate.py, and real processes


def test_evaluation_takes_another_search(command, tmp_path):
    for name in ("s", "t"):
        (tmp_path / name).write_text("0 1 2\n4 4\n5\n")
    files = (tmp_path / "s", tmp_path / "t")
    arguments = ("--beam", 3, "decoding.max_ratio=2.0", "--output", tmp_path / "o")
    assert command("evaluate", learned(), *files, *arguments)[0] == 0
    metrics = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert metrics["decoding"]["_target_"].endswith("Beam")
    assert (metrics["decoding"]["beam_size"], metrics["decoding"]["max_ratio"]) == (3, 2.0)
    found = command("evaluate", learned(), *files, "decoding.max_ratoi=2")
    assert "did you mean decoding.max_ratio" in one_line_error(found, 2)


def test_a_process_keeps_the_order_of_many_lines(tmp_path):
    generator = torch.Generator().manual_seed(1)
    texts = [
        " ".join(str(int(i)) for i in torch.randint(0, 6, (1 + n % 9,), generator=generator))
        for n in range(3300)  # more than one chunk
    ]
    arguments = ("decoding=sample", "--jsonl", "--quiet", "--batch-tokens", 2000)
    done = run_command("translate", learned(), *arguments, stdin=text_of(texts).encode())
    rows = objects(done.stdout.decode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert [row["source"] for row in rows] == texts
    (one,) = objects(
        run_command(
            "translate", learned(), *arguments, stdin=text_of(texts[:3]).encode()
        ).stdout.decode()
    )[2:]
    assert one["hypotheses"][0]["ids"] == rows[2]["hypotheses"][0]["ids"]


def test_a_terminal_gets_a_bar_and_the_output_stays_clean(tmp_path):
    (tmp_path / "in.txt").write_text(text_of(LINES), encoding="utf-8", newline="\n")
    code = (
        "import os, pty, sys\n"
        "out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "pid, terminal = pty.fork()\n"
        "if pid == 0:\n"
        "    os.dup2(out, 1)\n"
        "    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
        "seen = b''\n"
        "try:\n"
        "    while part := os.read(terminal, 4096):\n"
        "        seen += part\n"
        "except OSError:\n"
        "    pass\n"
        "sys.stdout.buffer.write(seen)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    script = ["-m", "seq2seq_lab", "translate", str(learned()), str(tmp_path / "in.txt")]
    for more, shown in (([], True), (["--quiet"], False)):
        out = tmp_path / f"out{shown}"
        done = subprocess.run(
            [sys.executable, "-c", code, str(out), *script, *more],
            capture_output=True, check=False, timeout=120, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert (f"{len(LINES)}/{len(LINES)}".encode() in done.stdout) is shown
        assert out.read_bytes().count(b"\n") == len(LINES)
        assert b"\x1b" not in out.read_bytes()
