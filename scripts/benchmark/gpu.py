"""What a GPU makes of the work: seconds per epoch, share of its matrix product, search, several runs on one GPU.

Every part is short (`--steps` batches after some for warming up), so that the whole table takes minutes. On the CPU the
same program runs, for tests; its figures mean nothing there.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import torch

from benchmark import work
from benchmark.measure import batches_on, sizes_of
from benchmark.timing import wait_for_device
from benchmark.work import (
    Trainer,
    flops_per_target_token,
    forced_loss,
    make_batches,
    make_model,
    make_pairs,
)
from seq2seq_lab.batch import Batch
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.errors import ConfigError, is_out_of_memory, one_line
from seq2seq_lab.model.kernel.graph import RecordedLoop
from seq2seq_lab.special_tokens import EOS

PAIRS = 29_000
"""Of Multi30k: an epoch has so many."""
SENTENCES, LENGTH = 1000, 14
"""Of a search: as many as test_2016 has, held to the mean length."""
SEARCH_BATCH = 250
WARM_UP = 10
"""Batches before the clock starts; with graphs every size is recorded first."""
FED, NOT_FED = "lstm_attn_input_feed", "lstm_attn"
PROCESSES = (1, 2, 4)
GOALS = {(FED, "bf16"): 3.0, (NOT_FED, "bf16"): 1.0}
"""Seconds per epoch on an H200."""
LIMIT = 60.0
"""Seconds that one part may take; processes that have not met by then are given up."""


@dataclass(frozen=True)
class Speed:
    """Of some training steps: target tokens per second and the seconds that an epoch takes at this speed."""

    tokens: float
    epoch: float


def gpu(arguments: Any, report: Callable[..., Any]) -> dict[str, Any]:  # noqa: ARG001
    """Measure all parts and say each figure as it is found."""
    device, steps = arguments.device, arguments.steps
    found: dict[str, Any] = {}
    parts = [
        training(device, steps), graphs(device, steps), compiled(device, steps), search(device), several(device, steps),
    ]  # fmt: skip
    for part in parts:
        for name, figures, text in part:
            found[name] = figures
            print(f"{name:<60} {text}", flush=True)
    return {"gpu": found}


def refuse_without(device: str) -> None:
    """Raise `ConfigError` if this is a CUDA device and the machine has none."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(
            "gpu: this machine has no CUDA device that torch can use; --device cpu --steps 2 runs the same program "
            "without a meaning"
        )


Row = tuple[str, dict[str, float], str]


def in_precision(precision: str, device: str) -> torch.autocast:
    """Return the context of bf16, fp32 or tf32, which is set here as well."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return torch.autocast(
        torch.device(device).type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False
    )


def product(device: str, precision: str) -> float:
    """Return the floating-point operations per second of a large product of matrices."""
    size = 8192 if device.startswith("cuda") else 512
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    in_precision(precision, device)
    torch.mm(matrix, matrix)
    wait_for_device()
    begin = time.perf_counter()
    for _ in range(5):
        torch.mm(matrix, matrix)
    wait_for_device()
    return 5 * 2.0 * size**3 / (time.perf_counter() - begin)


def timed(step: Callable[[Batch], object], batches: list[Batch], steps: int, warm_up: int) -> Speed:
    """Run some batches for warming up, then measure."""
    for i in range(warm_up):
        step(batches[i % len(batches)])
    measured = [batches[i % len(batches)] for i in range(steps)]
    wait_for_device()
    begin = time.perf_counter()
    for batch in measured:
        step(batch)
    wait_for_device()
    seconds = time.perf_counter() - begin
    pairs = sum(len(batch) for batch in measured)
    return Speed(sum(b.num_target_tokens for b in measured) / seconds, seconds * PAIRS / pairs)


def trainer_of(name: str, device: str, precision: str) -> Trainer:
    """Return the bare loop over a fresh model in this precision."""

    def loss(model: Any, batch: Batch) -> torch.Tensor:
        with in_precision(precision, device):
            return forced_loss(model, batch)

    return Trainer(make_model(name).to(device), loss)


def row(what: str, name: str, precision: str, speed: Speed, share: float | None) -> Row:
    """Return the row of a training."""
    goal = GOALS.get((name, precision))
    text = (
        f"{speed.epoch:8.2f} s per epoch of {PAIRS:,} pairs, {speed.tokens:>10,.0f} target tokens/s"
    )
    text += f", {share:.3f} of the matrix product" if share is not None else ""
    text += f" (goal on an H200: {goal:.0f} s)" if goal else ""
    figures = {"epoch_seconds": speed.epoch, "target_tokens_per_second": speed.tokens}
    figures |= {} if share is None else {"share_of_product": share}
    return f"{what}, {name}, {precision}", figures, text


def training(device: str, steps: int) -> Iterator[Row]:
    """Train with and without input feeding, in three precisions."""
    batches = batches_on(device, bucketed=True)
    sizes = sizes_of(batches)
    for precision in ("bf16", "tf32", "fp32"):
        peak = product(device, precision)
        yield f"matrix product, {precision}", {"flops": peak}, f"{peak / 1e12:8.2f} TFLOP/s"
        for name in (FED, NOT_FED):
            speed = timed(trainer_of(name, device, precision), batches, steps, min(WARM_UP, steps))
            share = speed.tokens * flops_per_target_token(name, sizes) / peak
            yield row("training", name, precision, speed, share)


def graphs(device: str, steps: int) -> Iterator[Row]:
    """Train with input feeding through CUDA graphs; every size is recorded before the clock starts."""
    if not device.startswith("cuda"):
        return
    batches = batches_on(device, bucketed=True)
    trainer = trainer_of(FED, device, "bf16")
    decoder: Any = trainer.model.decoder
    decoder.readouts = RecordedLoop(decoder)
    begin = time.perf_counter()
    for batch in batches:
        trainer(batch)
        if time.perf_counter() - begin > LIMIT / 2:
            break
    speed = timed(trainer, batches, steps, 0)
    yield row(f"{len(decoder.readouts.recorded)} CUDA graphs", FED, "bf16", speed, None)


def compiled(device: str, steps: int) -> Iterator[Row]:
    """Train without feedback through torch.compile, which a GPU's many small kernels may gain from."""
    if not device.startswith("cuda"):
        return
    batches = batches_on(device, bucketed=True)
    trainer = trainer_of(NOT_FED, device, "bf16")
    try:
        trainer.model.compile(dynamic=True)
        begin = time.perf_counter()
        speed = timed(trainer, batches, steps, min(WARM_UP, steps))
        first = time.perf_counter() - begin
    except Exception as error:
        yield "torch.compile", {}, f"failed: {one_line(error)[:100]}"
        return
    name, figures, text = row("torch.compile", NOT_FED, "bf16", speed, None)
    yield name, figures | {"seconds_in_all": first}, f"{text}, {first:.0f} s with compiling"


def search(device: str) -> Iterator[Row]:
    """Translate 1,000 sentences by greedy and beam search, all held to the mean length."""
    model = make_model(FED).to(device).eval()
    with torch.no_grad():
        model.decoder.output.bias[EOS] = -inf  # nobody ends before the limit
    pairs = make_pairs(SENTENCES)
    items = [b.to(torch.device(device)) for b in make_batches(pairs, SEARCH_BATCH, bucketed=True)]
    searches: dict[str, Any] = {
        "greedy": Greedy(max_ratio=0.0, max_extra=LENGTH),
        "beam 5": Beam(beam_size=5, max_ratio=0.0, max_extra=LENGTH),
    }
    for name, one in searches.items():
        goal = 1 if name == "greedy" else 3
        translated(model, one, items[:1])
        wait_for_device()
        begin = time.perf_counter()
        translated(model, one, items)
        wait_for_device()
        seconds = time.perf_counter() - begin
        text = f"{seconds:8.2f} s for {SENTENCES:,} sentences of {LENGTH} tokens (goal on an H200: {goal} s)"
        yield f"search, {name}, fp32", {"seconds": seconds}, text


@torch.inference_mode()
def translated(model: Any, one: Any, batches: list[Batch]) -> None:
    """Search through all batches."""
    for batch in batches:
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        one(
            model.stepper(),
            state,
            Request(batch.source_lengths, batch.ids, [[] for _ in batch.ids]),
        )


_together: Any = None


def _meet(barrier: Any, sizes: dict[str, int]) -> None:
    global _together
    _together = barrier
    for name, value in sizes.items():  # those of the parent, which a test makes small
        setattr(work, name, value)


def _one_of_several(device: str, steps: int) -> float:
    """Train in a process of its own, beginning with the others; return target tokens per second."""
    torch.set_num_threads(1)
    batches = batches_on(device, bucketed=True)
    trainer = trainer_of(FED, device, "bf16")
    for batch in batches[: min(WARM_UP, steps)]:
        trainer(batch)
    wait_for_device()
    _together.wait(LIMIT)
    return timed(trainer, batches, steps, 0).tokens


def several(device: str, steps: int) -> Iterator[Row]:
    """Train one, two and four models on the same GPU at once, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    alone = None
    sizes = {n: getattr(work, n) for n in ("EMBEDDING", "DIM", "SOURCE_VOCAB", "TARGET_VOCAB")}
    for count in PROCESSES:
        begin = partial(_meet, context.Barrier(count), sizes)
        with ProcessPoolExecutor(count, context, begin) as pool:
            runs = [pool.submit(_one_of_several, device, steps) for _ in range(count)]
            try:
                total = sum(run.result(3 * LIMIT) for run in runs)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                yield f"{count} processes, {FED}, bf16", {}, "out of memory"
                return
        alone = alone or total
        text = f"{total:>10,.0f} target tokens/s in all, {total / alone:.2f} times one process"
        yield f"{count} processes, {FED}, bf16", {"target_tokens_per_second": total}, text
