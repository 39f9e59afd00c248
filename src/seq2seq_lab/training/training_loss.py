"""The loss of a batch by teacher forcing or scheduled sampling; output layer and cross-entropy in one if they allow."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.batch import Batch, pick
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.output import GenerateOutput
from seq2seq_lab.model.recurrent_decoder import RecurrentDecoder
from seq2seq_lab.model.transformer import TransformerDecoder
from seq2seq_lab.training.loss import TokenCrossEntropy
from seq2seq_lab.training.output_loss import output_cross_entropy
from seq2seq_lab.training.scheduled_sampling.parallel import Parallel
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential, teacher_forced_logits

_DECODERS = (RecurrentDecoder.forward, TransformerDecoder.forward)
_SAMPLINGS = (Sequential.__call__, Parallel.__call__)


def _is_autocast(output: nn.Linear) -> bool:
    return torch.is_autocast_enabled(output.weight.device.type)


def _is_fused(model: EncoderDecoder) -> bool:
    """Return whether `output_cross_entropy` stands for these classes; others may do in `forward` what they like."""
    output: Any = getattr(model.decoder, "output", None)
    return (
        type(model).forward is EncoderDecoder.forward
        and type(model.decoder).forward in _DECODERS
        and isinstance(model.decoder.mixture, GenerateOutput)
        and type(output) in (Linear, nn.Linear)
        and output.weight.dtype in (torch.float32, torch.float64)
        and (output.weight.device.type == "cpu" or not _is_autocast(output))
        and not any(one._forward_hooks or one._forward_pre_hooks for one in (model.decoder, output))
    )


def teacher_forced_loss(model: EncoderDecoder, batch: Batch, loss: nn.Module) -> Float[Tensor, ""]:
    """Return the summed loss of the real target positions, their inputs being the reference tokens."""
    targets = batch.targets
    if type(loss) is not TokenCrossEntropy or not _is_fused(model):
        return loss(teacher_forced_logits(model, batch), targets)
    embedded = model.decoder.embed(batch.target_input)
    memory = model.encode(batch.source, batch.source_lengths)
    vectors = pick(model.decoder.readouts(embedded, memory), batch.places)
    output = model.decoder.output
    # half precision on a CPU: the logits of all tokens in two types and log-softmax from one to the other cost more
    # than products of float32
    with torch.autocast(vectors.device.type, enabled=False):
        vectors = vectors.to(output.weight.dtype)
        return output_cross_entropy(output, vectors, targets, loss.label_smoothing)


def training_loss(
    model: EncoderDecoder,
    batch: Batch,
    loss: nn.Module,
    scheduled_sampling: Sequential | Parallel,
    ratio: float,
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Return the summed loss of the real target positions, a share `ratio` of their inputs being reference tokens."""
    if ratio >= 1.0 and type(scheduled_sampling).__call__ in _SAMPLINGS:
        return teacher_forced_loss(model, batch, loss)
    logits = scheduled_sampling(model, batch, ratio, generator)
    return loss(logits, batch.targets)
