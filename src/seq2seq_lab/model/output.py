"""What stands behind the output layer: the copy mechanism, which mixes generating a word with copying a source word.

p(y) = g softmax(logits)(y) + (1 - g) sum of the attention weights a_j of the source positions j that hold y, with
g = sigmoid(w . readout + b): the pointer-generator of See et al. (2017), after Gu et al. (2016). Source and target ids
must be of one vocabulary (`data.joint=true`). The end token of the source is a token like any other: what attends to it
and copies ends the output.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq_lab.batch import pick
from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.state import DecoderState, Memory


class GenerateOutput:
    """The plain output: the logits are those of the output layer, and nothing of the source is kept for it."""

    copies = False

    def __init__(self, dim: int):
        check_positive(dim=dim)

    def tokens(self, memory: Memory) -> None:
        """Return what a decoder state keeps of the source ids."""

    def step(
        self,
        logits: Float[Tensor, "rows vocab"],
        readout: Float[Tensor, "rows dim"],  # noqa: ARG002
        state: DecoderState,  # noqa: ARG002
    ) -> Float[Tensor, "rows vocab"]:
        """Return the logits."""
        return logits


def copy_mass(
    attention: Float[Tensor, "*shape source"], tokens: Int[Tensor, "*shape source"], vocab: int
) -> Float[Tensor, "*shape vocab"]:
    """Return for each word the sum of the weights of the source positions that hold it."""
    nothing = attention.new_zeros(*attention.shape[:-1], vocab)
    return nothing.scatter_add(-1, tokens, attention)


def log_add(a: Float[Tensor, "*shape"], b: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return log(exp a + exp b), as `torch.logaddexp` does, which PyTorch's ONNX exporter does not know."""
    return torch.maximum(a, b) + torch.log1p(torch.exp(-(a - b).abs()))


class CopyOutput(nn.Module):
    """The copy mechanism; `dim` is the width of the readout.

    The generator keeps its mass on every word of the vocabulary, slots of unknown words included, where See et al.
    give these none: so label smoothing, sparse attention and weights that underflow leave the loss finite.
    """

    copies = True

    def __init__(self, dim: int):
        super().__init__()
        check_positive(dim=dim)
        self.gate = Linear(dim, 1)

    def forward(
        self,
        logits: Float[Tensor, "*shape vocab"],
        readout: Float[Tensor, "*shape dim"],
        attention: Float[Tensor, "*shape source"],
        tokens: Int[Tensor, "*shape source"],
    ) -> Float[Tensor, "*shape vocab"]:
        """Return log p of every word, which is a logit too; half precision gives float32."""
        wide = torch.promote_types(logits.dtype, torch.float32)
        gate = self.gate(readout).to(wide)
        generated = F.logsigmoid(gate) + logits.to(wide).log_softmax(dim=-1)
        mass = copy_mass(attention.to(wide), tokens, logits.shape[-1])
        is_there = mass > 0
        # log 0 has no finite gradient, so words that cannot be copied stay out of it
        copied = F.logsigmoid(-gate) + mass.masked_fill(~is_there, 1.0).log()
        return torch.where(is_there, log_add(generated, copied), generated)

    def tokens(self, memory: Memory) -> Int[Tensor, "batch source"]:
        """Return the source ids of a memory; `ValueError` where the encoder does not give them."""
        if memory.tokens is None:
            raise ValueError(
                "model/output=copy: this encoder gives no source ids to copy; let its Memory have tokens=source"
            )
        return memory.tokens

    def step(
        self,
        logits: Float[Tensor, "rows vocab"],
        readout: Float[Tensor, "rows dim"],
        state: DecoderState,
    ) -> Float[Tensor, "rows vocab"]:
        """Return log p of every word after a step; `state` is that after it."""
        return self(logits, readout, state.attention, state.source_tokens)

    def over_steps(
        self,
        output: Callable[[Tensor], Tensor],
        readouts: Float[Tensor, "batch target dim"],
        attention: Float[Tensor, "batch target source"],
        memory: Memory,
        places: Bool[Tensor, "batch target"] | Int[Tensor, " places"] | None,
    ) -> Float[Tensor, "*positions vocab"]:
        """Return log p at all steps, or row by row at `places`; `output` is the output layer."""
        tokens = self.tokens(memory).unsqueeze(1).expand_as(attention)
        if places is not None:
            readouts, attention = pick(readouts, places), pick(attention, places)
            tokens = pick(tokens, places)
        return self(output(readouts), readouts, attention, tokens)


Mixture = GenerateOutput | CopyOutput
"""Makes the distribution of the next word from the logits of the output layer."""
