"""How far a corpus score could lie from what it is if other sentences of the same kind had been drawn."""

from collections.abc import Sequence
from typing import Any

import torch

from seq2seq_lab.metrics.accuracy import matches
from seq2seq_lab.metrics.bleu import check_parallel

SAMPLES = 1000


def bootstrap_interval(
    name: str, hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over sentences of a score named as in result.json, split left out.

    `bleu`, `bleu_tok_lc` and `chrf` by sacreBLEU's own bootstrap (seed 12345), `exact_match` by resampling its 0s and
    100s. Raises `ValueError` for another name. It says nothing about the seed of the training run.
    """
    check_parallel(hypotheses, references)
    if name == "exact_match":
        return _of_means(matches(hypotheses, references))
    from sacrebleu.metrics import BLEU, CHRF

    made: dict[str, Any] = {
        "bleu": lambda: BLEU(tokenize=tokenize, force=True),
        "bleu_tok_lc": lambda: BLEU(tokenize=tokenize, lowercase=True, force=True),
        "chrf": CHRF,
    }
    if name not in made:
        known = ", ".join([*made, "exact_match"])
        raise ValueError(f"{name}: no interval over sentences for it; choose one of {known}")
    metric: Any = made[name]()
    score = metric.corpus_score(list(hypotheses), [list(references)], n_bootstrap=SAMPLES)
    mean, half = float(score._mean), float(score._ci)
    return mean - half, mean + half


def _of_means(values: list[float]) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percent quantiles of the means of resampled values."""
    generator = torch.Generator().manual_seed(12345)
    rows = torch.randint(len(values), (SAMPLES, len(values)), generator=generator)
    means = torch.tensor(values, dtype=torch.float64)[rows].mean(dim=1)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
