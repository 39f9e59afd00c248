"""Every row of METRICS reaches everything that shows or uses a metric, and its sums give its library's score."""

import ast
import shutil
from itertools import zip_longest
from pathlib import Path

import pytest
import sacrebleu
from torchmetrics.functional.text import char_error_rate, edit_distance, word_error_rate

from seq2seq_lab.metrics import interval, scores, table
from seq2seq_lab.metrics.metric import Metric, Ratio
from seq2seq_lab.metrics.table import METRICS, lower_is_better
from seq2seq_lab.report import analysis
from seq2seq_lab.training import summary
from seq2seq_lab.training.callback import progress
from support.metric_consumers import CONSUMERS, prepare

PACKAGE = Path(table.__file__).parents[1]


def wrong_characters(hypotheses: list[str], references: list[str]) -> list[tuple[float, float]]:
    return [
        (sum(a != b for a, b in zip_longest(h, r)), len(r))
        for h, r in zip(hypotheses, references, strict=True)
    ]


PLANTED = Ratio(
    "wrong_characters",
    "wrong characters %",
    wrong_characters,
    lower_is_better=True,
    epoch_line="wrong {:.1f} %",
)
HYPOTHESES = ["the cat sat on a mat", "", "A dog ran .", "one two three four five"]
REFERENCES = ["the cat sat on the mat", "nothing", "A dog ran .", "one two four five"]


def exact(hypotheses: list[str], references: list[str]) -> float:
    return 100 * sum(h == r for h, r in zip(hypotheses, references, strict=True)) / len(references)


def accuracy(hypotheses: list[str], references: list[str]) -> float:
    pairs = [zip_longest(h.split(), r.split()) for h, r in zip(hypotheses, references, strict=True)]
    right = [[a == b for a, b in pair if b is not None] for pair in pairs]
    return 100 * sum(map(sum, right)) / sum(map(len, right))


LIBRARY = {
    "bleu": lambda h, r: sacrebleu.corpus_bleu(h, [r]).score,
    "bleu_tok_lc": lambda h, r: sacrebleu.corpus_bleu(h, [r], lowercase=True).score,
    "chrf": lambda h, r: sacrebleu.corpus_chrf(h, [r]).score,
    "chrfpp": lambda h, r: sacrebleu.corpus_chrf(h, [r], word_order=2).score,
    "ter": lambda h, r: sacrebleu.corpus_ter(h, [r]).score,
    "cer": lambda h, r: 100 * float(char_error_rate(h, r)),
    "wer": lambda h, r: 100 * float(word_error_rate(h, r)),
    "edit_distance": lambda h, r: float(edit_distance(h, r)),
    "token_accuracy": accuracy,
    "exact_match": exact,
}


OF_TORCHMETRICS = {"cer", "wer", "edit_distance"}
"""In 32 bits."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run and a study, made while METRICS has one more row."""
    place = tmp_path_factory.mktemp("consumers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, PLANTED.name, PLANTED)
        prepare(place)
        yield place


def reaches(consumer: str, folder: Path) -> None:
    assert CONSUMERS[consumer](folder) == set(METRICS)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_every_row_reaches_every_consumer(consumer, folder):
    assert PLANTED.name in METRICS
    reaches(consumer, folder)


@pytest.mark.parametrize("row", METRICS.values(), ids=list(METRICS))
def test_the_score_of_the_sums_is_the_librarys(row: Metric):
    sums = row.statistics([HYPOTHESES], REFERENCES).sum(1)
    expected = LIBRARY[row.name](HYPOTHESES, REFERENCES)
    near = {"rel": 1e-6} if row.name in OF_TORCHMETRICS else {"abs": 1e-10}
    assert row.corpus(HYPOTHESES, REFERENCES).value == pytest.approx(expected, **near)
    assert row.score(sums)[0] == pytest.approx(expected, **near)
    assert row.library_score(sums)[0] == pytest.approx(expected, **near)


def test_a_ratio_of_nothing_is_not_finite():
    assert PLANTED.corpus([""], [""]).value != PLANTED.corpus([""], [""]).value
    assert PLANTED.corpus(["a"], [""]).value == float("inf")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val/loss", True),
        ("train/loss_epoch", True),
        ("test/loss_at_ratio_0.5", True),
        ("test/perplexity", True),
        ("test/exposure_bias", True),
        ("train/gradient_norm", True),
        ("test/bleu", False),
        ("chrf", False),
        ("val/exact_match", False),
        ("test/exact_match_length_q1", False),
        ("train/tokens_per_second", False),
    ],
)
def test_direction_of_a_metric(name, expected):
    assert lower_is_better(name) is expected


def test_direction_of_a_new_row(folder):
    assert lower_is_better(f"val/{PLANTED.name}")


def definitions(name: str, package: Path) -> list[str]:
    found = []
    for path in package.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if any(isinstance(node, ast.FunctionDef) and node.name == name for node in nodes):
            found.append(path.name)
    return found


def test_the_direction_is_defined_once():
    assert definitions("lower_is_better", PACKAGE) == ["table.py"]


# planted bugs


def without_the_new_row() -> dict[str, Metric]:
    return {name: row for name, row in METRICS.items() if name != PLANTED.name}


@pytest.mark.parametrize(
    ("consumer", "module"),
    [
        ("summary", summary),
        ("epoch line", progress),
        ("interval", interval),
        ("table.csv", analysis),
    ],
)
def test_planted_consumer_with_its_own_list_is_caught(
    consumer, module, folder, tmp_path, monkeypatch
):
    (tmp_path / "run").symlink_to(folder / "run")
    monkeypatch.setattr(module, "METRICS", without_the_new_row())
    with pytest.raises(AssertionError):
        reaches(consumer, tmp_path)


@pytest.fixture(scope="module")
def folder_without_its_score(folder, tmp_path_factory):
    """A run and a study whose scores leave the new row out."""
    place = tmp_path_factory.mktemp("unscored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "METRICS", without_the_new_row())
        prepare(place)
    return place


@pytest.mark.parametrize("consumer", ["result.json", "metrics.csv", "comparisons.csv", "rederive"])
def test_planted_scores_without_a_row_are_caught(consumer, folder_without_its_score):
    with pytest.raises(AssertionError):
        reaches(consumer, folder_without_its_score)


def test_planted_run_without_its_counts_is_caught(folder, tmp_path):
    shutil.copytree(folder / "study", tmp_path / "study")
    for path in tmp_path.glob("study/runs/*/hypotheses/*_counts.jsonl"):
        path.unlink()
    with pytest.raises(AssertionError):
        reaches("rederive", tmp_path)
