"""Figures of attention against hand-computed values and an explicit loop, each with a planted bug."""

import math
from itertools import combinations, pairwise

import pytest
import torch

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.metrics import attention_diagnostics as module
from seq2seq_lab.metrics.attention_diagnostics import Mean, alignment_error, diagnose

LN2, LN4 = math.log(2.0), math.log(4.0)


def found(weights, threshold=0.5):
    """Return the figures of one sentence without padding."""
    looks = torch.tensor([weights])
    source, target = torch.ones(1, looks.shape[2]) > 0, torch.ones(1, looks.shape[1]) > 0
    return {name: mean.value for name, mean in diagnose(looks, source, target, threshold).items()}


def test_a_diagonal_is_sharp_monotone_and_complete():
    assert found(torch.eye(4).tolist()) == {
        "entropy": 0.0,
        "normalized_entropy": 0.0,
        "kl_to_uniform": pytest.approx(LN4),
        "monotonicity": 1.0,
        "kendall_tau": 1.0,
        "coverage": 1.0,
        "coverage_deviation": 0.0,
    }


def test_a_reversed_diagonal_goes_back_at_every_step():
    figures = found(torch.eye(4).flip(0).tolist())
    assert (figures["monotonicity"], figures["kendall_tau"], figures["coverage"]) == (0, -1, 1)


def test_uniform_weights_are_the_null_model():
    figures = found([[1 / 3] * 3] * 7)
    assert figures["entropy"] == pytest.approx(math.log(3.0), abs=1e-7)
    assert figures["normalized_entropy"] == pytest.approx(1.0, abs=1e-7)
    assert figures["kl_to_uniform"] == pytest.approx(0.0, abs=1e-7)
    assert (figures["monotonicity"], figures["kendall_tau"]) == (1.0, 0.0)  # it never moves
    assert figures["coverage_deviation"] == pytest.approx(0.0, abs=1e-6)


def test_values_by_hand():
    """Expected positions 0, 1/2, 2, 1: one move of three goes back, five of six pairs are in order."""
    half, last = [0.5, 0.5, 0.0, 0.0], [0.25, 0.5, 0.25, 0.0]
    figures = found([[1.0, 0.0, 0.0, 0.0], half, [0.0, 0.0, 1.0, 0.0], last])
    assert figures["entropy"] == pytest.approx((LN2 + 1.5 * LN2) / 4)
    assert figures["normalized_entropy"] == pytest.approx((LN2 + 1.5 * LN2) / 4 / LN4)
    assert figures["kl_to_uniform"] == pytest.approx(LN4 - (LN2 + 1.5 * LN2) / 4)
    assert figures["monotonicity"] == pytest.approx(2 / 3)
    assert figures["kendall_tau"] == pytest.approx((5 - 1) / 6)
    assert figures["coverage"] == 3 / 4  # received 1.75, 1, 1.25, 0
    assert figures["coverage_deviation"] == pytest.approx((0.75 + 0 + 0.25 + 1) / 4)


def test_the_threshold_of_coverage():
    weights = [[0.5, 0.25, 0.25]]
    assert [found(weights, t)["coverage"] for t in (0.2, 0.25, 0.5)] == [1, 1 / 3, 0]


def test_steps_that_look_nowhere_are_left_out():
    figures = found([[0.0, 0.0], [0.5, 0.0]])  # the second sums to 1/2, as local attention's may
    assert figures["entropy"] == 0.0
    assert figures["kl_to_uniform"] == pytest.approx(LN2)
    assert math.isnan(figures["monotonicity"])


def test_one_source_token_has_no_normalized_entropy():
    figures = found([[1.0], [1.0]])
    assert math.isnan(figures["normalized_entropy"])
    assert figures["entropy"] == 0.0


def test_means_add_up():
    assert Mean(1.0, 2) + Mean(2.0, 2) == Mean(3.0, 4)
    assert Mean(3.0, 4).value == 0.75


def by_loop(weights, sources, targets):
    """The definitions, word by word, over lists."""
    lists = {name: [] for name in found([[1.0]])}
    for rows, size, steps in zip(weights.tolist(), sources, targets, strict=True):
        kept = [row[:size] for row in rows[:steps]]
        places = []
        for row in kept:
            nats = -sum(p * math.log(p) for p in row if p > 0)
            lists["entropy"].append(nats)
            lists["kl_to_uniform"].append(sum(p * math.log(p * size) for p in row if p > 0))
            if size > 1:
                lists["normalized_entropy"].append(nats / math.log(size))
            places.append(sum(i * p for i, p in enumerate(row)))
        lists["monotonicity"] += [float(b >= a) for a, b in pairwise(places)]
        pairs = list(combinations(places, 2))
        if pairs:
            lists["kendall_tau"].append(sum((b > a) - (b < a) for a, b in pairs) / len(pairs))
        for i in range(size):
            got = sum(row[i] for row in kept)
            lists["coverage"].append(float(got > 0.5))
            lists["coverage_deviation"].append(abs(got * size / steps - 1))
    return {name: sum(values) / len(values) for name, values in lists.items()}


def ragged():
    """Random distributions, with rubbish on all padding."""
    draw = torch.Generator().manual_seed(5)
    sources, targets = torch.tensor([5, 1, 3, 2]), torch.tensor([2, 7, 1, 4])
    source, target = mask_from_lengths(sources, 5), mask_from_lengths(targets, 7)
    weights = torch.randn(4, 7, 5, generator=draw, dtype=torch.float64) * 2
    weights = weights.masked_fill(~source.unsqueeze(1), -torch.inf).softmax(dim=-1)
    return weights, source, target, sources.tolist(), targets.tolist()


def equals_the_loop():
    weights, source, target, sources, targets = ragged()
    rubbish = weights + 9.0 * ~(target.unsqueeze(2) & source.unsqueeze(1))
    figures = {n: m.value for n, m in diagnose(rubbish, source, target).items()}
    assert figures == pytest.approx(by_loop(weights, sources, targets), abs=1e-12)


def test_a_padded_batch_equals_the_loop():
    equals_the_loop()


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("entropy", lambda looks: torch.special.entr(looks).mean(dim=-1)),
        ("distributions", lambda weights, mask: weights),
        ("received", lambda weights, mask: weights.sum(dim=1)),
        ("expected_positions", lambda looks: looks.argmax(dim=-1).double()),
        ("divergence_from_uniform", lambda looks, mask: math.log(5.0) - module.entropy(looks)),
    ],
)
def test_planted_bugs_are_caught(monkeypatch, name, planted):
    monkeypatch.setattr(module, name, planted)
    with pytest.raises(AssertionError):
        equals_the_loop()


# alignment error


def error_of(best, sure, possible, steps=None):
    """Return the figures of one sentence; `best` names the source position with the most weight of each step."""
    weights = torch.full((1, len(best), 3), 0.1)
    weights[0, range(len(best)), best] = 0.8
    links = [torch.tensor([one]) > 0 for one in (sure, possible)]
    where = torch.ones(1, len(best), dtype=torch.bool) if steps is None else torch.tensor([steps])
    return {n: m.value for n, m in alignment_error(weights, *links, where).items()}


SURE = [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
POSSIBLE = [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


def test_a_perfect_alignment_has_no_error():
    assert error_of([0, 1, 2], SURE, POSSIBLE) == {
        "alignment_error": 0.0,
        "alignment_precision": 1.0,
        "alignment_recall": 1.0,
    }


def test_alignment_error_by_hand():
    """A = 0-0, 1-2, 2-0: one of two sure links found, two of three are possible: 1 - (1 + 2) / (3 + 2)."""
    found = error_of([0, 2, 0], SURE, POSSIBLE)
    assert found["alignment_error"] == pytest.approx(2 / 5)
    assert found["alignment_precision"] == pytest.approx(2 / 3)
    assert found["alignment_recall"] == pytest.approx(1 / 2)


def test_a_sure_link_is_possible_although_nobody_says_so():
    assert error_of([0, 1, 2], SURE, [[0, 0, 0]] * 2 + [[0, 0, 1]])["alignment_error"] == 0.0


def test_steps_that_are_left_out_have_no_link():
    found = error_of([0, 1, 0], SURE, POSSIBLE, [True, True, False])
    assert found == {"alignment_error": 0.0, "alignment_precision": 1.0, "alignment_recall": 1.0}


def test_planted_second_best_position_is_caught(monkeypatch):
    monkeypatch.setattr(
        torch.Tensor, "argmax", lambda self, dim, keepdim: self.topk(2, dim).indices[..., 1:]
    )
    with pytest.raises(AssertionError):
        test_a_perfect_alignment_has_no_error()
