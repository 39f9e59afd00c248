"""Interventions: what takes the place of the learned attention weights while a trained model decodes.

The rest of the model stays. What the output loses is what these weights carried (Jain and Wallace 2019; Wiegreffe and
Pinter 2019). An intervention is a function of the learned weights of one step, of every head and every layer of
cross-attention; self-attention and encoder are never touched. The source's end token is a real position like any
other: it has a state in the memory.
"""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Intervention:
    """Base class: the weights of some rows of a sentence from the learned ones; padding keeps the weight 0."""

    def order(
        self,
        source: Int[Tensor, "batch source"],
        lengths: Int[Tensor, " batch"],  # noqa: ARG002
    ) -> Int[Tensor, "batch source"]:
        """Return what `replace` has to know of each sentence, found once: from which position each one's weight is."""
        return torch.arange(source.shape[1]).expand(source.shape)

    def replace(
        self,
        weights: Float[Tensor, "batch rows source"],
        mask: Bool[Tensor, "batch source"],
        order: Int[Tensor, "batch source"],
    ) -> Float[Tensor, "batch rows source"]:
        """Return the weights that the model gets in place of the learned ones."""
        raise NotImplementedError

    def other_run(self) -> str | None:
        """Return the run whose model computes the weights, where it is another one."""
        return None


@dataclass(frozen=True)
class Uniform(Intervention):
    """The same weight for every real position: the model still reads the source, and knows nothing of where."""

    def replace(
        self,
        weights: Float[Tensor, "batch rows source"],
        mask: Bool[Tensor, "batch source"],
        order: Int[Tensor, "batch source"],  # noqa: ARG002
    ) -> Float[Tensor, "batch rows source"]:
        """Return 1 / number of real positions."""
        real = mask.to(weights.dtype)
        return (real / real.sum(dim=1, keepdim=True)).unsqueeze(1).expand_as(weights)


@dataclass(frozen=True)
class Hard(Intervention):
    """All weight for the position that had most of it, the first of equal ones."""

    def replace(
        self,
        weights: Float[Tensor, "batch rows source"],
        mask: Bool[Tensor, "batch source"],  # noqa: ARG002
        order: Int[Tensor, "batch source"],  # noqa: ARG002
    ) -> Float[Tensor, "batch rows source"]:
        """Return a one at the largest weight of each row."""
        best = weights.argmax(dim=-1, keepdim=True)
        return torch.zeros_like(weights).scatter(-1, best, 1.0)


class _Reordered(Intervention):
    """The learned weights at other positions: as sharp as they were, in the wrong places."""

    def replace(
        self,
        weights: Float[Tensor, "batch rows source"],
        mask: Bool[Tensor, "batch source"],  # noqa: ARG002
        order: Int[Tensor, "batch source"],
    ) -> Float[Tensor, "batch rows source"]:
        """Return at each position the weight of the position that `order` names."""
        return weights.gather(-1, order.unsqueeze(1).expand_as(weights))


@dataclass(frozen=True)
class Shifted(_Reordered):
    """The weights `by` positions later; what leaves the sentence comes in again at its other end."""

    by: int = 1

    def __post_init__(self) -> None:
        if self.by == 0:
            raise ValueError("by=0: moves nothing; use decoding.intervention=null")

    def order(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Int[Tensor, "batch source"]:
        """Return (position - by) modulo the length; padding keeps its place."""
        places = torch.arange(source.shape[1]).expand(source.shape)
        count = lengths.cpu().unsqueeze(1)
        return torch.where(places < count, (places - self.by) % count, places)


@dataclass(frozen=True)
class Shuffled(_Reordered):
    """The weights in an order drawn once per sentence, the same at every step.

    The draw depends on `seed` and on the sentence's own tokens: neither on batch mates nor on its place in a file. An
    order is any of all: a position keeps its own weight once per sentence on average.
    """

    seed: int = 1

    def order(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Int[Tensor, "batch source"]:
        """Return a random permutation of the real positions; padding keeps its place."""
        orders = torch.arange(source.shape[1]).repeat(len(source), 1)
        for row, (tokens, count) in enumerate(zip(source.tolist(), lengths.tolist(), strict=True)):
            text = f"{self.seed}:{tokens[:count]}".encode()
            number = int.from_bytes(hashlib.blake2b(text, digest_size=7).digest())
            generator = torch.Generator().manual_seed(number)
            orders[row, :count] = torch.randperm(count, generator=generator)
        return orders


@dataclass(frozen=True)
class OtherSeed(Intervention):
    """The weights of another run's model for the same prefix, layer by layer and head by head.

    `run` is the run's folder or checkpoint: the same model config and the same tokenizers, trained from another seed.
    Both models read the same tokens side by side; the other one keeps its own weights. If its weights served as well,
    then where to look is a fact of the data and not of one model's states.
    """

    run: str

    def replace(
        self,
        weights: Float[Tensor, "batch rows source"],  # noqa: ARG002
        mask: Bool[Tensor, "batch source"],  # noqa: ARG002
        order: Int[Tensor, "batch source"],  # noqa: ARG002
    ) -> Float[Tensor, "batch rows source"]:
        """Not to be called: the weights come from the other model."""
        raise RuntimeError(f"{self.run}: its weights are computed by its model")

    def other_run(self) -> str | None:
        """Return the run."""
        return self.run
