"""kill -9 at random moments of training, twice in a row too, and at chosen ones in a matrix of kinds of runs.

Resumed, each run ends as if it had been left alone.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.child import Child, start_train
from faults.row import Attempts, Scale, row
from faults.training_runs import (
    RUN,
    RUN_DIR,
    SAMPLED,
    ended_well,
    ends_like,
    killed_at_hook,
    killed_at_write,
    left_alone,
    resume,
    writes_of,
)

KINDS = {
    "dropout": (),
    "scheduled sampling in sequence": (*SAMPLED, "training/scheduled_sampling=sequential"),
    "scheduled sampling in parallel": (*SAMPLED, "training/scheduled_sampling=parallel"),
    "accumulation": ("training.trainer.accumulate_grad_batches=3",),
    "BPE": ("data=toy_zh_en", "data/tokenizer=bpe", "data.max_pairs=40"),
    "one worker": ("data.num_workers=1", *SAMPLED),
    "plateau": ("training/lr_schedule=plateau", *SAMPLED),
    "inverse square root": ("training/lr_schedule=inverse_sqrt", "training/optimizer=adamw"),
    "beam": ("decoding=beam", "model=gru_attn"),
    "transformer": ("model=transformer", *SAMPLED),
}
"""Every kind of state that a checkpoint must hold; the model is the default one unless it is named."""


def overrides_of(name: str) -> tuple[str, ...]:
    """Return the overrides of a run of this kind."""
    groups = {o.partition("=")[0] for o in KINDS[name] if "=" in o}
    corpus = ("data.corpus.", "data.max_length")
    return tuple(
        o
        for o in RUN
        if o.partition("=")[0] not in groups and not ("data" in groups and o.startswith(corpus))
    ) + tuple(KINDS[name])


def _kill_at(
    folder: Path, moment: float, by_write: bool, writes: int, seconds: float, line: tuple[str, ...]
) -> Child:
    """Kill at a share of the run's writes, or of its time."""
    if by_write:
        child = killed_at_write(folder, 1 + int(moment * writes), *line)
        child.wait()
        return child
    child = start_train(folder, *line, RUN_DIR)
    end = time.monotonic() + moment * seconds
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    child.kill()
    return child


def kill_and_resume(name: str, count: int, seed: int, folder: Path, attempts: Attempts) -> None:
    """Kill so many runs of this kind; every third one is killed again when it is resumed."""
    line, dice = overrides_of(name), random.Random(f"{seed} {name}")
    alone = left_alone(folder / "alone", *line)
    begin = time.monotonic()
    writes = writes_of(folder / "counted", *line)
    seconds = time.monotonic() - begin
    for number in range(count):
        kills = [dice.uniform(0.05, 1.0) for _ in range(1 + (number % 3 == 2))]
        by_write = number % 2 == 0
        place = folder / str(number)
        with attempts.one(f"kill {number} at {kills} of its {'writes' if by_write else 'time'}:"):
            for again, moment in enumerate(kills):
                extra = ("resume=auto",) if again else ()
                _kill_at(place, moment, by_write, writes, seconds, (*line, *extra))
            ended_well(resume(place, *line).wait())
            ends_like(place / "run", alone)
        shutil.rmtree(place, ignore_errors=True)


@row("kills")
def kills(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """One case for each kind of run."""
    each = scale.pick(20, 2, 1)
    for name in scale.thin(list(KINDS), len(KINDS), 1):
        yield name, lambda f, a, name=name: kill_and_resume(name, each, scale.seed, f, a)


MODELS = {
    "lstm": ("model=lstm",),
    "gru, attention": ("model=gru_attn",),
    "transformer": ("model=transformer",),
}
TRAININGS = {
    "plain": (),
    "sampled": SAMPLED,
    "accumulated": ("training.trainer.accumulate_grad_batches=3",),
    "plateau": ("training/lr_schedule=plateau", *SAMPLED),
    "parallel, warm-up": (
        *SAMPLED, "training/scheduled_sampling=parallel", "training/lr_schedule=inverse_sqrt",
        "training.trainer.accumulate_grad_batches=2"),
}  # fmt: skip
PLACES = {
    "mid epoch": ("on_train_batch_start", 0.4),
    "last batch": ("on_train_batch_end", 1.0),
    "after a validation": ("on_validation_end", 0.5),
    "finished": ("on_fit_end", 1.0),
}
"""A hook, and the share of the optimizer steps after which it strikes."""


def resume_from_every_place(
    model: str, training: str, count: int, folder: Path, attempts: Attempts
) -> None:
    """Kill a run at each place and resume it there."""
    line = (*RUN, *MODELS[model], *TRAININGS[training])
    alone = left_alone(folder / "alone", *line)
    steps = alone["last.ckpt"]["global_step"]
    for place in list(PLACES)[-count:]:
        hook, share = PLACES[place]
        with attempts.one(f"{place}:"):
            child = killed_at_hook(folder / place, hook, round(share * steps), *line)
            assert child.wait().code == -9, "the place did not come"
            ended_well(resume(folder / place, *line).wait())
            ends_like(folder / place / "run", alone)
        shutil.rmtree(folder / place, ignore_errors=True)


@row("resume")
def resumed(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Model x training, each resumed from every place."""
    pairs = scale.thin([(m, t) for t in TRAININGS for m in MODELS], 7, 1)
    count = scale.pick(4, 4, 1)
    for model, training in pairs:
        yield (
            f"{model}, {training}",
            lambda f, a, m=model, t=training: resume_from_every_place(m, t, count, f, a),
        )
