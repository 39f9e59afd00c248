"""Attention within a window around one source position (Luong et al. 2015).

The score is that of `general`. Around the position p it gets the bias -(s - p)^2 / (2 sigma^2), sigma being half of
the window's half-width, and -inf outside the window. The paper multiplies the weights of the softmax with that
Gaussian, so that its rows sum to less than 1; a bias on the scores is the same product, normalised afterwards.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.attention import GeneralAttention
from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.normalizer import Normalizer
from seq2seq_lab.model.state import AttentionKeys


def counting_dtype(tensor: Tensor) -> torch.dtype:
    """Return the type for positions: bfloat16 cannot tell 256 from 257."""
    return torch.promote_types(tensor.dtype, torch.float32)


def window_bias(
    centre: Float[Tensor, "batch steps"], source: int, half_width: int
) -> Float[Tensor, "batch steps source"]:
    """Return the logarithm of a Gaussian around each centre, -inf where further than `half_width` away."""
    distance = torch.arange(source, device=centre.device) - centre.unsqueeze(-1)
    bias = -2.0 * (distance / half_width).square()  # sigma = half_width / 2
    return bias.masked_fill(distance.abs() > half_width, -math.inf)


class _LocalAttention(GeneralAttention):
    """Base class: the window and its bias; a subclass gives the centre of the window."""

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        half_width: int = 10,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, temperature, normalizer)
        check_positive(half_width=half_width)
        self.half_width = half_width

    def centre(
        self,
        query: Float[Tensor, "batch steps query"],
        last: Float[Tensor, "batch 1"],
        past: Float[Tensor, "batch steps past"],
    ) -> Float[Tensor, "batch steps"]:
        """Return the centre of the window, from 0 to the `last` real position of the sentence."""
        raise NotImplementedError

    def energies(
        self,
        query: Float[Tensor, "batch steps query"],
        keys: AttentionKeys,
        past: Float[Tensor, "batch steps past"],
    ) -> Float[Tensor, "batch steps source"]:
        """Return q . W k over the temperature, with the bias of the window."""
        last = (keys.mask.sum(dim=1, keepdim=True) - 1).to(counting_dtype(query))
        centre = self.centre(query, last, past)
        bias = window_bias(centre, keys.mask.shape[1], self.half_width)
        return super().energies(query, keys, past) + bias.to(query.dtype)


class LocalMonotonicAttention(_LocalAttention):
    """local-m: the centre of the window at step t is source position t, at most the last real one.

    The paper's local-m has the window without the Gaussian; here both kinds have it. `past` counts the steps.
    """

    def centre(
        self,
        query: Float[Tensor, "batch steps query"],  # noqa: ARG002
        last: Float[Tensor, "batch 1"],
        past: Float[Tensor, "batch steps past"],
    ) -> Float[Tensor, "batch steps"]:
        """Return t, at most the last real position."""
        return torch.minimum(past[..., 0], last)

    def start(self, keys: AttentionKeys) -> Float[Tensor, "batch past"]:
        """Return the number of steps so far, 0."""
        values = keys.values
        return values.new_zeros(values.shape[0], 1, dtype=counting_dtype(values))

    def advance(
        self,
        past: Float[Tensor, "rows past"],
        weights: Float[Tensor, "rows source"],  # noqa: ARG002
    ) -> Float[Tensor, "rows past"]:
        """Count the step."""
        return past + 1

    def sequence(
        self, query: Float[Tensor, "batch steps query"], keys: AttentionKeys
    ) -> tuple[Float[Tensor, "batch steps context"], Float[Tensor, "batch steps weights"]]:
        """Return contexts and weights of all steps in one call: the number of each step is known."""
        steps = torch.arange(query.shape[1], device=query.device, dtype=counting_dtype(query))
        return self(query, keys, steps.view(1, -1, 1).expand(query.shape[0], -1, -1))


class LocalPredictiveAttention(_LocalAttention):
    """local-p: the centre of the window is (S - 1) sigmoid(v . tanh(W q)), S being the sentence's own length.

    Positions are counted from 0 here, so the last one is S - 1 where the paper has S. The window moves in steps of
    whole positions, its Gaussian smoothly: that is how W and v are trained.
    """

    def __init__(
        self,
        query_dim: int,
        memory_dim: int,
        dim: int,
        half_width: int = 10,
        temperature: float = 1.0,
        normalizer: Normalizer | None = None,
    ):
        super().__init__(query_dim, memory_dim, half_width, temperature, normalizer)
        check_positive(dim=dim)
        self.position = nn.Linear(query_dim, dim, bias=False)
        self.vector = nn.Parameter(torch.empty(dim).uniform_(-(dim**-0.5), dim**-0.5))

    def centre(
        self,
        query: Float[Tensor, "batch steps query"],
        last: Float[Tensor, "batch 1"],
        past: Float[Tensor, "batch steps past"],  # noqa: ARG002
    ) -> Float[Tensor, "batch steps"]:
        """Return the predicted position."""
        return last * torch.sigmoid(self.weigh(torch.tanh(self.position(query))))

    def weigh(self, features: Float[Tensor, "batch steps dim"]) -> Float[Tensor, "batch steps"]:
        """Return v . features."""
        return features @ self.vector
