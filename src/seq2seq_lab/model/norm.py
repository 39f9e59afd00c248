"""Where layer norm stands: before a sub-layer or after the sum.

A sub-layer reads `norm.before(vectors)`; what it made joins its input in `norm.after(vectors, made)`.
"""

from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import Dropout


class Norm(nn.Module):
    """Shared by both places: one layer norm and the dropout of what a sub-layer made."""

    def __init__(self, dim: int, dropout: float = 0.0):
        super().__init__()
        check_positive(dim=dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(check_probability("dropout", dropout))

    def before(self, vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return what the sub-layer reads."""
        raise NotImplementedError

    def after(
        self, vectors: Float[Tensor, "*shape dim"], made: Float[Tensor, "*shape dim"]
    ) -> Float[Tensor, "*shape dim"]:
        """Return the sum of the sub-layer's input and of what it made."""
        raise NotImplementedError

    def last(self) -> nn.Module:
        """Return a new module that follows the top layer."""
        raise NotImplementedError


class PreNorm(Norm):
    """x + f(norm(x)), and one more norm above the top layer (Xiong et al. 2020): trains without a warm-up."""

    def before(self, vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the normalised vectors."""
        return self.norm(vectors)

    def after(
        self, vectors: Float[Tensor, "*shape dim"], made: Float[Tensor, "*shape dim"]
    ) -> Float[Tensor, "*shape dim"]:
        """Return the plain sum."""
        return vectors + self.dropout(made)

    def last(self) -> nn.Module:
        """Return a layer norm: the sums below were never normalised."""
        return nn.LayerNorm(self.norm.normalized_shape)


class PostNorm(Norm):
    """norm(x + f(x)), as in the paper (Vaswani et al. 2017): wants a warm-up of the learning rate."""

    def before(self, vectors: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return the vectors as they are."""
        return vectors

    def after(
        self, vectors: Float[Tensor, "*shape dim"], made: Float[Tensor, "*shape dim"]
    ) -> Float[Tensor, "*shape dim"]:
        """Return the normalised sum."""
        return self.norm(vectors + self.dropout(made))

    def last(self) -> nn.Module:
        """Return nothing that acts: the top layer ends with its own norm."""
        return nn.Identity()
