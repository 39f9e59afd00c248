"""evaluate.py as a user types it."""

import json

import pytest

from support import in_process_command
from support.in_process_command import learned, one_line_error, text_of
from support.small_runs import rows

command, trained = in_process_command.command, in_process_command.trained


@pytest.fixture
def parallel(tmp_path):
    found = rows(learned() / "hypotheses" / "test.jsonl")
    for name in ("source", "reference"):
        (tmp_path / name).write_text(text_of(r[name] for r in found), encoding="utf-8")
    return tmp_path


def test_evaluating_gives_the_numbers_and_hypotheses_of_the_run(command, parallel):
    out = parallel / "scores"
    code, printed, _ = command(
        "evaluate", learned(), parallel / "source", parallel / "reference", "--output", out
    )
    result = json.loads((learned() / "result.json").read_text())
    metrics = json.loads((out / "metrics.json").read_text())
    assert code == 0
    assert {name: metrics[name] for name in ("bleu", "bleu_tok_lc", "chrf", "exact_match")} == {
        name: result[f"test/{name}"] for name in ("bleu", "bleu_tok_lc", "chrf", "exact_match")
    }
    assert metrics["sentences"] == 10
    assert "version:" in metrics["signatures"]["bleu"]
    assert rows(out / "hypotheses.jsonl") == rows(learned() / "hypotheses" / "test.jsonl")
    assert f"{metrics['bleu']:8.2f}" in printed


def test_other_references_leave_the_hypotheses_as_they_are(command, parallel):
    (parallel / "other").write_text("5 5\n" * 10)
    command(
        "evaluate", learned(), parallel / "source", parallel / "other", "--output", parallel / "o"
    )
    paths = (parallel / "o" / "hypotheses.jsonl", learned() / "hypotheses" / "test.jsonl")
    found = [[r["hypothesis"] for r in rows(path)] for path in paths]
    assert found[0] == found[1]


def test_further_references_are_scored_and_stored(command, parallel):
    found = rows(learned() / "hypotheses" / "test.jsonl")
    (parallel / "more").write_text(text_of(r["hypothesis"] for r in found), encoding="utf-8")
    (parallel / "none").write_text("\n" * 10, encoding="utf-8")
    files = [parallel / "source", parallel / "reference", "--also", parallel / "more"]
    out = parallel / "scores"
    code, _, _ = command(
        "evaluate", learned(), *files, "--also", parallel / "none", "--output", out
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert code == 0
    assert (metrics["exact_match"], metrics["wer"]) == (100.0, 0.0)
    assert "nrefs:" in metrics["signatures"]["bleu"]
    stored = rows(out / "hypotheses.jsonl")
    assert [r["references"] for r in stored] == [[r["reference"], r["hypothesis"]] for r in found]
    files[3] = parallel / "source"
    assert "named twice" in one_line_error(command("evaluate", learned(), *files), 3)


def test_the_default_folder_lies_in_the_working_folder(command, parallel, monkeypatch):
    monkeypatch.chdir(parallel)
    assert command("evaluate", learned(), "source", "reference")[0] == 0
    assert (parallel / "evaluation_source" / "metrics.json").exists()


def test_files_of_different_lengths_are_refused(command, parallel):
    (parallel / "short").write_text("1\n")
    err = one_line_error(command("evaluate", learned(), parallel / "source", parallel / "short"), 3)
    assert "10 lines" in err


def test_files_without_lines_are_reported(command, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"")
    one_line_error(command("evaluate", learned(), tmp_path / "a", tmp_path / "b"), 3)
