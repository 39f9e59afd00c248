"""`report` as a user types it: a folder or a name, and one line where something is wrong."""

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from support.study_folder import Plan, write_study

SMALL = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=8)


@pytest.fixture
def report(monkeypatch, tmp_path):
    """The command, run in a folder of its own with the arguments given."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: carry_out(["report", *arguments])


def test_a_study_is_found_by_its_name(report, tmp_path, capsys):
    write_study(tmp_path / "outputs" / "studies" / "mine", SMALL)
    assert report("mine", "--metric", "test/bleu") == 0
    told = capsys.readouterr().out
    assert "4 of 4 runs are done. Metric: test/bleu." in told
    assert (tmp_path / "outputs" / "studies" / "mine" / "report" / "index.html").is_file()


def test_scores_from_a_file_are_a_metric(report, tmp_path, capsys):
    place = write_study(tmp_path / "study", SMALL)
    runs = sorted(path.name for path in (place / "runs").iterdir())
    lines = [f"{run}\tcomet\t{0.1 * i}" for run in runs for i in range(8)]
    (tmp_path / "comet.tsv").write_text("\n".join(["run\tmetric\tscore", *lines]) + "\n")
    assert report("study", "--scores", "comet.tsv", "--metric", "test/comet") == 0
    assert "Metric: test/comet." in capsys.readouterr().out
    (tmp_path / "comet.tsv").write_text("\n".join(["run\tmetric\tscore", *lines[1:]]) + "\n")
    assert report("study", "--scores", "comet.tsv") == 3
    told = capsys.readouterr().err
    assert "7 scores for 8 sentences" in told
    assert told.count("\n") == 1
    assert report("study", "--scores", "absent.tsv") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["absent"], 2, "no study there"),
        (["study", "--metric", "bleu"], 2, "test/NAME"),
        (["study", "--metric", "test/absent"], 2, "no finished run has it"),
        ([], 2, "see --help"),
    ],
)
def test_mistakes_are_one_line(report, tmp_path, capsys, arguments, code, words):
    write_study(tmp_path / "study", SMALL)
    assert report(*arguments) == code
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1


DEEP = "[" * 100_000
BROKEN = {
    "hypotheses/test.jsonl": ["{", "[]", '{"id": 0}', DEEP, "\x00"],
    "result.json": ["{", "[1]", DEEP],
    "manifest.json": ["", "null"],
    "config.yaml": ["a: [", "- 1"],
    "hypotheses/signatures.json": ["{", "[]"],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BROKEN.items() for text in texts]
)
def test_a_run_with_a_broken_file_is_one_line_that_names_it(report, tmp_path, capsys, name, text):
    place = write_study(tmp_path / "study", SMALL)
    broken = sorted((place / "runs").glob(f"*/{name}"))[0]
    broken.write_text(text)
    code, told = report("study"), capsys.readouterr()
    assert (code, told.err.count("\n")) in {(3, 1), (6, 1), (0, 0)}
    if code:
        assert str(broken.relative_to(tmp_path)) in told.err
    else:
        assert "3 of 4 runs are done" in told.out
