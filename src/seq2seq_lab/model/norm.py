"""Layer normalisation around a Transformer's sub-layers: before the sub-layer or after the residual sum.

A sub-layer reads `norm.before(vectors)`; `norm.after(vectors, output)` adds its output to its input.
"""

from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import Dropout


class Norm(nn.Module):
    """Base class: one layer norm, and dropout on the output of the sub-layer."""

    def __init__(self, dim: int, dropout: float = 0.0):
        super().__init__()
        check_positive(dim=dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(check_probability("dropout", dropout))

    def before(self, vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the input of the sub-layer."""
        raise NotImplementedError

    def after(
        self, vectors: Float[Tensor, "*shape dim"], output: Float[Tensor, "*shape dim"]
    ) -> Float[Tensor, "*shape dim"]:
        """Return the residual sum."""
        raise NotImplementedError

    def last(self) -> nn.Module:
        """Return a new module to apply after the top layer."""
        raise NotImplementedError


class PreNorm(Norm):
    """x + f(norm(x)), and one more norm after the top layer (Xiong et al. 2020): trains without a warm-up."""

    def before(self, vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the normalised vectors."""
        return self.norm(vectors)

    def after(
        self, vectors: Float[Tensor, "*shape dim"], output: Float[Tensor, "*shape dim"]
    ) -> Float[Tensor, "*shape dim"]:
        """Return the residual sum."""
        return vectors + self.dropout(output)

    def last(self) -> nn.Module:
        """Return a layer norm: the sums below were never normalised."""
        return nn.LayerNorm(self.norm.normalized_shape)


class PostNorm(Norm):
    """norm(x + f(x)), as in Vaswani et al. (2017): needs a warm-up of the learning rate."""

    def before(self, vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the vectors as they are."""
        return vectors

    def after(
        self, vectors: Float[Tensor, "*shape dim"], output: Float[Tensor, "*shape dim"]
    ) -> Float[Tensor, "*shape dim"]:
        """Return the normalised residual sum."""
        return self.norm(vectors + self.dropout(output))

    def last(self) -> nn.Module:
        """Return the identity: the top layer ends with its own norm."""
        return nn.Identity()
