"""Property O25: the output of a model that copies is the mixture of generator and attention, by a loop over floats."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import NotApplicable, agree, demand
from seq2seq_lab.doctor.paths import by_steps
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.output import CopyOutput

CLOSED = 60.0
"""A gate whose other side has a share of 1e-26."""


def copies(model: EncoderDecoder) -> bool:
    """Return whether the decoder has the copy mechanism."""
    return isinstance(getattr(model.decoder, "mixture", None), CopyOutput)


@torch.no_grad()
def set_gate(model: EncoderDecoder, value: float) -> None:
    """Give the gate of the copy mechanism this logit everywhere."""
    gate: Any = model.decoder.mixture.gate
    gate.weight.zero_()
    gate.bias.fill_(value)


def generate_only(model: EncoderDecoder) -> None:
    """Close the copy mechanism of the model, if it has one."""
    if copies(model):
        set_gate(model, CLOSED)


@torch.no_grad()
def _parts(model: EncoderDecoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the readouts and the generator's logits of all steps."""
    memory = model.encode(batch.source, batch.source_lengths)
    readouts = model.decoder.readouts(model.decoder.embed(batch.target_input), memory)
    return readouts, model.decoder.output(readouts)


def in_floats(model: EncoderDecoder, batch: Batch) -> Float[Tensor, "batch target vocab"]:
    """Return the probabilities of all words at all steps, word by word and source position by source position."""
    readouts, logits = _parts(model, batch)
    attention = by_steps(model, batch)[1]
    gate: Any = model.decoder.mixture.gate
    weights, bias = gate.weight[0].tolist(), float(gate.bias)
    found = torch.zeros_like(logits)
    for row, length in enumerate(batch.source_lengths.tolist()):
        for step in range(logits.shape[1]):
            values = readouts[row, step].tolist()
            score = bias + sum(w * v for w, v in zip(weights, values, strict=True))
            generate = 1 / (1 + math.exp(-score))
            exponents = [math.exp(value) for value in logits[row, step].tolist()]
            mixture = [generate * one / sum(exponents) for one in exponents]
            for place in range(length):
                share = float(attention[row, step, place])
                mixture[int(batch.source[row, place])] += (1 - generate) * share
            found[row, step] = found.new_tensor(mixture)
    return found


@torch.no_grad()
def output_is_the_mixture(model: EncoderDecoder, batch: Batch) -> float:
    """O25: as a loop over floats; it sums to 1; g = 1 is the generator, g = 0 has source words only."""
    if not copies(model):
        raise NotApplicable("this model does not copy")
    found = by_steps(model, batch)[0].exp()
    worst = max(
        agree(found, in_floats(model, batch), "mixture"),
        agree(found.sum(dim=-1), torch.ones_like(found[..., 0]), "sum of probabilities"),
    )
    set_gate(model, CLOSED)
    plain = _parts(model, batch)[1].log_softmax(dim=-1)
    worst = max(worst, agree(by_steps(model, batch)[0], plain, "g = 1"))
    set_gate(model, -CLOSED)
    copied = by_steps(model, batch)[0].exp()
    is_source = torch.zeros_like(copied[:, 0], dtype=torch.bool)
    for row, length in enumerate(batch.source_lengths.tolist()):
        is_source[row, batch.source[row, :length]] = True
    elsewhere = copied.masked_fill(is_source.unsqueeze(1), 0.0)
    demand(float(elsewhere.max()) < 1e-20, "g = 0: mass on a word that the source does not have")
    return max(worst, agree(copied.sum(dim=-1), torch.ones_like(copied[..., 0]), "sum at g = 0"))
