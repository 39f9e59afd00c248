"""Several references: chrF++, TER and the others are sacreBLEU's on 50 corpora; error rates take the closest one."""

import random
from itertools import zip_longest

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.interval import bootstrap_interval
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.metrics.scores import hypothesis_rows, score
from seq2seq_lab.metrics.table import METRICS

ENGLISH = [
    "The",
    "the",
    "cat",
    "sat",
    "on",
    "Mat",
    ",",
    ".",
    "don't",
    "3.5",
    "(it)",
    "“so”",
    "naïve",
    "🙂",
]
CHINESE = [*"我你他的是不了在人有我们学习翻译一二三，。！", "BLEU", " ", "3.5"]
References = list[tuple[str, ...]]


def corpus(seed: int, most: int = 3) -> tuple[list[str], References, str]:
    """Return hypotheses, one to `most` references of each, and the tokeniser."""
    dice = random.Random(seed)
    words, glue, tokenize = ((ENGLISH, " ", "13a"), (CHINESE, "", "zh"))[seed % 2]

    def changed(text: list[str]) -> list[str]:
        found = [w for w in text if dice.random() > 0.2]
        if dice.random() < 0.5:
            found = found[len(found) // 2 :] + found[: len(found) // 2]
        return found

    hypotheses, references = [], []
    for _ in range(dice.randint(2, 7)):
        text = dice.choices(words, k=dice.randint(1, 15))
        several = [text, *(changed(text) for _ in range(dice.randint(0, most - 1)))]
        references.append(tuple(glue.join(one) for one in several))
        hypotheses.append(glue.join(changed(text)) if dice.random() > 0.1 else "")
    return hypotheses, references, tokenize


LIBRARY = {
    "bleu": lambda tok: BLEU(tokenize=tok, force=True),
    "bleu_tok_lc": lambda tok: BLEU(tokenize=tok, lowercase=True, force=True),
    "chrf": lambda tok: CHRF(),
    "chrfpp": lambda tok: CHRF(word_order=2),
    "ter": lambda tok: TER(normalized=tok == "zh", asian_support=tok == "zh"),
}


def equals_sacrebleu(name: str, most: int) -> None:
    for seed in range(50):
        hypotheses, references, tokenize = corpus(seed, most)
        library = LIBRARY[name](tokenize)
        expected = library.corpus_score(hypotheses, [list(c) for c in zip_longest(*references)])
        row = METRICS[name].made_as(f"tok:{tokenize}")
        found = row.corpus_of_several(hypotheses, references)
        assert found.value == pytest.approx(expected.score, abs=1e-10)
        assert found.signature == str(library.get_signature())
        again = METRICS[name].made_as(found.signature)  # as a report makes it from a stored run
        vectors = again.statistics_of_several([hypotheses], references)
        assert again.score(vectors.sum(1))[0] == pytest.approx(expected.score, abs=1e-10)
        alone = [
            library.sentence_score(h, list(r)).score
            for h, r in zip(hypotheses, references, strict=True)
        ]
        if "bleu" not in name:  # whose sentence score has its own effective order
            assert again.sentence_scores(vectors[0]) == pytest.approx(alone, abs=1e-10)


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("name", LIBRARY)
def test_a_metric_equals_sacrebleu_on_50_corpora(name, most):
    equals_sacrebleu(name, most)


@pytest.mark.parametrize("name", LIBRARY)
def test_planted_first_reference_alone_is_caught(name, monkeypatch):
    row = type(METRICS[name])
    right = row.corpus_of_several
    first = lambda self, texts, several: right(self, texts, [one[:1] for one in several])  # noqa: E731
    monkeypatch.setattr(row, "corpus_of_several", first)
    with pytest.raises(AssertionError):
        equals_sacrebleu(name, 3)


RATIOS = [name for name in METRICS if name not in LIBRARY]


def takes_the_closest(name: str) -> None:
    row = METRICS[name]
    for seed in range(50):
        hypotheses, references, _ = corpus(seed)
        references = [tuple(r for r in several if r.split()) or ("x",) for several in references]
        chosen = []
        for h, several in zip(hypotheses, references, strict=True):
            scores = [row.corpus([h], [r]).value for r in several]
            best = min(scores) if row.lower_is_better else max(scores)
            chosen.append(several[scores.index(best)])
        expected = row.corpus(hypotheses, chosen).value
        assert row.corpus_of_several(hypotheses, references).value == pytest.approx(expected)


@pytest.mark.parametrize("name", RATIOS)
def test_an_error_rate_counts_against_the_closest_reference(name):
    takes_the_closest(name)


def test_planted_order_of_references_is_caught(monkeypatch):
    right = Metric.statistics_of_several
    worst = lambda self, runs, several: right(self, runs, [one[-1:] for one in several])  # noqa: E731
    monkeypatch.setattr(Metric, "statistics_of_several", worst)
    with pytest.raises(AssertionError):
        takes_the_closest("wer")


def test_exact_match_is_any_reference():
    references = [("a", "b"), ("c",), ("d", "e", "f")]
    found = METRICS["exact_match"].corpus_of_several(["b", "x", "f"], references)
    assert found.value == pytest.approx(200 / 3)


def test_an_empty_reference_and_no_output_are_no_error():
    assert METRICS["cer"].corpus_of_several(["", "ab"], [("x", ""), ("ab", "a")]).value == 0.0


def test_a_sentence_without_a_reference_is_refused():
    for name in ("bleu", "wer"):
        with pytest.raises(ValueError, match="without a reference"):
            METRICS[name].statistics_of_several([["a"]], [()])


PAIRS = [Pair("x y", "a b", ("b a", "c")), Pair("x", "a"), Pair("z z z", "d e f g", ("d e f",))]
TEXTS = ["b a", "b", "d e f"]


def test_the_scores_of_a_split_count_all_references():
    found = score(PAIRS, TEXTS, "en", with_intervals=True)
    assert found.numbers["exact_match"] == pytest.approx(200 / 3)
    assert found.numbers["exact_match_length_q3"] == 100.0
    assert "nrefs:var" in found.signatures["bleu"]
    assert found.counts[0]["wer"] == [0.0, 2.0]
    references = [pair.references for pair in PAIRS]
    for name in METRICS:
        expected = bootstrap_interval(name, TEXTS, references, tokenize="13a")
        assert found.intervals[name] == expected


def test_the_rows_of_hypotheses_hold_every_reference():
    rows = hypothesis_rows(PAIRS, TEXTS, [0.0] * 3)
    assert [row["references"] for row in rows] == [["a b", "b a", "c"], ["a"], ["d e f g", "d e f"]]
    assert [row["reference"] for row in rows] == ["a b", "a", "d e f g"]
    single = hypothesis_rows([Pair("x", "a")], ["a"], [0.0])
    assert "references" not in single[0]
