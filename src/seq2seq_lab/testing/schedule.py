"""The properties of a schedule of scheduled sampling, each as a function, and `check_schedule` over all of them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from seq2seq_lab.doctor.agreement import demand
from seq2seq_lab.doctor.scheduled_sampling import schedule_gives_ratios
from seq2seq_lab.testing.claims import Claim, hold
from seq2seq_lab.training.scheduled_sampling.schedule import Schedule

Make = Callable[..., Schedule]


def stays_in_its_range_and_never_rises(make: Make) -> None:
    """The ratio is in [0, 1] at every step and never rises."""
    schedule, before = make(), 1.0
    schedule_gives_ratios(schedule)
    for step in range(0, 20_000, 7):
        ratio = schedule(step, 0)
        demand(0.0 <= ratio <= before, f"a ratio of {ratio} at step {step}, after {before}")
        before = ratio


def is_one_in_the_warm_up(make: Make) -> None:
    """The ratio is 1 during the warm-up, and time counts from its end."""
    late, plain = make(warmup=100), make()
    for step in range(100):
        demand(
            late(step, 0) == 1.0, f"a ratio of {late(step, 0)} at step {step} of a warm-up of 100"
        )
    for step in (0, 1, 50):
        found, expected = late(100 + step, 0), plain(step, 0)
        demand(found == expected, f"{found} at {step} steps after the warm-up, {expected} without")


def time_is_the_step_or_the_epoch(make: Make) -> None:
    """By step the epoch has no effect, and by epoch the step has none."""
    by_step, by_epoch = make(), make(by_epoch=True)
    for time in (0, 3, 1000):
        found = [by_step(time, 77), by_step(time, 0), by_epoch(0, time), by_epoch(99, time)]
        demand(len(set(found)) == 1, f"ratios {found} at time {time} by step and by epoch")


_TABLE: tuple[tuple[str, Any, str], ...] = (
    (
        "the ratio is in [0, 1] and never rises",
        stays_in_its_range_and_never_rises,
        "Clip what `at` returns; it counts from 0 to the end of training",
    ),
    (
        "the ratio is 1 in the warm-up, and time counts from its end",
        is_one_in_the_warm_up,
        "Pass `warmup` to the base class and write `at` only",
    ),
    (
        "time is the step, or the epoch with by_epoch",
        time_is_the_step_or_the_epoch,
        "Pass `by_epoch` to the base class and write `at` only",
    ),
)


def check_schedule(cls: type[Schedule], **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of schedule gives ratios over time; it is made with `arguments`."""
    make = partial(cls, **arguments)
    hold(
        cls.__name__, [Claim(name, partial(check, make), advice) for name, check, advice in _TABLE]
    )
