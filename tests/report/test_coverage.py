"""Do 95 % intervals hold the truth 95 times in 100, and does a study without differences find none?

Simulated: a difference of two arms varies by seed (u), by sentence (v) and by both (1). Half-widths are the ones that
statistics.py uses; the bugs at the end break the level or the width.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.resampling import hierarchical_bootstrap
from seq2seq_lab.report.statistics import Spread, compare, holm, scores_of, spread
from seq2seq_lab.report.t_distribution import two_sided_quantile

EXACT = METRICS["exact_match"]
SENTENCES = 60
TRUTH = 1.5
REGIMES = [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0), (1.0, 1.0), (0.0, 3.0)]
FEW, MANY = 1_500, 6_000


def coverage(
    width: Callable[[np.ndarray], float], seeds: int, u: float, v: float, studies: int = FEW
) -> float:
    """Return how often the interval holds the truth; `width` takes differences (seeds, sentences)."""
    generator = np.random.default_rng([seeds, int(10 * u), int(10 * v)])
    hits = 0
    for _ in range(studies):
        gaps = generator.normal(TRUTH, 1.0, (seeds, SENTENCES))
        gaps += u * generator.normal(size=(seeds, 1)) + v * generator.normal(size=(1, SENTENCES))
        hits += abs(gaps.mean() - TRUTH) <= width(gaps)
    return hits / studies


def ours(gaps: np.ndarray) -> float:
    return spread(gaps.mean(1), gaps - gaps.mean(1, keepdims=True)).half_width()


def covers(
    width: Callable[[np.ndarray], float], seeds: int, u: float, v: float, studies: int = FEW
) -> None:
    assert 0.93 <= coverage(width, seeds, u, v, studies) <= 0.97


@pytest.mark.parametrize(
    ("seeds", "u", "v"), [(3, 1.0, 0.0), (3, 0.0, 3.0), (5, 0.0, 0.0), (5, 1.0, 1.0)]
)
def test_intervals_hold_the_truth_95_times_in_100(seeds, u, v):
    covers(ours, seeds, u, v)


@pytest.mark.slow
@pytest.mark.parametrize(("u", "v"), REGIMES)
@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_the_truth_in_many_studies(seeds, u, v):
    covers(ours, seeds, u, v, MANY)


@pytest.mark.slow
@pytest.mark.parametrize("u", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("v", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_no_mixture_of_seeds_and_sentences_breaks_the_level(seeds, u, v):
    """Where both matter alike and seeds are two or three, the interval is wider than it must be: up to 99 %."""
    assert coverage(ours, seeds, u, v, MANY) >= 0.94


def null_study(
    generator: np.random.Generator, arms: int, seeds: int, sentences: int = SENTENCES
) -> list[np.ndarray]:
    """Return 0/1 sums (seeds, sentences, 2) of arms that differ by seed and sentence only."""
    difficulty = generator.normal(size=sentences)
    found = []
    for _ in range(arms):
        taste = difficulty + 0.5 * generator.normal(size=sentences)  # an arm likes some sentences
        strength = taste + 0.4 * generator.normal(size=(seeds, 1))
        right = generator.normal(size=(seeds, sentences)) < strength
        found.append(np.stack([right.astype(float), np.ones(right.shape)], -1))
    return found


def null_rates(
    width: Callable[[Spread, float], float], arms: int = 4, seeds: int = 3, studies: int = 800
) -> tuple[float, float]:
    """Return the share of rejected comparisons, and of studies in which Holm's correction rejects any.

    Holm rejects something exactly if the smallest p is below 5 % / m: if an interval of that level leaves out 0.
    """
    generator = np.random.default_rng(11)
    single = family = 0
    for _ in range(studies):
        sums = null_study(generator, arms, seeds)
        right = 100.0 * np.stack([rows[..., 0] for rows in sums])
        any_found = False
        for arm in range(1, arms):
            gaps = right[arm] - right[0]
            found = spread(gaps.mean(1), gaps - gaps.mean(1, keepdims=True))
            effect = abs(gaps.mean())
            single += effect > width(found, 0.05)
            any_found |= effect > width(found, 0.05 / (arms - 1))
        family += any_found
    return single / studies / (arms - 1), family / studies


def keeps_the_level(width: Callable[[Spread, float], float]) -> None:
    single, family = null_rates(width)
    assert single <= 0.06
    assert family <= 0.06


def test_a_study_without_differences_finds_none():
    keeps_the_level(Spread.half_width)


@pytest.mark.slow
def test_a_study_without_differences_finds_none_by_its_p_values():
    generator = np.random.default_rng(12)
    single, family, studies = 0, 0, 600
    for _ in range(studies):
        arms = [scores_of(EXACT, (1, 2, 3), rows) for rows in null_study(generator, 4, 3)]
        ps = [compare(arms[0], arm, with_resampling=False).p for arm in arms[1:]]
        single += sum(p < 0.05 for p in ps)
        family += any(p < 0.05 for p in holm(ps))
    assert single / studies / 3 <= 0.06
    assert family / studies <= 0.06


def test_resampling_three_seeds_is_too_narrow():
    """Why the decision is not made by the hierarchical bootstrap: its 95 % interval holds about 82 %."""
    generator = np.random.default_rng(13)
    hits, studies = 0, 200
    for _ in range(studies):
        one, other = null_study(generator, 2, 3, sentences=300)
        low, high = hierarchical_bootstrap(EXACT, one, other, samples=200)
        hits += low <= 0.0 <= high
    assert hits / studies < 0.9


# planted bugs


def test_planted_blindness_to_seeds_is_caught():
    def width(found: Spread, level: float) -> float:
        return math.sqrt(found.sentences + 1e-12) * two_sided_quantile(level, SENTENCES - 1.0)

    with pytest.raises(AssertionError):
        keeps_the_level(width)


def test_planted_blindness_to_sentences_is_caught():
    with pytest.raises(AssertionError):
        covers(lambda gaps: spread(gaps.mean(1), None).half_width(), 5, 0.0, 3.0)


def test_planted_unpaired_sentences_are_caught():
    def width(
        gaps: np.ndarray,
    ) -> float:  # the arms' own variances, difficulty of sentences included
        difficulty = np.random.default_rng(1).normal(0.0, 3.0, SENTENCES)
        one, other = difficulty, difficulty + gaps.mean(0)
        return 1.96 * math.sqrt((one.var(ddof=1) + other.var(ddof=1)) / SENTENCES)

    with pytest.raises(AssertionError):
        covers(width, 5, 0.0, 1.0)


def test_planted_degrees_of_freedom_of_all_outputs_are_caught():
    def width(gaps: np.ndarray) -> float:  # every output counted as independent
        return 1.96 * gaps.std(ddof=1) / math.sqrt(gaps.size)

    with pytest.raises(AssertionError):
        covers(width, 3, 1.0, 0.0)


def test_planted_study_without_holm_is_caught():
    with pytest.raises(AssertionError):
        keeps_the_level(lambda found, level: found.half_width(0.05))
