"""`compare`: text files of any toolkit, the page and tables of a report, what is refused, and no torch."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.statistics import compare as compare_scores
from seq2seq_lab.report.statistics import scores_of

WORDS = [
    "a",
    "the",
    "cat",
    "dog",
    "house",
    "tree",
    "sees",
    "runs",
    "under",
    "over",
    "red",
    "blue",
    "big",
    "small",
]


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """Two arms of three files each, with more wrong words in the first, and a reference, in the working folder."""
    generator = np.random.default_rng(3)
    monkeypatch.chdir(tmp_path)
    reference = [" ".join(generator.choice(WORDS, 4 + i % 9)) for i in range(60)]
    write(tmp_path / "ref.txt", reference)
    for arm, share in (("a", 0.3), ("b", 0.15)):
        for seed in (1, 2, 10):
            lines = [
                " ".join("nothing" if generator.random() < share else w for w in line.split())
                for line in reference
            ]
            write(tmp_path / f"{arm}-s{seed}.txt", lines)
    return tmp_path


def run(*words: str) -> int:
    return carry_out(["compare", "--reference", "ref.txt", *words])


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def test_the_numbers_are_those_of_a_study(files, capsys):
    assert run("none=a-s*.txt", "attention=b-s1.txt,b-s2.txt,b-s10.txt") == 0
    reference = lines_of(files / "ref.txt")
    metric, sums = METRICS["bleu"].made_as("tok:13a"), {}
    for row, arm in zip(table(files / "comparison"), "ab", strict=True):
        outputs = [lines_of(files / f"{arm}-s{seed}.txt") for seed in (1, 2, 10)]
        scores = [sacrebleu.corpus_bleu(one, [reference]).score for one in outputs]
        assert float(row["mean"]) == pytest.approx(np.mean(scores), abs=1e-9)
        sums[arm] = scores_of(metric, (1, 2, 3), metric.statistics(outputs, reference))
    expected = compare_scores(sums["a"], sums["b"])
    row = table(files / "comparison")[1]
    found = [float(row[key]) for key in ("difference", "diff_low", "diff_high", "p")]
    wanted = [expected.difference, expected.low, expected.high, expected.p]
    assert found == pytest.approx(wanted, rel=1e-9)
    said = capsys.readouterr().out
    assert "6 files of 60 sentences are compared. Metric: test/bleu." in said
    assert "Report: comparison/index.html" in said


def test_the_page_shows_sentences_and_files_and_no_study(files):
    write(files / "src.txt", [f"source <{i}>" for i in range(60)])
    assert run("none=a-s*.txt", "attention=b-s*.txt", "--source", "src.txt", "--out", "page") == 0
    page = (files / "page" / "index.html").read_text(encoding="utf-8")
    assert "source &lt;" in page
    assert "SHA-256" in page
    assert "b-s10.txt" in page
    for absent in ("rederive", "not stored", "Runs differ in", "runs are done", "<script"):
        assert absent not in page


def test_no_torch_is_imported(files):
    code = (
        "import sys; from seq2seq_lab.commands.dispatch import program\n"
        "sys.argv = ['seq2seq-lab', 'compare', '--reference', 'ref.txt', 'none=a-s*.txt', 'new=b-s*.txt']\n"
        "assert program() == 0\n"
        "heavy = ('torch', 'pytorch_lightning', 'lightning', 'wandb', 'torchmetrics', 'hydra', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert made.stdout.split("\n")[-2] == "[]", made.stderr


def test_a_second_comparison_replaces_the_first(files):
    assert run("none=a-s*.txt", "attention=b-s*.txt") == 0
    before = (files / "comparison" / "table.csv").read_bytes()
    assert run("none=a-s1.txt", "attention=b-s1.txt", "--metric", "exact_match") == 0
    assert (files / "comparison" / "table.csv").read_bytes() != before
    assert run("none=a-s*.txt", "attention=b-s*.txt") == 0
    assert (files / "comparison" / "table.csv").read_bytes() == before


def test_one_arm_and_one_seed_say_what_they_are(files, capsys):
    assert run("none=a-s1.txt") == 0
    assert "1 seed: says nothing about the seed" in capsys.readouterr().out
    assert table(files / "comparison")[0]["difference"] == ""


def test_other_languages_and_tokenisers(files, capsys):
    assert run("none=a-s*.txt", "--language", "zh") == 0
    assert "tok:zh" in (files / "comparison" / "index.html").read_text(encoding="utf-8")
    assert run("none=a-s*.txt", "--tokenize", "none") == 0
    assert "tok:none" in (files / "comparison" / "index.html").read_text(encoding="utf-8")
    assert run("none=a-s*.txt", "--tokenize", "14b") == 2
    assert "--tokenize 14b: sacreBLEU has no such tokeniser; it has" in capsys.readouterr().err


def test_several_references_are_those_of_sacrebleu(files):
    second = [line.replace("the", "a") for line in lines_of(files / "ref.txt")]
    write(files / "other.txt", second)
    assert run("none=a-s*.txt", "--reference", "other.txt") == 0
    both = [lines_of(files / "ref.txt"), second]
    scores = [
        sacrebleu.corpus_bleu(lines_of(files / f"a-s{seed}.txt"), both).score for seed in (1, 2, 10)
    ]
    assert float(table(files / "comparison")[0]["mean"]) == pytest.approx(np.mean(scores))
    assert "other.txt, SHA-256" in (files / "comparison" / "index.html").read_text(encoding="utf-8")
    write(files / "other.txt", second[1:])
    assert run("none=a-s*.txt", "--reference", "other.txt") == 3


def test_figures_are_written_if_asked_for(files):
    assert run("none=a-s*.txt", "attention=b-s*.txt", "--figures") == 0
    assert list((files / "comparison" / "figures").glob("*.pdf"))
    latex = (files / "comparison" / "table.tex").read_text(encoding="utf-8")
    assert "\nattention" in latex  # the arm's own name, not made of factors


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a-s1.txt"], 2, "a-s1.txt: write NAME=FILE,FILE..."),
        (["none="], 2, "none=: write NAME=FILE"),
        (["none=a-s1.txt", "none=b-s1.txt"], 2, "none: an arm of this name comes twice"),
        (["none=c-*.txt"], 2, "c-*.txt: no file fits this pattern"),
        (["none=a-s1.txt", "new=./a-s1.txt"], 2, "a-s1.txt: comes in none and in new"),
        (["none=a-s1.txt,a-s1.txt"], 2, "a-s1.txt: comes twice"),
        (["none=a-s3.txt"], 3, "a-s3.txt: no such file; did you mean a-s"),
        (["none=short.txt"], 3, "short.txt: 2 lines, but ref.txt has 60; line i"),
        (["none=latin.txt"], 3, "latin.txt:1:1: not UTF-8"),
        (["none=a-s1.txt", "--source", "short.txt"], 3, "short.txt: 2 lines, but"),
        (["none=a-s1.txt", "--metric", "bluh"], 2, "--metric bluh: no such metric; there are bleu"),
        (["none=a-s1.txt", "--out", "."], 2, "--out .: a-s1.txt lies in it; choose another folder"),
        (["none=a-s1.txt", "--out", "ref.txt"], 2, "--out ref.txt: a file; choose a folder"),
        (["none=a-s1.txt", "--out", "full"], 2, "--out full: holds other files; choose an empty"),
    ],
)
def test_wrong_input_is_refused_in_one_line(files, words, code, message, capsys):
    write(files / "short.txt", ["one", "two"])
    (files / "latin.txt").write_bytes(b"\xe4\n" * 60)
    (files / "full").mkdir()
    write(files / "full" / "notes.txt", ["mine"])
    assert run(*words) == code
    found = capsys.readouterr()
    assert found.err.startswith("error: ")
    assert message in found.err
    assert len(found.err.strip().split("\n")) == 1
    assert not (files / "comparison").exists()


def test_an_empty_reference_is_refused(files, capsys):
    (files / "ref.txt").write_bytes(b"")
    assert run("none=a-s1.txt") == 3
    assert "ref.txt: no line in it" in capsys.readouterr().err


def are_in_natural_order(files: Path) -> None:
    assert run("none=a-s*.txt") == 0
    rows = (files / "comparison" / "runs.csv").read_text(encoding="utf-8")
    assert rows.index("a-s2.txt") < rows.index("a-s10.txt")


def test_the_files_of_a_pattern_are_in_natural_order(files):
    are_in_natural_order(files)


def test_planted_alphabetical_order_is_caught(files, monkeypatch):
    monkeypatch.setattr("seq2seq_lab.report.text_files._natural", lambda text: text)
    with pytest.raises(AssertionError):
        are_in_natural_order(files)
