"""Power of a plan against simulated studies, and the numbers that it asks for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.planning import Pilot, pilot_of, power, seeds_needed, sentences_needed
from seq2seq_lab.report.spread import SeedPiece, Spread, spread
from seq2seq_lab.report.statistics import Scores, scores_of

EXACT = METRICS["exact_match"]
SENTENCES = 40
PILOT = Pilot((0.3**2 + 1 / 40, 0.2**2 + 1 / 40), (1 / 40, 1 / 40), 2 * 0.5**2 / 40, (3, 3), 40)
"""Arms of seeds with deviations 0.3 and 0.2, sentences with 0.5, and 1 for what both do together."""


def found(num_seeds: int, effect: float, studies: int = 1500) -> float:
    """Return how often studies of so many seeds find the effect, by drawing every score."""
    generator, hits = np.random.default_rng(num_seeds), 0
    for _ in range(studies):
        arms = [
            generator.normal(mean, 1.0, (num_seeds, SENTENCES))
            + u * generator.normal(size=(num_seeds, 1))
            + 0.5 * generator.normal(size=(1, SENTENCES))
            for mean, u in ((effect, 0.3), (0.0, 0.2))
        ]
        values = [arm.mean(1) for arm in arms]
        of = spread(values, [a - a.mean(1, keepdims=True) for a in arms])
        hits += abs(values[0].mean() - values[1].mean()) > of.half_width()
    return hits / studies


@pytest.mark.parametrize("num_seeds", [3, 8])
def test_power_is_what_simulated_studies_find(num_seeds):
    truth = PILOT.at(num_seeds, SENTENCES)
    effect = 2.8 * math.sqrt(truth.total)
    assert power(truth, effect) == pytest.approx(found(num_seeds, effect), abs=0.035)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.45, 0.55, 0.8])
def test_asked_for_eighty_in_a_hundred_so_many_are_found(effect):
    needed = seeds_needed(PILOT, effect, 0.8, SENTENCES)
    reached = power(PILOT.at(needed, SENTENCES), effect)
    assert (
        0.75 <= found(needed, effect, 4000) <= max(0.85, reached + 0.02)
    )  # one seed may be a large step
    assert found(needed - 1, effect, 4000) < 0.82 or needed == 2


def test_power_without_sentences_is_that_of_welchs_test():
    truth = Spread((SeedPiece(1 / 4, 0.0, 4), SeedPiece(1 / 4, 0.0, 4)))
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 20_000, 4))
    p = stats.ttest_ind(one + 2.5, other, axis=1, equal_var=False).pvalue
    assert power(truth, 2.5) == pytest.approx(np.mean(p < 0.05), abs=0.012)


def test_power_at_no_effect_is_the_level_and_grows_to_one():
    truth = PILOT.at(5, SENTENCES)
    powers = [power(truth, effect) for effect in (0.0, 0.2, 0.4, 0.8, 20.0)]
    assert powers == sorted(powers)
    assert 0.03 < powers[0] < 0.055
    assert powers[-1] == pytest.approx(1.0)


def test_the_smallest_numbers_are_found():
    needed = seeds_needed(PILOT, 0.5, 0.8, SENTENCES)
    assert (
        power(PILOT.at(needed, SENTENCES), 0.5) >= 0.8 > power(PILOT.at(needed - 1, SENTENCES), 0.5)
    )
    size = sentences_needed(PILOT, 1.0, 0.8, 3)
    assert power(PILOT.at(3, size), 1.0) >= 0.8 > power(PILOT.at(3, size - 1), 1.0)


def test_what_no_number_can_show():
    assert seeds_needed(PILOT, 0.2, 0.8, SENTENCES) is None  # the sentences hide it
    assert sentences_needed(PILOT, 0.2, 0.8, 3) is None  # the seeds hide it


def test_more_sentences_shrink_all_but_the_seeds_own_variance():
    many = PILOT.at(3, 100 * SENTENCES)
    assert [arm.variance * 3 for arm in many.arms] == pytest.approx(
        [0.09 + 1 / 4000, 0.04 + 1 / 4000]
    )
    assert many.sentences == pytest.approx(PILOT.sentences / 100)
    assert PILOT.at(6, SENTENCES).arms[0].variance == pytest.approx(PILOT.seeds[0] / 6)


def test_the_pilots_uncertainty_holds_the_truth_eight_times_in_ten():
    alike = replace(PILOT, seeds=(1.0, 1.0), together=(0.0, 0.0))
    generator, hits = np.random.default_rng(4), 0
    for _ in range(2000):
        estimates = generator.chisquare(2, 2) / 2
        low, high = replace(alike, seeds=tuple(estimates)).range_of_seeds()
        hits += sum(low.seeds) <= 2.0 <= sum(high.seeds)
    assert (
        0.78 <= hits / 2000 <= 0.88
    )  # three seeds: Satterthwaite's degrees of freedom are cautious


def test_pilot_of_scores():
    generator = np.random.default_rng(2)
    arms = []
    for n, share in ((3, 0.4), (4, 0.7)):
        right = (generator.random((n, 50)) < share).astype(float)
        arms.append(scores_of(EXACT, range(n), np.stack([right, np.ones(right.shape)], -1)))
    found = pilot_of(arms[0], arms[1])
    assert found.num_seeds == (4, 3)  # the arm, then the baseline
    assert found.num_sentences == 50
    assert found.seeds[0] >= arms[1].values.var(ddof=1) - 1e-9
    # independent outputs: all of the variance between seeds shrinks with sentences
    assert found.together[1] == pytest.approx(100**2 * 0.24 / 50, rel=0.2)
    bare = pilot_of(*(Scores(arm.seeds, arm.values) for arm in arms))
    assert (bare.num_sentences, bare.sentences, bare.together) == (1, 0.0, (0.0, 0.0))


def test_planted_normal_power_is_caught():
    """The formula of textbooks, with known variances: too few seeds."""
    needed = next(
        n for n in range(2, 100) if 2.8016 * math.sqrt(PILOT.at(n, SENTENCES).total) <= 0.8
    )
    assert found(needed, 0.8) < 0.75
