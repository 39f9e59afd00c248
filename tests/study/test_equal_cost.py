"""Equal cost: the solver against brute force, the counters against formulas by hand, and the command."""

import math
import random
from itertools import pairwise

import pytest

from benchmark import work
from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.study.equal_cost import Candidate, Sizes, closest_width, count_flops
from support.small_runs import SMALL_COPY

SIZES = Sizes((60, 20), (13, 9))
LARGEST = 40


def brute_force(cost, target):
    known = {w: cost(w) for w in range(1, LARGEST + 1) if cost(w) is not None}
    return min(known, key=lambda width: abs(known[width] - target))


def rising(seed):
    """A random cost that rises, with refused widths in it."""
    draw = random.Random(seed)
    step = draw.choice([1, 2, 3, 4])
    costs = [draw.uniform(1, 9) for _ in range(LARGEST)]
    sums = [sum(costs[: i + 1]) for i in range(LARGEST)]
    return lambda width: None if width % step or width > LARGEST else sums[width - 1]


def equals_brute_force(solve):
    for seed in range(60):
        cost, draw = rising(seed), random.Random(seed)
        known = [cost(w) for w in range(1, LARGEST + 1) if cost(w) is not None]
        for target in (known[0], known[-1], draw.uniform(known[0], known[-1])):
            assert solve(cost, target) == brute_force(cost, target)


def test_the_solver_equals_brute_force_over_all_widths():
    equals_brute_force(lambda cost, target: closest_width(cost, target, LARGEST))


def test_planted_first_width_that_costs_enough_is_caught():
    def first(cost, target):
        return next(w for w in range(1, LARGEST + 1) if (cost(w) or -math.inf) >= target)

    with pytest.raises(AssertionError):
        equals_brute_force(first)


@pytest.mark.parametrize(
    ("target", "says"), [(4.0, "no width costs as little as 4"), (500.0, "no width up to 40")]
)
def test_what_cannot_be_reached_is_refused(target, says):
    with pytest.raises(ConfigError, match=says):
        closest_width(lambda width: 10.0 * width, target, LARGEST)


def test_nothing_wider_than_needed_is_tried():
    tried = []
    closest_width(lambda width: tried.append(width) or 10.0 * width, 55.0, 2**14)
    assert max(tried) <= 16


@pytest.mark.parametrize("name", work.NAMES)
def test_flops_are_those_of_the_formula_by_hand(name):
    """And the bridge's two square products for each sentence, which the formula leaves out."""
    source, target = SIZES.lengths
    training = work.flops_per_target_token(name, work.Sizes(source / target, float(source)))
    expected = training / 3 * target + 2 * 2 * work.DIM**2
    assert count_flops(work.make_model(name), SIZES.lengths) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("by", ["parameters", "flops"])
@pytest.mark.parametrize("model", ["lstm", "gru_attn", "transformer"])
def test_cost_rises_with_the_width(model, by):
    candidate = Candidate([f"model={model}"], by, SIZES)
    costs = [candidate.cost_at("model.dim", width) for width in (8, 12, 16, 20)]
    assert all(a < b for a, b in pairwise(costs))


def test_the_width_of_a_model_like_itself_is_its_own():
    candidate = Candidate(["model=gru_attn", "model.dim=37"], "parameters", SIZES)
    found = closest_width(lambda w: candidate.cost_at("model.dim", w), candidate.cost(), 2**14)
    assert found == 37
    assert candidate.cfg.model.dim == 37  # trying widths left it as it was


def test_parameters_are_those_of_the_built_model():
    from seq2seq_lab.config.build import build
    from seq2seq_lab.config.resolve import resolve

    candidate = Candidate(["model=lstm_attn"], "parameters", SIZES)
    model = build(resolve(candidate.cfg)["model"])
    assert candidate.cost() == sum(p.numel() for p in model.parameters())


def test_a_width_that_the_model_refuses_has_no_cost():
    assert Candidate(["model=transformer"], "parameters", SIZES).cost_at("model.dim", 10) is None


def command(capsys, *arguments):
    sizes = ("--vocabularies", "60", "20", "--lengths", "13", "9")
    code = carry_out(["equal-cost", *arguments, *sizes])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_prints_overrides_to_paste(capsys):
    arguments = ("model=lstm", "model.dropout=0.0", "--like", "model=lstm_attn", "model.dim=8")
    code, out, err = command(capsys, *arguments)
    assert code == 0
    *given, width = out.split()
    assert given == ["model=lstm", "model.dropout=0.0"]
    other = Candidate(given, "parameters", SIZES)
    target = Candidate(["model=lstm_attn", "model.dim=8"], "parameters", SIZES).cost()
    found = int(width.removeprefix("model.dim="))
    gaps = {w: abs(other.cost_at("model.dim", w) - target) for w in (found, found - 1, found + 1)}
    assert min(gaps, key=gaps.get) == found
    assert err.splitlines()[0] == f"model=lstm_attn model.dim=8: {target:,.0f} parameters"


WRONG = {
    "key": (["--like", "model=lstm", "--key", "model.dmi"], "did you mean model.dim?"),
    "no number": (["--like", "model=lstm", "--key", "model.dropout"], "no integer key"),
    "model": (["model=lsmt", "--like", "model=lstm"], "model=lsmt: no such option"),
    "reach": (
        [
            "model=transformer",
            "--like",
            "model=lstm",
            "model.dim=1",
            "--key",
            "model.feedforward_dim",
        ],
        "no width costs as little",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(capsys, name):
    arguments, says = WRONG[name]
    code, out, err = command(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_data_are_read_where_no_sizes_are_given():
    candidate = Candidate([*SMALL_COPY, "model=lstm"], "parameters")
    assert candidate.sizes.vocabularies == (10, 10)
    assert 2 <= candidate.sizes.lengths[0] <= 10
