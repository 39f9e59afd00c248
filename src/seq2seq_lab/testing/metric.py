"""The properties of a metric of decoded text, each as a function of one metric, and `check_metric` over all of them."""

import math
from functools import partial

import numpy as np

from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.testing.claims import Claim, hold

REFERENCES = (
    "the cat sat on the mat",
    "a dog ran .",
    "nothing",
    "one two three four five",
    "two big dogs ran on a mat",
    "我 喜欢 猫",
)
HYPOTHESES = (
    "the cat sat on a mat",
    "a dog ran .",
    "",
    "one two four five",
    "mat a on ran dogs big two",
    "我 喜欢 狗 和 猫",
)
WRONG = ("x y z w v u", "q q q q q q", "zz zz zz", "k", "", "p o i u")
"""Nothing of the references."""


def is_named(metric: Metric) -> None:
    """The name is a key of result.json and of metrics.csv, and people get a label."""
    demand(metric.name.isidentifier(), f"the name is {metric.name!r}")
    demand(isinstance(metric.label, str) and metric.label.strip(), "the label is empty")
    demand(isinstance(metric.lower_is_better, bool), f"lower_is_better={metric.lower_is_better!r}")
    line = metric.epoch_line
    demand(
        not line or line.format(12.0) != line, f"epoch_line={line!r} has no place for the number"
    )


def is_finite(metric: Metric) -> None:
    """Scores of right, half right and wrong hypotheses are finite numbers."""
    for hypotheses in (REFERENCES, HYPOTHESES, WRONG, ("",) * len(REFERENCES)):
        value = metric.corpus(hypotheses, REFERENCES).value
        demand(isinstance(value, float) and math.isfinite(value), f"{value!r} for {hypotheses[:2]}")


def sums_give_the_corpus_score(metric: Metric) -> None:
    """The score of the sum of the sentences' vectors is the score of the corpus, by `score` and by `library_score`."""
    for hypotheses in (HYPOTHESES, REFERENCES, WRONG):
        vectors = metric.statistics([hypotheses], REFERENCES)
        shape = [*vectors.shape]
        demand(
            shape[:2] == [1, len(REFERENCES)] and len(shape) == 3,
            f"statistics of shape {shape}, not [1, {len(REFERENCES)}, width]",
        )
        expected = metric.corpus(hypotheses, REFERENCES).value
        sums = vectors.sum(1)
        agree(float(metric.score(sums)[0]), expected, "score of the sums", tolerance=1e-9)
        agree(float(metric.library_score(sums)[0]), expected, "library_score", tolerance=1e-9)


def scores_many_sums_at_once(metric: Metric) -> None:
    """`score` of several sums, as the bootstrap asks, is that of each."""
    vectors = metric.statistics([HYPOTHESES, REFERENCES], REFERENCES)
    sums = np.stack([vectors.sum(1), 2 * vectors.sum(1)])
    alone = [[float(metric.score(one[None])[0]) for one in row] for row in sums]
    agree(metric.score(sums).tolist(), alone, "score of many sums", tolerance=1e-9)


def a_sentence_is_counted_alone(metric: Metric) -> None:
    """The vector of a sentence does not depend on the other sentences."""
    together = metric.statistics([HYPOTHESES], REFERENCES)[0]
    for row, (hypothesis, reference) in enumerate(zip(HYPOTHESES, REFERENCES, strict=True)):
        alone = metric.statistics([[hypothesis]], [reference])[0, 0]
        demand(
            np.array_equal(alone, together[row]), f"{alone} alone, {together[row]} in the corpus"
        )


def the_reference_is_best(metric: Metric) -> None:
    """The score of the references themselves is better than that of any other hypotheses, in the stated direction."""
    best = metric.corpus(REFERENCES, REFERENCES).value
    for hypotheses in (HYPOTHESES, WRONG):
        value = metric.corpus(hypotheses, REFERENCES).value
        is_better = best < value if metric.lower_is_better else best > value
        direction = "lower" if metric.lower_is_better else "higher"
        demand(
            is_better,
            f"{best:.4g} for the references, {value:.4g} for others, {direction} is better",
        )


def says_how_it_is_made_again(metric: Metric) -> None:
    """A corpus score comes with a signature, or with the counts of each sentence."""
    score = metric.corpus(HYPOTHESES, REFERENCES)
    demand(
        bool(score.signature) != (score.counts is not None),
        f"signature {score.signature!r} and counts {score.counts}",
    )
    made = metric.made_as(score.signature)
    demand(made.name == metric.name, f"made_as gives {made.name!r}")


_TABLE = (
    ("name, label, direction and epoch_line can be shown", is_named, "Give a name such as word_accuracy"),
    (
        "scores are finite",
        is_finite,
        "Count something for an empty hypothesis too; no logarithm of 0 and no division by 0",
    ),
    (
        "the sums of the sentences give the corpus score",
        sums_give_the_corpus_score,
        "Return counts that add up, not a ratio for each sentence",
    ),
    (
        "many sums are scored at once",
        scores_many_sums_at_once,
        "Take the parts of a sum by `sums[..., i]`",
    ),
    (
        "a sentence is counted alone",
        a_sentence_is_counted_alone,
        "Count each pair from its own two texts",
    ),
    (
        "the reference itself is best",
        the_reference_is_best,
        "Set lower_is_better, or check the numerator",
    ),
    (
        "a score can be made again",
        says_how_it_is_made_again,
        "`Ratio` stores counts and `Sacrebleu` its signature; a class of your own returns one of them",
    ),
)  # fmt: skip


def check_metric(metric: Metric) -> None:
    """Raise `AssertionError` unless a metric (a `Ratio`, a `Sacrebleu`, or a `Metric` of one's own) can be relied on.

    Scores are finite, the sentences' statistics sum to the corpus score, and the reference itself is best.
    """
    hold(
        metric.name, [Claim(text, partial(check, metric), advice) for text, check, advice in _TABLE]
    )
