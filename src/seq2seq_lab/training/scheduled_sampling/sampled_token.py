"""The decoder's next input when scheduled sampling replaces the reference token: a sampled token, or a mixture.

`sample` makes ids or weights from logits, `embed` makes the decoder's input of them. They are two functions because
parallel scheduled sampling samples without gradient and embeds with it. Random draws come from the generator that is
passed in (on the CPU).
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.decoding.sample import draw, keep_top_k
from seq2seq_lab.special_tokens import BOS, PAD

_FIRST = max(PAD, BOS) + 1


def writable(logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
    """Return the logits with -inf for PAD and BOS, which are never an input."""
    return F.pad(logits[:, _FIRST:], (_FIRST, 0), value=-torch.inf)


def check_temperature(value: float) -> float:
    """Return the temperature; raise `ValueError` unless it is above 0."""
    if value <= 0:
        raise ValueError(
            f"temperature={value}: must be > 0; use training/scheduled_sampling/sampled_token=argmax for the limit 0"
        )
    return value


class SampledToken:
    """Interface: samples from logits, and embeds the sample as the decoder's input."""

    def sample(
        self, logits: Float[Tensor, "rows vocab"], generator: torch.Generator | None
    ) -> Tensor:
        """Return token ids (rows) or weights (rows, vocab)."""
        raise NotImplementedError

    def embed(self, decoder: Any, sample: Tensor) -> Float[Tensor, "rows embedding"]:
        """Return the decoder's input for the sample."""
        raise NotImplementedError


class _Discrete(SampledToken):
    """Samples one token per row."""

    def embed(self, decoder: Any, sample: Int[Tensor, " rows"]) -> Float[Tensor, "rows embedding"]:
        """Return the token's embedding."""
        return decoder.embed(sample.unsqueeze(1))[:, 0]


class _Soft(SampledToken):
    """Makes a distribution over tokens."""

    def __init__(self, temperature: float = 1.0):
        self.temperature = check_temperature(temperature)

    def embed(
        self, decoder: Any, sample: Float[Tensor, "rows vocab"]
    ) -> Float[Tensor, "rows embedding"]:
        """Return the mean of the embeddings."""
        return decoder.mix(sample)


class Argmax(_Discrete):
    """The most likely token."""

    def sample(
        self,
        logits: Float[Tensor, "rows vocab"],
        generator: torch.Generator | None,  # noqa: ARG002
    ) -> Int[Tensor, " rows"]:
        """Return the most likely token."""
        return most_likely(logits)


class Sample(_Discrete):
    """A token drawn from the model's distribution over `temperature` (Bengio et al. 2015)."""

    def __init__(self, temperature: float = 1.0):
        self.temperature = check_temperature(temperature)

    def cut(self, logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        """Return the logits to draw from."""
        return writable(logits.detach()) / self.temperature

    def sample(
        self, logits: Float[Tensor, "rows vocab"], generator: torch.Generator | None
    ) -> Int[Tensor, " rows"]:
        """Return a drawn token."""
        uniform = torch.rand(len(logits), generator=generator, dtype=torch.float64)
        return draw(self.cut(logits), uniform)


class TopK(Sample):
    """A token drawn from the `k` most likely ones."""

    def __init__(self, k: int = 5, temperature: float = 1.0):
        super().__init__(temperature)
        if k < 1:
            raise ValueError(f"k={k}: must be >= 1")
        self.k = k

    def cut(self, logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
        """Return the logits to draw from."""
        return keep_top_k(super().cut(logits), self.k)


class Mixture(_Soft):
    """The mean embedding under the model's distribution over `temperature`; differentiable (Goyal et al. 2017)."""

    def sample(
        self,
        logits: Float[Tensor, "rows vocab"],
        generator: torch.Generator | None,  # noqa: ARG002
    ) -> Float[Tensor, "rows vocab"]:
        """Return the distribution."""
        return (writable(logits) / self.temperature).softmax(dim=-1)


class StraightThroughGumbel(_Soft):
    """A drawn token forward, the gradient of the Gumbel softmax backward (Jang et al. 2017)."""

    def sample(
        self, logits: Float[Tensor, "rows vocab"], generator: torch.Generator | None
    ) -> Float[Tensor, "rows vocab"]:
        """Return weights that are 1 for the drawn token and have the gradient of the soft ones."""
        uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
        noise = (-(-uniform.clamp(min=1e-300).log()).log()).to(logits.dtype)
        noise = noise.to(logits.device, non_blocking=True)
        soft = ((writable(logits) + noise) / self.temperature).softmax(dim=-1)
        hard = F.one_hot(soft.argmax(dim=-1), soft.shape[-1]).to(soft.dtype)
        return hard - soft.detach() + soft
