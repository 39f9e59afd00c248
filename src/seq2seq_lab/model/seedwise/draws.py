"""Dropout of several seeds at once: each seed's masks from its own generator, in the order and shapes of a single run.

The rows of all seeds lie side by side, padded to the largest batch; a mask is drawn for the rows and steps that the
seed's own batch has.
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.model.kernel.dropout import draw, is_worth_it


class Draws:
    """The draws on one side of the model, where every seed has a batch of its own size.

    `step` is the position in a loop over the steps; seeds whose own batch has ended draw nothing.
    """

    def __init__(self, seeds: int):
        self.seeds = seeds
        self.start([(0, 0)] * seeds, None)

    def start(
        self, shapes: Sequence[tuple[int, int]], generators: Sequence[torch.Generator] | None
    ) -> None:
        """Begin with batches of these shapes, (rows, steps) of each seed."""
        self.shapes, self.step = shapes, 0
        self.generators: list[torch.Generator | None] = list(generators or [])
        self.generators += [None] * (self.seeds - len(self.generators))

    @contextlib.contextmanager
    def of(self, shapes: Sequence[tuple[int, int]]) -> Iterator[None]:
        """Draw for other shapes, from the first step on, and then for those of before."""
        before, self.shapes, self.step = (self.shapes, self.step), shapes, 0
        yield
        self.shapes, self.step = before

    def dropout(
        self, inputs: Float[Tensor, "*shape"], probability: float, *, training: bool
    ) -> Float[Tensor, "*shape"]:
        """Return what `kernel.dropout` gives each seed for its part: (rows, width) or (rows, steps, width)."""
        if not training or probability == 0.0:
            return inputs
        mask = inputs.new_zeros(self.seeds, len(inputs) // self.seeds, *inputs.shape[1:])
        steps_first = inputs.dim() > 2 and inputs.stride(0) < inputs.stride(1)
        for seed, generator in enumerate(self.generators):
            place = self._place(mask[seed], seed)
            if place.numel():
                draw_like(place, 1 - probability, generator, steps_first=steps_first)
        return inputs * mask.flatten(0, 1)

    def _place(self, mask: Tensor, seed: int) -> Tensor:
        """Return the part of the mask that the seed draws."""
        rows, steps = self.shapes[seed]
        if mask.dim() > 2 and mask.shape[1] > 1:
            return mask[:rows, :steps]
        return mask[:rows] if self.step < steps else mask[:0]

    def rows(self, width: int, keep: float, like: Tensor) -> Float[Tensor, "rows width"]:
        """Return torch's own dropout factors, one row for each sentence."""
        mask = like.new_zeros(self.seeds, len(like) // self.seeds, width)
        for (rows, _), generator, place in zip(self.shapes, self.generators, mask, strict=True):
            place[:rows].copy_(bernoulli(place[:rows], keep, generator))
        return mask.flatten(0, 1)

    def between(
        self,
        inputs: Float[Tensor, "rows steps width"],
        order: Sequence[Tensor | None],
        probability: float,
        *,
        by_torch: bool,
    ) -> Float[Tensor, "rows steps width"]:
        """Return dropout between two layers of an encoder that reads packed sentences.

        `order` gives the positions of each seed's packed words in its padded rows, None where the seed pads. With
        `by_torch` the masks of packed words are those inside torch's fused layers.
        """
        mask = inputs.new_zeros(self.seeds, len(inputs) // self.seeds, *inputs.shape[1:])
        keep = 1 - probability
        for seed, (generator, words) in enumerate(zip(self.generators, order, strict=True)):
            if words is None:
                draw_like(self._place(mask[seed], seed), keep, generator, steps_first=True)
            else:
                factors = inputs.new_empty(len(words), inputs.shape[2])
                draw_like(factors, keep, generator, by_torch=by_torch)
                mask[seed].flatten(0, 1)[words] = factors
        return inputs * mask.flatten(0, 1)


def draw_like(
    place: Tensor,
    keep: float,
    generator: torch.Generator | None,
    *,
    steps_first: bool = False,
    by_torch: bool = False,
) -> None:
    """Fill `place` with dropout factors, 0 or 1 / keep, by the same draws as `kernel.dropout`."""
    if is_worth_it(place) and not by_torch:
        kept, scale = draw(place.shape, 1 - keep, generator)
        place.copy_(kept).mul_(scale)
    else:
        # torch draws in the order of the memory
        drawn = place.transpose(0, 1) if steps_first else place
        drawn.copy_(bernoulli(drawn, keep, generator))


def bernoulli(like: Tensor, keep: float, generator: torch.Generator | None) -> Tensor:
    """Return factors 0 or 1 / keep by torch's own draws, in the order of the axes."""
    drawn = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    return drawn.bernoulli_(keep, generator=generator).div_(keep)
