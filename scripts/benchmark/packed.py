"""Several seeds as one program against the processes of `hydra/launcher=local`, by bare training steps.

One process with all threads steps several seeds at once; as many processes as threads step one seed each, or several
at once, with one thread. The work is the default task with its default batches, without the framework around them.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import torch

from benchmark.timing import Competitor, Rate, interleaved, wait_for_device
from benchmark.work import Trainer, forced_loss
from seq2seq_lab.batch import Batch
from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.config.vocabulary_sizes import fill_sizes
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.loss import negative_log_likelihood

SEEDS, PACK = (1, 2, 4, 8, 16), 8
MODELS = {"lstm_attn": [], "lstm_attn, dim 32": ["model.dim=32", "model.embedding_dim=32"]}
BATCHES = 12
Items = list[list[Batch]]


class Work:
    """The batches of the default task, in groups, and models of any seed."""

    def __init__(self, overrides: list[str], each: int):
        cfg = compose_config(["model=lstm_attn", *overrides])
        data = build(resolve(cfg)["data"])
        data.setup()
        fill_sizes(cfg.model, *data.vocabulary_sizes)
        self._model = resolve(cfg)["model"]
        batches = list(islice(iter(data.train_dataloader()), BATCHES))
        self.items: Items = [batches[i : i + each] for i in range(0, BATCHES, each)]

    def items_on(self, device: str) -> Items:
        """Return the groups of batches on the device."""
        return [[batch.to(torch.device(device)) for batch in group] for group in self.items]

    def model(self, seed: int, device: str) -> EncoderDecoder:
        """Return a fresh model on the device."""
        torch.manual_seed(seed)
        return build(self._model).to(device)


class PackedTrainer:
    """The bare loop over several models at once: loss and backward together, clip and Adam for each."""

    def __init__(self, models: list[EncoderDecoder]):
        self.models = [model.train() for model in models]
        self.seedwise = Seedwise(models)
        device = next(models[0].parameters()).device
        self.generators = [torch.Generator(device).manual_seed(i) for i in range(len(models))]
        self.optimizers = [
            torch.optim.Adam(model.parameters(), lr=1e-3, fused=True) for model in models
        ]

    def __call__(self, batch: Batch) -> None:
        """Take one step with the same batch for every model."""
        logits = self.seedwise.logits([batch] * len(self.models), self.generators)
        targets = batch.target_output[batch.target_mask]
        losses = [negative_log_likelihood(one, targets) / len(targets) for one in logits]
        torch.stack(losses).sum().backward()
        found = self.seedwise.gradients()
        for model, optimizer, gradients in zip(self.models, self.optimizers, found, strict=True):
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.grad = gradient
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()


def step_alone(pipe: Any, work: Work, device: str, seeds: list[int]) -> None:
    """Step with one thread whenever a number of a group of batches comes through the pipe: one model, or a pack."""
    torch.set_num_threads(1)
    items = work.items_on(device)
    models = [work.model(seed, device) for seed in seeds]
    trainer = PackedTrainer(models) if len(models) > 1 else Trainer(models[0], forced_loss)
    pipe.send(None)
    while (number := pipe.recv()) is not None:
        for batch in items[number]:
            trainer(batch)
        wait_for_device()
        pipe.send(None)


@contextmanager
def processes(count: int, seeds: int, work: Work, device: str) -> Iterator[Callable[[int], None]]:
    """Start processes of so many seeds; yield what steps all over one group of batches, and end them afterwards."""
    context = multiprocessing.get_context("spawn")
    pipes, started = [], []
    for first in range(0, count * seeds, seeds):
        mine, theirs = context.Pipe()
        arguments = (theirs, work, device, list(range(first, first + seeds)))
        started.append(context.Process(target=step_alone, args=arguments, daemon=True))
        started[-1].start()
        pipes.append(mine)

    def wait() -> None:
        for pipe in pipes:
            pipe.recv()

    def step(number: int) -> None:
        for pipe in pipes:
            pipe.send(number)
        wait()

    wait()
    try:
        yield step
    finally:
        for pipe in pipes:
            pipe.send(None)
        for one in started:
            one.join()


def packed(
    arguments: Any, report: Callable[[str, dict[str, Rate], str, str], dict[str, float]]
) -> dict[str, Any]:
    """Compare target tokens per second in turn, for the default model and a tiny one."""
    found = {}
    for name, overrides in MODELS.items():
        each = min(arguments.steps, BATCHES)
        rates, alone = measured(overrides, each, arguments.device, arguments.rounds)
        found[name] = report(name, rates, alone, "target tokens/s")
    return {"ratios_to_processes": found}


def measured(
    overrides: list[str], each: int, device: str, rounds: int
) -> tuple[dict[str, Rate], str]:
    """Return the rates for one model, and the name of the processes among them."""
    work, count = Work(overrides, each), torch.get_num_threads()
    items = work.items_on(device)
    sizes = [float(sum(batch.num_target_tokens for batch in group)) for group in work.items]
    numbers, alone = list(range(len(sizes))), f"{count} processes, one thread each"
    with ExitStack() as stack:
        competitors = []
        for seeds in (1, PACK):
            step = stack.enter_context(processes(count, seeds, work, device))
            total = count * seeds
            name = alone if seeds == 1 else f"{count} processes of {seeds} seeds at once"
            competitors.append(Competitor(name, step, numbers, lambda i, n=total: n * sizes[i]))
        for seeds in SEEDS:
            trainer = PackedTrainer([work.model(seed, device) for seed in range(seeds)])
            competitors.append(competitor(trainer, items, numbers, sizes))
        return interleaved(competitors, rounds, 1, warm_up=1), alone


def competitor(
    trainer: PackedTrainer, items: Items, numbers: list[int], sizes: list[float]
) -> Competitor:
    """Return the stepping of several seeds at once over groups of batches."""
    seeds = len(trainer.models)

    def step(number: int) -> None:
        for batch in items[number]:
            trainer(batch)

    label = f"{seeds} seeds at once" if seeds > 1 else "1 seed by the same program"
    return Competitor(label, step, numbers, lambda i: seeds * sizes[i])
