"""What a pack may be computed by: the models in turn, each with its own weights and generator. Right, not faster."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits


class OneByOne:
    """Has the methods of `Seedwise`, and counts the steps."""

    steps = 0

    def __init__(self, models: Sequence) -> None:
        self.models = models
        self.kept: list[list[Tensor | None]] = []

    def logits(self, batches: Sequence, generators: Sequence[torch.Generator]) -> list[Tensor]:
        type(self).steps += 1
        self.kept = [[p.grad for p in model.parameters()] for model in self.models]
        found = []
        for model, batch, generator in zip(self.models, batches, generators, strict=True):
            model.zero_grad()
            before = torch.get_rng_state()
            torch.set_rng_state(generator.get_state())
            found.append(teacher_forced_logits(model, batch))
            generator.set_state(torch.get_rng_state())
            torch.set_rng_state(before)
        return found

    def gradients(self) -> list[list[Tensor | None]]:
        made = []
        for model, kept in zip(self.models, self.kept, strict=True):
            made.append([p.grad for p in model.parameters()])
            for parameter, before in zip(model.parameters(), kept, strict=True):
                parameter.grad = before
        return made
