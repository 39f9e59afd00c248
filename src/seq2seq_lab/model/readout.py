"""Readouts: the vector in front of the output layer, made from decoder state, context and embedding."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import Dropout
from seq2seq_lab.model.kernel.linear import Linear


class Readout(nn.Module):
    """Base class: the parts side by side, one linear layer, tanh, dropout."""

    uses_context, uses_embedding = True, False
    layer: nn.Module

    def __init__(self, dim: int, dropout: float = 0.0):
        super().__init__()
        check_positive(dim=dim)
        self.dim = dim
        self.dropout = Dropout(check_probability("dropout", dropout))

    def connect(self, *, state_dim: int, context_dim: int, embedding_dim: int) -> None:
        """Make the layer for the widths of the decoder's parts; the decoder calls this once."""
        width = state_dim + context_dim + (embedding_dim if self.uses_embedding else 0)
        self.layer = Linear(width, self.dim)

    def forward(
        self,
        state: Float[Tensor, "*shape state"],
        context: Float[Tensor, "*shape context"],
        embedded: Float[Tensor, "*shape embedding"],
    ) -> Float[Tensor, "*shape dim"]:
        """Return tanh(W [state; context] + b), after dropout."""
        return self.activate(self.layer(self.join(state, context, embedded)))

    def join(
        self,
        state: Float[Tensor, "*shape state"],
        context: Float[Tensor, "*shape context"],
        embedded: Float[Tensor, "*shape embedding"],
    ) -> Float[Tensor, "*shape parts"]:
        """Return what the layer reads."""
        parts = (state, context, embedded) if self.uses_embedding else (state, context)
        return torch.cat(parts, dim=-1)

    def activate(self, projected: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the readout from the output of the layer."""
        return self.dropout(torch.tanh(projected))


class StateReadout(Readout):
    """The decoder state alone, as it is; `dim` must be the decoder's width."""

    uses_context = False

    def connect(self, *, state_dim: int, context_dim: int, embedding_dim: int) -> None:  # noqa: ARG002
        """Check the width; there is no layer."""
        if state_dim != self.dim:
            raise ValueError(
                f"readout dim={self.dim}: must equal the decoder's dim={state_dim}; "
                "use model/readout=state_context for another width"
            )
        self.layer = nn.Identity()

    def join(
        self,
        state: Float[Tensor, "*shape state"],
        context: Float[Tensor, "*shape context"],  # noqa: ARG002
        embedded: Float[Tensor, "*shape embedding"],  # noqa: ARG002
    ) -> Float[Tensor, "*shape state"]:
        """Return the state."""
        return state

    def activate(self, projected: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the state, after dropout."""
        return self.dropout(projected)


class StateContextReadout(Readout):
    """tanh(W [state; context]): the attentional vector of Luong et al. (2015)."""


class DeepReadout(Readout):
    """tanh(W [state; context; embedding]): the deep output of Bahdanau et al. (2015), with tanh for maxout."""

    uses_embedding = True
