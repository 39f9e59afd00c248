"""Linear maps and lookups of several seeds: parameters (seeds, ...), the rows of all seeds side by side."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.special_tokens import PAD


def product(
    inputs: Float[Tensor, "*shape input"],
    weight: Float[Tensor, "seeds output input"],
    bias: Float[Tensor, "seeds output"] | None = None,
) -> Float[Tensor, "*shape output"]:
    """Return W x + b with the W and b of each row's seed."""
    seeds, width, _ = weight.shape
    rows = inputs.reshape(seeds, -1, inputs.shape[-1])
    columns = weight.transpose(1, 2)
    shift = None if bias is None else bias.unsqueeze(1)
    made = torch.bmm(rows, columns) if shift is None else torch.baddbmm(shift, rows, columns)
    return made.view(*inputs.shape[:-1], width)


class SeedwiseLinear(Linear):
    """`Linear` with a weight (seeds, output, input)."""

    def forward(self, inputs: Float[Tensor, "*shape input"]) -> Float[Tensor, "*shape output"]:
        """Return W x + b."""
        return product(inputs, self.weight, self.bias)


class SeedwiseLookup(nn.Embedding):
    """A lookup table (seeds, vocab, width); the padding row has no gradient here either."""

    def forward(self, input: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """Return the vectors of each row's seed."""
        seeds, vocab, _ = self.weight.shape
        first = torch.arange(seeds, device=input.device) * vocab
        ids = input.unflatten(0, (seeds, -1)) + first.view(-1, *[1] * input.dim())
        return F.embedding(ids.flatten(0, 1), self.weight.flatten(0, 1))


class SeedwiseEmbedding(TokenEmbedding):
    """Token vectors of each row's seed."""

    def mix(self, weights: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows dim"]:
        """Return the weighted mean of all token vectors, padding left out."""
        vectors = self.lookup.weight[:, PAD + 1 :].transpose(1, 2)
        return self.dropout(product(weights[..., PAD + 1 :], vectors))


class SeedwiseLayerNorm(nn.LayerNorm):
    """Layer normalisation with a scale and a shift (seeds, width)."""

    def forward(self, input: Float[Tensor, "*shape width"]) -> Float[Tensor, "*shape width"]:
        """Return the normalised vectors."""
        normed = F.layer_norm(input, self.normalized_shape, eps=self.eps)
        scale, shift = (
            part.view(len(part), *[1] * (input.dim() - 1), -1) for part in (self.weight, self.bias)
        )
        rows = normed.unflatten(0, (len(scale), -1))
        return torch.addcmul(shift, rows, scale).flatten(0, 1)
