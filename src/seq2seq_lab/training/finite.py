"""Ends a run at a number that is not finite, naming step and pairs, without a wait at every step of an accelerator."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq_lab.device_queue import has_queue
from seq2seq_lab.errors import NotFiniteError

MOST_WAITING = 50
"""The most steps that an accelerator goes on after a number that is not finite."""


@dataclass(frozen=True)
class _Number:
    value: Tensor
    what: str
    step: int
    pairs: list[int]


class FiniteCheck:
    """Checks numbers: at once on the CPU; on an accelerator with a queue, together, when `read` is called.

    `read` is called before anything is written that these numbers could have spoilt, and by `add` once `most_waiting`
    steps have gone by. The message names the pairs, which are `kind`, and ends with the advice.
    """

    def __init__(self, kind: str, advice: str, most_waiting: int = MOST_WAITING):
        self.kind, self.advice, self.most_waiting = kind, advice, most_waiting
        self._waiting: list[_Number] = []

    def add(self, value: Tensor, what: str, step: int, pairs: list[int]) -> None:
        """Check a number of this step, made from these pairs."""
        self._waiting.append(_Number(value.detach(), what, step, pairs))
        is_late = step - self._waiting[0].step >= self.most_waiting - 1
        if is_late or not has_queue(value.device):
            self.read()

    def read(self) -> None:
        """Raise `NotFiniteError` for the first number that is not finite."""
        numbers, self._waiting = self._waiting, []
        if not numbers:
            return
        finite = torch.stack([number.value for number in numbers]).isfinite()
        for number, is_finite in zip(numbers, finite.tolist(), strict=True):
            if not is_finite:
                raise NotFiniteError(self._message(number))

    def _message(self, number: _Number) -> str:
        what, pairs = f"the {number.what} is {float(number.value)}", number.pairs
        more = f" and {len(pairs) - 8} more" if len(pairs) > 8 else ""
        return f"{what} at step {number.step} on {self.kind} {pairs[:8]}{more}{self.advice}"
