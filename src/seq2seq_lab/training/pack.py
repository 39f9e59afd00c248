"""A pack: runs of one process whose training steps are computed together, `hydra/launcher=packed`.

Every run is the program that it is alone, in a thread of its own. Exactly one thread works at a time, and what belongs
to a process but is a run's own (the default random generators, the environment, the streams ...) is exchanged when the
work changes hands. A run waits where the loss of a training batch is needed, or the translation of a split; when all
wait, what they need is computed at once. A run that does something else, ends or fails simply works on.
"""

import contextlib
import functools
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from seq2seq_lab import stopping
from seq2seq_lab.config.keys import without
from seq2seq_lab.training.pack_step import Answer, Evaluation, Request, Steps, given_loss

Slot = tuple[Callable[[], Any], Callable[[Any], object]]
"""(get, set) of something that belongs to the process."""
State = Literal["ready", "running", "waiting", "away", "ended"]

_here = threading.local()


def current() -> "Member | None":
    """Return the run of a pack whose thread this is; None outside a pack."""
    return getattr(_here, "member", None)


@contextlib.contextmanager
def away() -> Iterator[None]:
    """Let the other runs of a pack work while this thread only waits for something outside the process."""
    member = current()
    if member is None:
        yield
        return
    member.store()
    try:
        member.pass_on("away")
        yield
    finally:
        member.wait("ready")


def facts() -> dict[str, Any]:
    """Return what a manifest says of the pack of this run; nothing outside a pack."""
    member = current()
    if member is None:
        return {}
    others = [one.name for one in member.pack.members if one is not member]
    return {"pack": {"with": others, "torch_threads": member.pack.threads}}


def evaluated(request: Evaluation) -> Any:
    """Return what a run needs of its model: computed alone, or in a pack with that of the other runs."""
    member = current()
    return request.alone() if member is None else member.evaluated(request)


def set_up(data: Any, config: dict[str, Any]) -> Any:
    """Return the data of a run, read; runs of a pack whose `data` differ in the seed alone read them once."""
    member = current()
    if member is not None:
        key = json.dumps(without(config, ("seed",)), sort_keys=True, default=str)
        first = member.pack.data.setdefault(key, data)
        if (
            first is not data and first.encoded
        ):  # else its reading failed: let this run find out why
            data.share(first)
            return data
    data.setup()
    return data


class Member:
    """One run of a pack and its thread. `name` is how the manifests of the others call it."""

    def __init__(self, pack: "Pack", name: str, task: Callable[[], Any]) -> None:
        self.pack, self.name, self.task = pack, name, task
        self.state: State = "ready"
        self.is_started = False
        self.request: Request | Evaluation | None = None
        self.answer: Answer | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.generators = [torch.Generator(one.device) for one in pack.defaults]
        self._values: list[Any] = []
        self._may_work = threading.Lock()
        self._may_work.acquire()
        self.thread = threading.Thread(target=self._work, name=f"run {name}", daemon=True)

    def loss(self, request: Request) -> Tensor:
        """Return the loss of a batch; it and its gradients are computed with those of the other runs."""
        answer = self._ask(request)
        return request.alone() if answer is None else given_loss(answer, request.module)

    def evaluated(self, request: Evaluation) -> Any:
        """Return what the run needs of its model, computed with that of the other runs."""
        answer = self._ask(request)
        return request.alone() if answer is None else answer.value

    def _ask(self, request: Request | Evaluation) -> Answer | None:
        self.request = request
        self.store()
        self.pass_on("waiting")
        self.wait("waiting")
        answer, self.answer, self.request = self.answer, None, None
        return answer

    def start(self) -> None:
        """Let the run work, from its beginning or where it waits, in its own thread."""
        self.state = "running"
        if not self.is_started:
            self.is_started = True
            self.thread.start()
        self._may_work.release()

    def store(self) -> None:
        """Keep what is this run's own of the process."""
        self._values = [get() for get, _ in self.pack.slots]
        for own, default in zip(self.generators, self.pack.defaults, strict=True):
            own.set_state(default.get_state())

    def restore(self) -> None:
        """Put it back."""
        for (_, put), value in zip(self.pack.slots, self._values, strict=True):
            put(value)
        for own, default in zip(self.generators, self.pack.defaults, strict=True):
            default.set_state(own.get_state())

    def pass_on(self, state: State) -> None:
        """Say that this thread does not work any more."""
        self.state = state
        self.pack.events.put(self)

    def wait(self, state: State) -> None:
        """Wait until this thread may work; what has been away says so first."""
        if state == "ready":
            self.pass_on("ready")
        self._may_work.acquire()
        self.restore()

    def _work(self) -> None:
        self._may_work.acquire()
        _here.member = self
        try:
            self.restore()
            self.value = self.task()
        except BaseException as error:
            self.error = error
        finally:
            self.pass_on("ended")


class Pack:
    """Carries out runs together; to be used in the main thread.

    `tasks` are (name, run), `threads` those of torch for the common steps, `slots` what each run has of the process
    for itself, beside torch's default generators, the streams and the environment.
    """

    def __init__(
        self,
        tasks: Sequence[tuple[str, Callable[[], Any]]],
        threads: int = 1,
        slots: Sequence[Slot] = (),
    ) -> None:
        self.screen, self.threads = sys.stderr, threads
        self.slots: list[Slot] = [*_STREAMS, _ENVIRONMENT, _DEFAULT_TYPE, *slots]
        self.defaults = [torch.default_generator]
        if torch.cuda.is_initialized():
            self.defaults.append(torch.cuda.default_generators[torch.cuda.current_device()])
        self.data: dict[str, Any] = {}
        self.events: queue.SimpleQueue[Member] = queue.SimpleQueue()
        self.signal: int | None = None
        self.members = [Member(self, name, task) for name, task in tasks]
        self._steps = Steps(self.say, threads)

    def run(self) -> None:
        """Carry all runs out; `value` or `error` of each says how it ended.

        After a signal that asks to stop, which `signal` then names, those under way have ended as they do alone, and
        no other has begun.
        """
        own = Member(self, "", lambda: None)
        for member in [own, *self.members]:
            member.store()
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with stopping.listening(self._receive, None):
                self._take_rounds()
        finally:
            self._steps.close()
            own.restore()
            torch.set_num_threads(threads)

    def say(self, text: str) -> None:
        """Write one line to the user's screen, whatever streams a run has."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self.screen.write(f"{text}\n")
            self.screen.flush()

    def _take_rounds(self) -> None:
        while left := [one for one in self.members if one.state != "ended"]:
            ready = [one for one in left if one.state == "ready"]
            waiting = [one for one in left if one.state == "waiting"]
            if ready:
                for member in ready:
                    self._let_work(member)
            elif waiting:
                self._steps(waiting)
                for member in waiting:
                    member.state = "ready"
            else:
                self.events.get()

    def _let_work(self, member: Member) -> None:
        if self.signal is not None and not member.is_started:
            member.state = "ended"
            return
        member.start()
        while member.state == "running":
            self.events.get()

    def _receive(self, number: int) -> None:
        """Stop: a run in training saves after its step, one that does something else ends where it is."""
        self.signal = number
        name = signal.Signals(number).name
        self.say(f"{name}: every run saves when its step is done; a second signal leaves at once")
        for member in self.members:
            if member.state == "running":
                stopping.stop_thread(member.thread, number)


def _put_environment(values: dict[str, str]) -> None:
    if os.environ != values:
        for name in os.environ.keys() - values.keys():
            del os.environ[name]
        os.environ.update(values)


def _stream(name: str) -> Slot:
    return functools.partial(getattr, sys, name), functools.partial(setattr, sys, name)


_STREAMS = (_stream("stdout"), _stream("stderr"))
_ENVIRONMENT: Slot = (lambda: dict(os.environ), _put_environment)
_DEFAULT_TYPE: Slot = (torch.get_default_dtype, torch.set_default_dtype)
