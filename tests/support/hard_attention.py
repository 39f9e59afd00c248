"""Hard attention by enumeration: every alignment of a short target, one by one, as a plain sum of products."""

from itertools import product
from math import exp, log
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import agree
from seq2seq_lab.doctor.batches import random_batch, rows_of
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.state import Memory
from seq2seq_lab.model.transition import FreeTransition
from support.doctor_findings import patient_of

SOURCES, TARGETS = (3, 0, 2), (2, 1, 2)
"""Words of each sentence; the end token makes the longest source 4 and the longest target 3."""


def model_of(*overrides: str, seed: int = 1) -> EncoderDecoder:
    """Return a tiny float64 model with random weights."""
    return patient_of("model=hard_monotonic", *overrides).model(seed)


def tiny_batch(seed: int = 1) -> Batch:
    return random_batch(SOURCES, TARGETS, (11, 13), seed)


def cell_outputs(decoder: Any, memory: Memory, tokens: Tensor) -> list[Tensor]:
    """Return s_t for each input token of one sentence, by torch's own module."""
    (cell,) = decoder.cells
    hidden, cell_state = (part.transpose(0, 1).contiguous() for part in decoder.bridge(memory))
    before = (hidden, cell_state) if cell.has_cell_state else hidden
    words = decoder.embedding.lookup.weight[tokens].unsqueeze(0)
    return list(super(type(cell), cell).forward(words, before)[0][0])


def scores_and_emissions(
    model: EncoderDecoder, one: Batch
) -> tuple[list[list[float]], list[list[list[float]]]]:
    """Return s_t W h_j at [t][j] and p(v | a_t = j, s_t) at [t][j][v] of a batch with one sentence."""
    decoder, memory = model.decoder, model.encode(one.source, one.source_lengths)
    scores, emissions = [], []
    for state in cell_outputs(decoder, memory, one.target_input[0]):
        positions = memory.states[0]
        scores.append((positions @ decoder.attention.key.weight.T @ state).tolist())
        layer = decoder.readout.layer
        read = [torch.tanh(layer.weight @ torch.cat([state, h]) + layer.bias) for h in positions]
        logits = [decoder.output.weight @ r + decoder.output.bias for r in read]
        emissions.append([one.softmax(0).tolist() for one in logits])
    return scores, emissions


def move(rule: Any, scores: list[float], before: int, now: int) -> float:
    """Return p(a_t = now | a_{t-1} = before)."""

    def follows(j: int) -> bool:
        jump = getattr(rule, "max_jump", None)
        return isinstance(rule, FreeTransition) or (
            j >= before and (jump is None or j - before <= jump)
        )

    if not follows(now):
        return 0.0
    return exp(scores[now]) / sum(exp(s) for j, s in enumerate(scores) if follows(j))


@torch.no_grad()
def by_enumeration(model: EncoderDecoder, one: Batch) -> tuple[list[float], list[list[float]]]:
    """Return log p(y_1 ... y_t) and p(a_t | y_<t) for each t of one sentence, from all alignments."""
    scores, emissions = scores_and_emissions(model, one)
    tokens, rule = one.target_output[0].tolist(), model.decoder.transition
    totals, attention = [], []
    for steps in range(1, len(tokens) + 1):
        total, ends = 0.0, [0.0] * len(scores[0])
        for alignment in product(range(len(scores[0])), repeat=steps):
            probability, before = 1.0, 0
            for t, now in enumerate(alignment):
                probability *= move(rule, scores[t], before, now)
                if t == steps - 1:
                    ends[now] += probability
                probability *= emissions[t][now][tokens[t]]
                before = now
            total += probability
        totals.append(log(total))
        attention.append([end / sum(ends) for end in ends])
    return totals, attention


@torch.no_grad()
def equals_enumeration(model: EncoderDecoder, batch: Batch) -> float:
    """Compare a padded batch with the enumeration of each sentence: log p(y), p(a_t | y_<t) and the zeros."""
    inputs = (batch.source, batch.source_lengths, batch.target_input)
    logits, weights = model(*inputs), model.attention_weights(*inputs)[:, 0]
    worst = 0.0
    for row in range(len(batch)):
        one = rows_of(batch, [row])
        totals, attention = by_enumeration(model, one)
        steps, source = len(totals), len(attention[0])
        found = logits[row, :steps].gather(1, one.target_output[0].unsqueeze(1))[:, 0].cumsum(0)
        worst = max(worst, agree(found.tolist(), totals, f"log p(y) of sentence {row}"))
        there = weights[row, :steps]
        worst = max(worst, agree(there[:, :source].tolist(), attention, f"p(a) of sentence {row}"))
        worst = max(worst, agree(float(there[:, source:].sum()), 0.0, "weight on padding"))
    return worst
