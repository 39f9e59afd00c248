"""One layer's sum, norm and dropout as plain formulas, and the same with a bug planted."""

import torch
from torch import Tensor

from seq2seq_lab.model.stack import Stack


def normalized(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Layer normalisation written out: Ba et al. (2016), equation 4."""
    mean = values.sum(dim=-1, keepdim=True) / values.shape[-1]
    variance = ((values - mean) ** 2).sum(dim=-1, keepdim=True) / values.shape[-1]
    return (values - mean) / (variance + 1e-5).sqrt() * weight + bias


def plain_layer(
    stack: Stack, layer: int, output: Tensor, below: Tensor, dropout_mask: Tensor
) -> Tensor:
    if stack.residual and layer > 0:
        output = output + below
    if len(stack.norms) > 0:
        output = normalized(output, stack.norms[layer].weight, stack.norms[layer].bias)
    return output * dropout_mask if dropout_mask.numel() else output


# planted bugs, each in place of Stack.forward


def sum_twice(
    self: Stack, layer: int, output: Tensor, below: Tensor, dropout_mask: Tensor
) -> Tensor:
    twice = 2 * below if layer else below
    return plain_layer(self, layer, output, twice, dropout_mask)


def norm_first(
    self: Stack, layer: int, output: Tensor, below: Tensor, dropout_mask: Tensor
) -> Tensor:
    output = self.norms[layer](output) if len(self.norms) else output
    output = output + below if layer and self.residual else output
    return output * dropout_mask if dropout_mask.numel() else output


def redrawn(self: Stack, layer: int, output: Tensor, below: Tensor, dropout_mask: Tensor) -> Tensor:
    """A new mask at each step: what `nn.Dropout` would do."""
    again = torch.rand_like(output).ge(self.locked_dropout) / (1 - self.locked_dropout)
    return plain_layer(self, layer, output, below, again if dropout_mask.numel() else dropout_mask)
