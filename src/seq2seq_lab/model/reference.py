"""The attentional recurrent decoder as the papers write it: slow and obvious, to read and to test the fast one against.

One sentence, one step, one layer at a time, in plain torch. Equations: Bahdanau et al. (2015), appendix A, Luong et al.
(2015), section 3, and Sennrich et al. (2017), section 2. Covers additive, general, dot and no attention, no dropout,
and no operation between the layers.
"""

from typing import Any

import torch
from torch import Tensor, sigmoid, tanh

from seq2seq_lab.model.conditional_decoder import ConditionalDecoder
from seq2seq_lab.model.recurrent_decoder import BahdanauDecoder, LuongDecoder
from seq2seq_lab.model.state import Memory


def reference_logits(decoder: Any, memory: Memory, tokens: Tensor) -> Tensor:
    """Return the logits (target, vocab) of one sentence: `memory` has one row without padding, `tokens` one axis."""
    states = memory.states[0]
    hidden, cell_states = (list(part[0]) for part in decoder.bridge(memory))
    feed, logits = states.new_zeros(decoder.readout.dim), []
    for token in tokens:
        word = decoder.embedding.lookup.weight[token]
        parts = [word] if decoder.context.feeds_output else []
        parts += [memory.hidden[0, -1]] if decoder.context.every_step else []
        if isinstance(decoder, BahdanauDecoder):
            context = attend(decoder.attention, hidden[-1], states)
            parts += [context]
        inputs = torch.cat([*parts, feed] if decoder.input_feeding else parts)
        for layer, cell in enumerate(decoder.cells[: decoder.num_layers]):
            before = hidden[layer], cell_states[layer]
            inputs, cell_states[layer] = recur(cell, inputs, *before)
            if isinstance(decoder, ConditionalDecoder) and layer == 0:
                context = attend(decoder.attention, inputs, states)
                inputs, cell_states[0] = recur(decoder.cells[-1], context, inputs, cell_states[0])
            hidden[layer] = inputs
        if isinstance(decoder, LuongDecoder):
            context = attend(decoder.attention, hidden[-1], states)
        feed = read_out(decoder.readout, hidden[-1], context, word)
        logits.append(decoder.output.weight @ feed + decoder.output.bias)
    return torch.stack(logits)


def attend(attention: Any, query: Tensor, states: Tensor) -> Tensor:
    """Return the context: the states, weighted by the softmax of their scores."""
    match type(attention).__name__:
        case "AdditiveAttention":  # v . tanh(W q + U h + b)
            keys = states @ attention.key.weight.T + attention.key.bias
            scores = tanh(attention.query.weight @ query + keys) @ attention.vector
        case "GeneralAttention":  # q . W h
            scores = states @ attention.key.weight.T @ query
        case "DotAttention":  # q . h
            scores = states @ query
        case "NoAttention":
            return states[0, :0]
        case name:
            raise NotImplementedError(name)
    weights = scores.exp() / scores.exp().sum()
    return weights @ states


def recur(cell: Any, inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return h and c after one step; c has width 0 in all cells but the LSTM."""
    from_input = cell.weight_ih_l0 @ inputs + cell.bias_ih_l0
    from_state = cell.weight_hh_l0 @ h + cell.bias_hh_l0
    match cell:
        case torch.nn.LSTM():
            i, f, g, o = (from_input + from_state).chunk(4)
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            return sigmoid(o) * tanh(c), c
        case torch.nn.GRU():
            (r, z, n), (u, v, w) = from_input.chunk(3), from_state.chunk(3)
            r, z = sigmoid(r + u), sigmoid(z + v)
            return (1 - z) * tanh(n + r * w) + z * h, c
        case torch.nn.RNN():
            return tanh(from_input + from_state), c
        case _:
            raise NotImplementedError(type(cell).__name__)


def read_out(readout: Any, state: Tensor, context: Tensor, word: Tensor) -> Tensor:
    """Return the state itself, or tanh(W [state; context; word] + b)."""
    if isinstance(readout.layer, torch.nn.Identity):
        return state
    joined = torch.cat([state, context, word] if readout.uses_embedding else [state, context])
    return tanh(readout.layer.weight @ joined + readout.layer.bias)
