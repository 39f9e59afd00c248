"""False positives, power and plans on BLEU itself: studies drawn from the stored hypotheses of many seeds."""

import argparse
import math

import numpy as np

from power_procedures import SHIFT, Z, show, t_quantile
from seq2seq_lab import errors
from seq2seq_lab.metrics.metric import Metric
from seq2seq_lab.report import resampling
from seq2seq_lab.report.planning import pilot_of, power, seeds_needed
from seq2seq_lab.report.spread import Spread, spread
from seq2seq_lab.report.statistics import Scores


def pool_of(place: str) -> list[Scores]:
    from seq2seq_lab.report.analysis import arm_scores
    from seq2seq_lab.report.records import read_records
    from seq2seq_lab.study.matrix import find_study

    arms = list(arm_scores(read_records(find_study(place)), "bleu").values())
    if not 0 < len(arms) < 3 or any(arm.statistics is None for arm in arms):
        raise errors.ConfigError(
            f"{place}: one or two arms with the hypotheses of the same sentences are needed"
        )
    return arms


def resampled(
    generator: np.random.Generator,
    pool: list[Scores],
    num_seeds: int,
    num_sentences: int,
    *,
    same: bool,
) -> tuple[float, Spread, float]:
    """Draw a study: seeds without replacement, sentences with; `same` takes both arms from the first pool.

    Returns the difference, its spread and the half-width of the paired rule that was used before.
    """
    metric: Metric = pool[0].metric  # type: ignore[assignment]
    chosen = generator.integers(pool[0].statistics.shape[1], size=num_sentences)  # type: ignore[union-attr]
    orders = [generator.permutation(len(one.seeds)) for one in pool]
    picks = [
        orders[0][:num_seeds],
        orders[0][num_seeds : 2 * num_seeds] if same else orders[-1][:num_seeds],
    ]
    sources = [pool[0], pool[0] if same else pool[-1]]
    sums = [one.statistics[rows][:, chosen] for one, rows in zip(sources, picks, strict=True)]  # type: ignore[index]
    values = [metric.score(one.sum(1)) for one in sums]
    parts = [np.array([resampling.influence(metric, run) for run in one]) for one in sums]
    paired = spread([values[0] - values[1]], [parts[0] - parts[1]])
    before = paired.arms[0].variance * t_quantile(num_seeds - 1.0) ** 2
    before += paired.sentences * t_quantile(num_sentences - 1.0) ** 2
    return float(values[0].mean() - values[1].mean()), spread(values, parts), math.sqrt(before)


def bleu(arguments: argparse.Namespace) -> None:
    """Print false positives and power for BLEU, with the parts of the variance."""
    pool, rows = pool_of(arguments.study), []
    for one in pool:
        deviation = one.values.std(ddof=1)
        text = f"{len(one.seeds)} seeds: BLEU {one.values.mean():.2f}, deviation {deviation:.3f}"
        print(errors.one_line(text))
    if len(pool) == 2:
        common = [seed for seed in pool[0].seeds if seed in pool[1].seeds]
        both = [one.of_seeds(common).values for one in pool]
        found = np.corrcoef(*both)[0, 1]
        print(errors.one_line(f"correlation over {len(common)} common seeds: {found:+.2f}"))
    for same in (True, False)[: len(pool)]:
        for num_seeds in arguments.seeds:
            for size in arguments.sentences:
                generator = np.random.default_rng([arguments.seed, num_seeds, size, same])
                drawn = [
                    resampled(generator, pool, num_seeds, size, same=same)
                    for _ in range(arguments.repetitions)
                ]
                arms = "the first twice" if same else "both"
                rows.append([arms, str(num_seeds), str(size), *_row(drawn)])
    head = "BLEU, resampled hypotheses (false positives / power in 100 of the oracle's)"
    columns = ["arms", "seeds", "sentences", "effect", "share of seeds", "of it together"]
    show(head, [*columns, "before", "chosen"], rows)


def _row(drawn: list[tuple[float, Spread, float]]) -> list[str]:
    """Return the effect, the parts of the variance, and the rates of both procedures."""
    differences = np.array([difference for difference, _, _ in drawn])
    wrong = differences - differences.mean()
    effect = SHIFT * wrong.std()
    between = np.mean([sum(arm.variance for arm in found.arms) for _, found, _ in drawn])
    together = np.mean([sum(arm.together for arm in found.arms) for _, found, _ in drawn])
    oracle = np.mean(np.abs(wrong + effect) > Z * wrong.std()) / 100
    cells = [f"{effect:.2f}", f"{between / wrong.var():.2f}", f"{together / between:.2f}"]
    for half in (
        np.array([before for _, _, before in drawn]),
        np.array([found.half_width() for _, found, _ in drawn]),
    ):
        false, right = np.abs(wrong) > half, np.abs(wrong + effect) > half
        cells.append(f"{100 * false.mean():.1f} / {right.mean() / oracle:.0f}")
    return cells


def plan_bleu(arguments: argparse.Namespace) -> None:
    """Print the power found on resampled hypotheses; the pool of all seeds is the pilot."""
    pool, rows = pool_of(arguments.study), []
    pilot = pilot_of(pool[0], pool[-1])
    for size in arguments.sentences:
        for num_seeds in arguments.seeds:
            # the effect that needs this many seeds, halfway between one fewer and this many
            true = pilot.at(num_seeds, size)
            effect = next(
                e
                for e in np.linspace(0.5, 12.0, 300) * math.sqrt(true.total)
                if power(true, e) >= 0.81
            )
            needed = seeds_needed(pilot, effect, 0.8, size)
            generator = np.random.default_rng([arguments.seed, num_seeds, size, 3])
            drawn = [
                resampled(generator, pool, needed or 2, size, same=len(pool) == 1)[:2]
                for _ in range(arguments.repetitions)
            ]
            gap = np.mean([difference for difference, _ in drawn])
            found = np.mean(
                [abs(difference - gap + effect) > one.half_width() for difference, one in drawn]
            )
            rows.append([str(size), f"{effect:.2f}", str(needed), f"{found:.3f}"])
    show(
        "plan on BLEU: asked 0.8, found", ["sentences", "effect", "seeds asked for", "found"], rows
    )
