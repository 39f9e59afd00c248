"""score.py: what the searches report is what it finds; and what users feed to it."""

import json
import math
import os
import threading

import pytest

from support import in_process_command
from support.in_process_command import LINES, learned, one_line_error, text_of
from support.small_runs import rows, run_command

command, trained = in_process_command.command, in_process_command.trained


def scores_of_a_decoded_file(command, tmp_path, *search) -> None:
    """O3 by the commands: translate, then score what was written."""
    (tmp_path / "s").write_text(text_of(LINES * 5), encoding="utf-8", newline="\n")
    code, out, _ = command("translate", learned(), tmp_path / "s", "--jsonl", *search)
    assert code == 0
    (tmp_path / "h.jsonl").write_text(out, encoding="utf-8")
    hypotheses = [one for row in rows(tmp_path / "h.jsonl") for one in row["hypotheses"]]
    code, out, err = command("score", learned(), "--hypotheses", tmp_path / "h.jsonl")
    assert code == 0
    notes = err.removesuffix("\n").split("\n")[1:]  # after the perplexity
    assert all(" tokens are not in the vocabulary, in " in note for note in notes), err
    written = rows(tmp_path / "h.jsonl")
    count = sum(len(row["unknown_source_tokens"]) * len(row["hypotheses"]) for row in written)
    assert notes[0].startswith(f"note: {count} of ")
    found = [float(line) for line in out.split("\n")[:-1]]
    assert found == pytest.approx([one["score"] for one in hypotheses], abs=1e-4, rel=1e-5)
    assert len(set(found)) > 5


@pytest.mark.parametrize(
    "search",
    [
        (),
        ("--beam", 4, "--n-best", 3),
        ("decoding=diverse_beam",),
        ("decoding=sample",),
        ("decoding.max_ratio=0.0", "decoding.max_extra=2"),
        ("--prefix", "3 zebra"),
    ],
)
def test_hypotheses_have_the_score_that_the_search_gave(command, tmp_path, search):
    scores_of_a_decoded_file(command, tmp_path, *search)


def test_planted_score_without_the_end_is_caught(command, tmp_path, monkeypatch):
    from seq2seq_lab.inference.scorer import Wanted

    monkeypatch.setattr(Wanted, "steps", property(lambda self: self.target))
    with pytest.raises(AssertionError):
        scores_of_a_decoded_file(command, tmp_path)


def test_a_decoded_text_has_the_score_that_the_search_gave(command, tmp_path):
    """Words without unknown ones lead back to the same tokens."""
    (tmp_path / "s").write_text(text_of(LINES), encoding="utf-8", newline="\n")
    _, out, _ = command("translate", learned(), tmp_path / "s", "--jsonl")
    kept = [r for r in map(json.loads, out.split("\n")[:-1]) if r["hypotheses"][0]["finished"]]
    for name, texts in (
        ("s", [r["source"] for r in kept]),
        ("t", [r["hypotheses"][0]["text"] for r in kept]),
    ):
        (tmp_path / name).write_text(text_of(texts), encoding="utf-8", newline="\n")
    code, out, _ = command("score", learned(), tmp_path / "s", tmp_path / "t")
    assert code == 0
    expected = [r["hypotheses"][0]["score"] for r in kept]
    assert len(expected) >= 5
    assert [float(x) for x in out.split("\n")[:-1]] == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def parallel(tmp_path):
    found = rows(learned() / "hypotheses" / "test.jsonl")
    for name in ("source", "reference"):
        (tmp_path / name).write_text(text_of(r[name] for r in found), encoding="utf-8")
    return tmp_path


def test_the_perplexity_is_that_of_the_run(parallel):
    """In a process of its own, so that the summary is on standard error and the scores alone on standard output."""
    done = run_command("score", learned(), "source", "reference", "--jsonl", cwd=parallel)
    result = json.loads((learned() / "result.json").read_text())
    assert done.returncode == 0, done.stderr
    perplexity = float(done.stderr.split()[1])
    assert perplexity == pytest.approx(result["test/perplexity"], rel=1e-5)
    found = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    every = [score for row in found for score in row["token_scores"]]
    assert math.exp(-sum(every) / len(every)) == pytest.approx(perplexity, rel=1e-5)
    for row in found:
        assert len(row["tokens"]) == len(row["token_scores"]) == len(row["ids"]) + 1
        assert sum(row["token_scores"]) == pytest.approx(row["score"])


def test_an_ensemble_scores_by_mean_probabilities(command, parallel):
    files = (parallel / "source", parallel / "reference")
    alone = command("score", learned(), *files)
    both = command("score", learned(), *files, "--ensemble", learned())
    numbers = [[float(x) for x in found[1].split("\n")[:-1]] for found in (alone, both)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)


def test_empty_lines_are_scored(command, tmp_path):
    (tmp_path / "s").write_text("0 1\n\n\n")
    (tmp_path / "t").write_text("\n2\n\n")
    code, out, _ = command("score", learned(), tmp_path / "s", tmp_path / "t")
    found = [float(x) for x in out.split("\n")[:-1]]
    assert code == 0
    assert found[0] < 0
    assert found[1] < 0
    assert found[2] == 0


@pytest.mark.parametrize("words", [500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_very_long_lines_are_scored_and_reported(command, tmp_path, words):
    (tmp_path / "s").write_text("0 " * 300 + "\n1\n")
    (tmp_path / "t").write_text("3\n" + "5 " * words + "\n")
    code, out, err = command("score", learned(), tmp_path / "s", tmp_path / "t")
    assert (code, out.count("\n")) == (0, 2)
    assert "note: 1 of 2 sources were over 200 tokens and cut" in err


def test_scores_are_written_chunk_by_chunk(command, parallel):
    """What is scored in chunks of 50 batches of 1 equals all at once, the summary too."""
    files = (parallel / "source", parallel / "reference")
    for path in files:
        path.write_text(path.read_text(encoding="utf-8") * 6, encoding="utf-8")
    whole = command("score", learned(), *files)
    parts = command("score", learned(), *files, "--batch-size", 1)
    assert len(whole[1].split()) > 50
    assert [float(x) for x in parts[1].split()] == pytest.approx(
        [float(x) for x in whole[1].split()], abs=1e-4
    )
    assert parts[2].split()[1] == whole[2].split()[1]


def test_memory_does_not_grow_with_the_input(command, parallel, monkeypatch):
    """No more than one chunk of pairs is alive at a time."""
    from seq2seq_lab.inference import scorer

    sizes = []
    right = scorer.Scorer.__call__
    monkeypatch.setattr(
        scorer.Scorer,
        "__call__",
        lambda self, wanted: sizes.append(len(wanted)) or right(self, wanted),
    )
    for name in ("source", "reference"):
        path = parallel / name
        path.write_text(path.read_text(encoding="utf-8") * 6, encoding="utf-8")
    files = (parallel / "source", parallel / "reference")
    assert command("score", learned(), *files, "--batch-size", 1)[0] == 0
    assert max(sizes) == 50
    assert len(sizes) == -(-sum(sizes) // 50)


def test_a_pipe_can_be_scored(command, parallel):
    pipe = parallel / "pipe"
    os.mkfifo(pipe)
    text = (parallel / "source").read_bytes()
    writer = threading.Thread(target=lambda: pipe.write_bytes(text), daemon=True)
    writer.start()
    code, out, _ = command("score", learned(), pipe, parallel / "reference")
    assert (code, out.count("\n")) == (0, text.count(b"\n"))


GOOD = {"source": "0 1", "hypotheses": [{"ids": [4, 5], "finished": True}]}
WRONG_ROWS = {
    "no JSON": "0 1",
    "a list": "[1]",
    "no hypotheses": '{"source": "0 1"}',
    "no ids": '{"source": "0 1", "hypotheses": [{"text": "1"}]}',
    "text for ids": json.dumps({**GOOD, "hypotheses": [{"ids": "45", "finished": True}]}),
    "source that is no text": json.dumps({**GOOD, "source": 5}),
    "deep": "[" * 100_000,
    "empty line": "",
}


@pytest.mark.parametrize("name", WRONG_ROWS)
def test_a_line_that_translate_did_not_write_is_reported(command, tmp_path, name):
    (tmp_path / "h").write_text(f"{json.dumps(GOOD)}\n{WRONG_ROWS[name]}\n")
    found = command("score", learned(), "--hypotheses", tmp_path / "h")
    assert "h:2: not a line of translate --jsonl" in one_line_error(found, 3)


@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_token_of_another_vocabulary_is_reported(command, tmp_path, token):
    row = {**GOOD, "hypotheses": [{"ids": [4, token], "finished": True}]}
    (tmp_path / "h").write_text(json.dumps(row) + "\n")
    found = command("score", learned(), "--hypotheses", tmp_path / "h")
    assert "h:1: a token beyond the" in one_line_error(found, 3)


WRONG = {
    "nothing": ([], 2, "give SOURCE and TARGET"),
    "only a source": (["@/a"], 2, "give SOURCE and TARGET"),
    "both kinds": (["@/a", "@/b", "--hypotheses", "@/a"], 2, "not both"),
    "missing file": (["@/nowhere", "@/a"], 3, "nowhere: no such file"),
    "same file": (["@/a", "@/a"], 3, "the same file"),
    "other length": (["@/a", "@/c"], 3, "has 2 lines"),
    "empty files": (["@/empty", "@/empty2"], 3, "no line in it"),
    "missing hypotheses": (["--hypotheses", "@/nowhere"], 3, "nowhere: no such file"),
    "batch size": (["@/a", "@/b", "--batch-size", "0"], 2, "must be >= 1"),
    "device": (["@/a", "@/b", "--device", "abacus"], 2, "--device abacus"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(command, tmp_path, name):
    for file, text in {"a": "1\n2\n", "b": "1\n3\n", "c": "1\n", "empty": "", "empty2": ""}.items():
        (tmp_path / file).write_text(text)
    arguments, code, says = WRONG[name]
    found = command("score", learned(), *(a.replace("@", str(tmp_path)) for a in arguments))
    assert says in one_line_error(found, code)
