"""The training step of a pack: losses and gradients of several runs, computed as one batched program.

Each run gets its loss through a function whose backward gives the gradients that are there already. What follows
(accumulation, clipping, optimizer, schedule, checkpoints) is the run's own and knows nothing of the others.
"""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seq2seq_lab.batch import Batch
from seq2seq_lab.errors import one_line
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.scheduled_sampling.seedwise import has_seedwise_form, sampled_logits


@dataclass
class Request:
    """What a run needs: the summed loss of a batch at a teacher-forcing ratio. `module` is its `Seq2SeqModule`."""

    module: Any
    batch: Batch
    ratio: float

    def alone(self) -> Tensor:
        """Return the loss, computed by the run's own model."""
        return self.module.batch_loss(self.batch, self.ratio)


@dataclass
class Evaluation:
    """What a run needs of its model outside training: what `alone` returns.

    `at_once` returns it for several runs from their models as one, if their `name` and `inputs`, which are the same
    object, agree.
    """

    module: Any
    name: str
    inputs: object
    alone: Callable[[], Any]
    at_once: Callable[[Seedwise], list[Any]]


@dataclass
class Answer:
    """A loss and its gradients, one for each of the model's parameters, None where it has none; or an evaluation."""

    value: Any
    gradients: list[Tensor | None]


@runtime_checkable
class Waiting(Protocol):
    """A run that waits for an answer; without one it computes its request alone."""

    request: Request | Evaluation | None
    answer: Answer | None
    generators: list[torch.Generator]


class _Given(torch.autograd.Function):
    """A loss whose gradients are known; they are used up by the backward."""

    @staticmethod
    def forward(ctx: Any, answer: Answer, *parameters: Tensor) -> Tensor:  # noqa: ARG004
        ctx.gradients = answer.gradients
        return answer.value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, []
        torch._foreach_mul_([one for one in gradients if one is not None], factor)
        return (None, *gradients)


def given_loss(answer: Answer, module: Any) -> Tensor:
    """Return the loss of an answer as a function of the parameters of the module's model."""
    return _Given.apply(answer, *module.model.parameters())


class _Stack:
    """Several models as one, made again when other models come."""

    def __init__(self) -> None:
        self._modules: list[Any] = []
        self._models: Any = None

    def answers(self, waiting: Sequence[Waiting]) -> list[Answer]:
        """Return losses and gradients of these requests, or their evaluations, in their order."""
        requests: list[Any] = [member.request for member in waiting]
        modules = [request.module for request in requests]
        if list(map(id, modules)) != list(map(id, self._modules)):
            self._models, self._modules = stacked([module.model for module in modules]), modules
        if isinstance(requests[0], Evaluation):
            return [Answer(found, []) for found in requests[0].at_once(self._models)]
        batches = [request.batch for request in requests]
        device = modules[0].device.type
        drawing = [next(g for g in m.generators if g.device.type == device) for m in waiting]
        with torch.enable_grad():
            logits = self._logits(requests, batches, drawing)
            losses = [
                module.loss(one, batch.targets)
                for module, one, batch in zip(modules, logits, batches, strict=True)
            ]
            torch.stack(losses).sum().backward()
        gradients = self._models.gradients()
        return [Answer(one.detach(), list(own)) for one, own in zip(losses, gradients, strict=True)]

    def _logits(
        self, requests: Sequence[Request], batches: list[Batch], drawing: list[torch.Generator]
    ) -> list[Tensor]:
        if requests[0].ratio >= 1.0:
            return self._models.logits(batches, drawing)
        each = [
            (one.module.scheduled_sampling, one.ratio, one.module.sampling_generator)
            for one in requests
        ]
        samplings, ratios, samplers = zip(*each, strict=True)
        return sampled_logits(self._models, batches, samplings, ratios, samplers, drawing)


class Steps:
    """Answers the requests that can be computed together; `say` is called with what keeps others from it.

    On the CPU each of `threads` threads computes a part of the runs, by itself: the small products of a step do not
    fill two cores, several programs of them do.
    """

    def __init__(self, say: Callable[[str], object], threads: int = 1) -> None:
        self._say, self._threads = say, threads
        self._stacks = [_Stack() for _ in range(threads)]
        self._workers = ThreadPoolExecutor(threads, "steps", torch.set_num_threads, (1,))
        self._failures, self._is_possible = 0, True
        self._kinds: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()

    def close(self) -> None:
        """End the threads."""
        self._workers.shutdown()

    def __call__(self, waiting: Sequence[Waiting]) -> None:
        """Compute what fits together; the rest keeps no answer, and an error leaves all of them without."""
        groups: dict[Any, list[Waiting]] = {}
        for member in waiting:
            request = member.request
            if request is not None and can_be_shared(request):
                groups.setdefault(self._kind(request), []).append(member)
        for members in groups.values():
            if len(members) > 1 and self._is_possible:
                self._answer(members)

    def _answer(self, members: Sequence[Waiting]) -> None:
        """Answer requests of one kind; an error leaves them without an answer."""
        drawing = [own for member in members for own in _generators(member)]
        before = [own.get_state() for own in drawing]
        try:
            answers = self._computed(members)
        except Exception as error:
            self._stacks = [_Stack() for _ in range(self._threads)]
            self._failed(error)
            for own, state in zip(drawing, before, strict=True):
                own.set_state(state)
            return
        self._failures = 0
        for member, answer in zip(members, answers, strict=True):
            member.answer = answer

    def _computed(self, members: Sequence[Waiting]) -> list[Answer]:
        on_cpu = all(m.request is None or m.request.module.device.type == "cpu" for m in members)
        count = min(self._threads, len(members)) if on_cpu else 1
        if count == 1:
            return self._stacks[0].answers(members)
        ends = [len(members) * number // count for number in range(count + 1)]
        parts = [members[start:end] for start, end in itertools.pairwise(ends)]
        found = self._workers.map(_Stack.answers, self._stacks[:count], parts)
        return list(itertools.chain.from_iterable(list(found)))

    def _kind(self, request: Request | Evaluation) -> Any:
        """Return what two requests must have in common."""
        module = request.module
        if module not in self._kinds:
            self._kinds[module] = tuple(
                (p.shape, p.dtype, p.device) for p in module.model.parameters()
            )
        if isinstance(request, Evaluation):
            return self._kinds[module], request.name, id(request.inputs)
        return self._kinds[module], module.training, request.ratio >= 1.0

    def _failed(self, error: Exception) -> None:
        """Say why a step was not computed together, and stop trying after a second time in a row."""
        self._failures += 1
        is_known = isinstance(error, NotImplementedError)
        if is_known or self._failures > 1:
            self._is_possible = False
            kind = "" if is_known else f"{type(error).__name__}: "
            self._say(
                "note: the runs of this pack compute their steps one after another "
                f"({kind}{one_line(error)[:200]})"
            )


def stacked(models: Sequence[EncoderDecoder]) -> Seedwise:
    """Return the models as one; raises `NotImplementedError` for a part that has no such form."""
    return Seedwise(models)


def can_be_shared(request: Request | Evaluation) -> bool:
    """Tell whether it is an evaluation or a loss whose parts are known and have no parameters."""
    if isinstance(request, Evaluation):
        return True
    sampling, loss = request.module.scheduled_sampling, request.module.loss
    has_parameters = next(loss.parameters(), None) is not None
    return has_seedwise_form(sampling, request.ratio) and not has_parameters


def _generators(member: Waiting) -> list[torch.Generator]:
    """Return all that a request may draw from."""
    own = [member.request.module.sampling_generator] if isinstance(member.request, Request) else []
    return [*member.generators, *own]
