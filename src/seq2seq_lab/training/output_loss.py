"""The output layer and the cross-entropy behind it as one function, some rows at a time.

Logits of all tokens over the whole vocabulary are the largest tensor of a training step: 60 MB for 2,500 tokens and
5,921 words, and autograd keeps a second one of log-probabilities. Here a chunk of rows goes through the product, the
softmax and the gradients of the loss before the next one begins, in one tensor, while it is in the cache.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seq2seq_lab.model.kernel.deferred import Matrix
from seq2seq_lab.model.kernel.linear import to_weight

LARGEST = 6 * 2**20
"""Logits of a chunk: 24 MB in float32, about a batch of 64 short sentences over 6,000 words."""
FEWEST = 512
"""Rows of a chunk, whatever the vocabulary: with fewer, the product is slow and the weights are read too often."""


def chunk_rows(tokens: int, vocab: int) -> int:
    """Return the rows of a chunk: all chunks alike, none above `LARGEST` logits unless `FEWEST` rows have more."""
    most = max(FEWEST, LARGEST // vocab)
    return -(-tokens // -(-tokens // most)) if tokens else 1


def log_softmax_in_place(logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
    """Return log-probabilities, on a CPU in the memory of the logits.

    torch's kernel for CPUs has read a row before it writes it; a test compares the two ways bit by bit.
    """
    if logits.device.type != "cpu":
        return F.log_softmax(logits, dim=-1)
    return torch.log_softmax(logits, -1, out=logits)


def _chunked(
    vectors: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    smoothing: float,
    *,
    with_gradients: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Return the summed loss and its gradients of vectors, weight and bias."""
    total, vocab = vectors.new_zeros(()), len(weight)
    to_vectors = torch.empty_like(vectors) if with_gradients else vectors
    to_matrix: Any = None
    to_bias: Any = None
    matrix = Matrix(weight)
    rows = chunk_rows(len(vectors), vocab)
    for part, chunk, wanted in zip(
        to_vectors.split(rows), vectors.split(rows), targets.split(rows), strict=True
    ):
        log_probabilities = log_softmax_in_place(matrix.times(chunk, None, bias))
        loss = F.nll_loss(log_probabilities, wanted, reduction="sum")
        if smoothing:
            loss = (1 - smoothing) * loss - smoothing / vocab * log_probabilities.sum()
        total += loss
        if not with_gradients:
            continue
        gradient = log_probabilities.exp_()
        if smoothing:
            gradient.sub_(smoothing / vocab)
        gradient[torch.arange(len(wanted), device=wanted.device), wanted] -= 1 - smoothing
        part.copy_(matrix.to_inputs(gradient))
        if to_matrix is None:
            to_matrix, to_bias = to_weight(gradient, chunk), gradient.sum(0)
        else:
            to_matrix += to_weight(gradient, chunk)
            to_bias += gradient.sum(0)
    return total, to_vectors, to_matrix, to_bias


class _OutputLoss(torch.autograd.Function):
    """The gradients are made in the forward pass, while the logits are there; the backward scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
    ) -> Tensor:
        total, *gradients = _chunked(vectors, weight, bias, targets, smoothing, with_gradients=True)
        ctx.gradients, ctx.has_bias = gradients, bias is not None
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError(
                "a second backward pass through the output layer's loss: its gradients are gone after the first"
            )
        (to_vectors, to_matrix, to_bias), ctx.gradients = ctx.gradients, None
        return (
            to_vectors.mul_(factor),
            to_matrix.mul_(factor),
            to_bias.mul_(factor) if ctx.has_bias else None,
            None,
            None,
        )


def output_cross_entropy(
    output: nn.Linear,
    vectors: Float[Tensor, "tokens dim"],
    targets: Int[Tensor, " tokens"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return `cross_entropy(output(vectors), targets, smoothing)` with one chunk of logits in memory, not all.

    Vectors and layer are of one type, float32 or float64.
    """
    given = (vectors, output.weight, output.bias, targets, smoothing)
    if torch.is_grad_enabled():
        return _OutputLoss.apply(*given)
    return _chunked(*given, with_gradients=False)[0]
