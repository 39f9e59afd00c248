"""Readouts: the vector in front of the output layer, made from decoder state, context and embedding."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import Dropout
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.kernel.loop_products import MakeProduct, Product


class Readout(nn.Module):
    """The shared road: join the parts, one tanh layer, dropout."""

    uses_context, uses_embedding = True, False

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
        product: Product | None = None,
    ) -> Float[Tensor, "*shape dim"]:
        """Return tanh(W [state; context] + b), after dropout; a loop gives its own `product` with W and b."""
        parts = (state, context, embedded) if self.uses_embedding else (state, context)
        joined = torch.cat(parts, dim=-1)
        made = self.layer(joined) if product is None else product(joined, None)
        return self.dropout(torch.tanh(made))

    def product(self, make: MakeProduct) -> Product | None:
        """Return the product with W and b, where there is one."""
        return make(self.layer.weight, self.layer.bias)


class StateReadout(Readout):
    """The decoder state alone, as it is; `dim` must be the decoder's width."""

    uses_context = False

    def connect(self, *, state_dim: int, context_dim: int, embedding_dim: int) -> None:  # noqa: ARG002
        """Check the width."""
        if state_dim != self.dim:
            raise ValueError(
                f"readout dim={self.dim}: must equal the decoder's dim={state_dim}; "
                "use model/readout=state_context for another width"
            )

    def forward(
        self,
        state: Float[Tensor, "*shape state"],
        context: Float[Tensor, "*shape context"],  # noqa: ARG002
        embedded: Float[Tensor, "*shape embedding"],  # noqa: ARG002
        product: Product | None = None,  # noqa: ARG002
    ) -> Float[Tensor, "*shape state"]:
        """Return the state, after dropout."""
        return self.dropout(state)

    def product(self, make: MakeProduct) -> Product | None:  # noqa: ARG002
        """Return nothing: there is no layer."""
        return None


class StateContextReadout(Readout):
    """tanh(W [state; context]): the attentional vector of Luong et al. (2015)."""


class DeepReadout(Readout):
    """tanh(W [state; context; embedding]): the deep output of Bahdanau et al. (2015), with tanh for maxout."""

    uses_embedding = True
