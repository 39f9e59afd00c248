"""The interval of a combination of four scores holds the true one as often as it says, over seeds and sentences."""

import math

import numpy as np
import pytest

from report.test_prediction import made, only, quarter_gain

SEEDS, SENTENCES, STUDIES = 3, 60, 400
OFFSETS = {"dot": np.array([1.5, 1.2, 0.9, 0.6]), "none": np.array([1.0, 0.2, -0.6, -1.5])}
"""Log odds of a right sentence by arm and quarter."""
OF_SEED, OF_QUARTER, OF_SENTENCE = 0.1, 0.6, 1.0
"""Deviations of the log odds: of a seed, of a seed in a quarter, of a sentence in all runs."""
QUARTERS = np.repeat(np.arange(4), SENTENCES // 4)
SOURCES = ["a" * (1 + quarter) for quarter in QUARTERS]


def true_gain() -> float:
    """The combination of the scores that all seeds and sentences have on average, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    spread = math.sqrt(OF_SEED**2 + OF_QUARTER**2 + OF_SENTENCE**2)
    score = {
        arm: [100 * weights @ (1 / (1 + np.exp(-(one + spread * nodes)))) / weights.sum() for one in row]
        for arm, row in OFFSETS.items()
    }  # fmt: skip
    gain = [a - b for a, b in zip(score["dot"], score["none"], strict=True)]
    return gain[3] - 1.3 * gain[0]


def drawn(generator: np.random.Generator) -> dict[str, list[list[int]]]:
    sentence = generator.normal(0, OF_SENTENCE, SENTENCES)
    rows = {}
    for arm, offsets in OFFSETS.items():
        seeds = generator.normal(0, OF_SEED, (SEEDS, 1))
        quarters = generator.normal(0, OF_QUARTER, (SEEDS, 4))[:, QUARTERS]
        odds = offsets[QUARTERS] + sentence + seeds + quarters
        rows[arm] = (generator.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(int).tolist()
    return rows


@pytest.mark.slow
def test_four_terms_are_covered():
    generator, truth, held = np.random.default_rng(5), true_gain(), 0
    for _ in range(STUDIES):
        found = only(made(drawn(generator), SOURCES), quarter_gain())
        held += found.low <= truth <= found.high
    assert 0.93 <= held / STUDIES <= 0.995
