import math
from functools import partial

import pytest

from seq2seq_lab.testing import check_schedule
from seq2seq_lab.testing.schedule import (
    is_one_in_the_warm_up,
    stays_in_its_range_and_never_rises,
    time_is_the_step_or_the_epoch,
)
from seq2seq_lab.training.scheduled_sampling import schedule as module
from seq2seq_lab.training.scheduled_sampling.schedule import (
    Constant,
    Exponential,
    InverseSigmoid,
    Linear,
    Schedule,
)
from support.tiny_models import class_of, nodes, public_subclasses

NODES = nodes("../training/scheduled_sampling/schedule")
EVERY = pytest.mark.parametrize("name", list(NODES))


def make(name: str, **changes) -> Schedule:
    arguments = {k: v for k, v in NODES[name].items() if not k.startswith("_")}
    return class_of(NODES[name])(**arguments | changes)


def test_classes_and_yaml_files_are_the_same_set():
    named = {class_of(node) for node in NODES.values()}
    assert named == public_subclasses(module, Schedule) != set()


# closed forms, worked out by hand

BY_HAND = [
    (Linear(duration=4), {0: 1.0, 1: 0.75, 2: 0.5, 4: 0.0, 9: 0.0}),
    (Linear(duration=10, start=0.8, end=0.3), {0: 0.8, 5: 0.55, 10: 0.3, 1000: 0.3}),
    (Exponential(base=0.5), {0: 1.0, 1: 0.5, 3: 0.125}),
    (Exponential(base=0.5, end=0.2), {1: 0.5, 2: 0.25, 3: 0.2, 10**6: 0.2}),
    (InverseSigmoid(speed=1.0), {0: 0.5, 1: 1 / (1 + math.e)}),
    (InverseSigmoid(speed=10.0), {0: 10 / 11, 10: 10 / (10 + math.e), 10**6: 0.0}),
    (InverseSigmoid(speed=10.0, end=0.25), {23: 10 / (10 + math.exp(2.3)), 100: 0.25}),
    (Constant(0.3), {0: 0.3, 10**9: 0.3}),
]


def follows(schedule: Schedule, points: dict[int, float]) -> None:
    for time, ratio in points.items():
        assert schedule(time, 0) == pytest.approx(ratio, abs=1e-5)


@pytest.mark.parametrize(("schedule", "points"), BY_HAND)
def test_the_ratio_is_the_closed_form(schedule, points):
    follows(schedule, points)


def test_the_inverse_sigmoid_is_half_at_k_ln_k():
    for speed in (50.0, 1000.0, 3000.0):
        time = round(speed * math.log(speed))
        assert module.inverse_sigmoid_decay(time, speed) == pytest.approx(0.5, abs=0.005)


@EVERY
def test_the_ratio_stays_in_its_range_and_never_rises(name):
    stays_in_its_range_and_never_rises(partial(make, name))


@pytest.mark.parametrize("kind", [Linear, Exponential, InverseSigmoid])
def test_a_decay_ends_at_its_floor(kind):
    argument = {Linear: 5, Exponential: 0.5, InverseSigmoid: 2.0}[kind]
    assert kind(argument, end=0.125)(10**6, 0) == 0.125


@EVERY
def test_the_ratio_is_1_in_the_warm_up_and_time_counts_from_its_end(name):
    is_one_in_the_warm_up(partial(make, name))


@EVERY
def test_time_is_the_step_or_the_epoch_and_not_both(name):
    time_is_the_step_or_the_epoch(partial(make, name))


def test_the_default_is_pure_teacher_forcing():
    assert Constant()(0, 0) == 1.0


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: Constant(1.1), r"ratio=1.1: must be in \[0, 1\]"),
        (lambda: Constant(-0.1), r"ratio=-0.1: must be in \[0, 1\]"),
        (lambda: Linear(duration=0), "duration=0: must be >= 1"),
        (lambda: Linear(duration=5, start=0.2, end=0.5), "end=0.5: must be <= start=0.2"),
        (lambda: Exponential(base=1.0), r"base=1.0: must be in \(0, 1\)"),
        (lambda: InverseSigmoid(speed=0.5), "speed=0.5: must be >= 1"),
        (lambda: InverseSigmoid(speed=5.0, end=1.5), r"end=1.5: must be in \[0, 1\]"),
        (lambda: Constant(warmup=-1), "warmup=-1: must be >= 0"),
    ],
)
def test_settings_out_of_range_are_refused(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


# planted bugs


@pytest.mark.parametrize("name", ["linear_decay", "exponential_decay", "inverse_sigmoid_decay"])
@pytest.mark.parametrize(
    "bug", [lambda f: lambda t, *a: f(t + 1, *a), lambda f: lambda t, *a: 1 - f(t, *a)]
)
def test_planted_wrong_curve_is_caught(monkeypatch, name, bug):
    monkeypatch.setattr(module, name, bug(getattr(module, name)))

    def on_all():
        for schedule, points in BY_HAND:
            follows(schedule, points)

    with pytest.raises(AssertionError):
        on_all()


class Rising(Schedule):
    """The wrong way round."""

    def at(self, time):
        return min(1.0, time / 100)


class IgnoresTheWarmUp(Linear):
    """Counts from the start of training."""

    def __call__(self, step, epoch):
        return self.at(epoch if self.by_epoch else step)


class CountsEpochsToo(Linear):
    """Mixes both units of time."""

    def __call__(self, step, epoch):
        return super().__call__(step, epoch) / (1 + epoch)


def test_schedules_of_ours_pass_the_check():
    check_schedule(Linear, duration=1000)
    check_schedule(Constant, ratio=0.5)


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        (Rising, {}, r"never rises: .*after"),
        (IgnoresTheWarmUp, {"duration": 50}, "the ratio is 1 in the warm-up"),
        (CountsEpochsToo, {"duration": 5000}, "time is the step, or the epoch"),
    ],
)
def test_planted_schedule_is_caught_and_named(kind, arguments, named):
    with pytest.raises(AssertionError, match=named):
        check_schedule(kind, **arguments)
