"""An LSTM over padded sentences that ignores the padding: the outputs of packed sequences, by torch's faster kernel.

On the CPU torch runs packed sentences step by step; oneDNN's kernel, which takes all steps at once, knows no lengths.
So each position gets one more input, 1 on padding: its weights shut the input gate (-1e4) and open the forget gate
(+1e4). In float32 these gates are then exactly 0 and 1, so the cell state does not change on padding. The backward
direction, which reads the padding first, stays at zero; the final state of the forward direction is its output at the
last word.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.model.cell import LstmCell, State
from seq2seq_lab.model.kernel.dropout import dropout
from seq2seq_lab.model.kernel.linear import prefers_onednn

HOLD = 1e4
"""Large enough that a float32 sigmoid of it, plus or minus any real gate, is 1."""
FULL = 0.75
"""With more padding than the rest of this, packing is faster."""


def suits(rnn: object, positions: int, lengths: Int[Tensor, " batch"]) -> bool:
    """Return whether this is the faster way: a large float32 LSTM on a CPU, and sentences of similar length."""
    return (
        isinstance(rnn, LstmCell)
        and prefers_onednn(rnn.weight_hh_l0)
        and int(lengths.sum()) >= FULL * len(lengths) * positions
    )


def run(
    rnn: LstmCell, inputs: Float[Tensor, "batch source input"], lengths: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch source output"], State]:
    """Return what `rnn.sequence` gives for packed sentences: outputs, 0 on padding, and the final states."""
    padding = ~mask_from_lengths(lengths, inputs.shape[1]).unsqueeze(-1)
    last = (lengths - 1).view(-1, 1, 1).expand(-1, 1, rnn.hidden_size)
    hidden: list[Tensor] = []
    cell_states: list[Tensor] = []
    below = inputs
    for layer in range(rnn.num_layers):
        read = dropout(below, rnn.dropout, training=rnn.training) if layer else below
        outputs, final, cell_state = _layer(
            rnn, layer, torch.cat([read, padding.to(read.dtype)], dim=-1)
        )
        below = outputs.masked_fill(padding, 0.0)
        hidden += [outputs[..., : rnn.hidden_size].gather(1, last)[:, 0], *final[1:]]
        cell_states += cell_state
    return below, (torch.stack(hidden, dim=1), torch.stack(cell_states, dim=1))


def _layer(rnn: LstmCell, layer: int, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer in its direction or directions; the last input is 1 on padding."""
    weights: list[Tensor] = []
    for direction in ("", "_reverse")[: 1 + rnn.bidirectional]:
        of_inputs, of_state, *biases = (
            getattr(rnn, f"{name}_l{layer}{direction}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hold = of_inputs.new_zeros(len(of_inputs), 1)
        enter, forget, *_ = hold.chunk(4)
        enter.fill_(-HOLD)
        forget.fill_(HOLD)
        weights += [torch.cat([of_inputs, hold], dim=1), of_state, *biases]
    zeros = inputs.new_zeros(1 + rnn.bidirectional, len(inputs), rnn.hidden_size)
    has_biases = batch_first = True
    layers, between = 1, 0.0
    settings = (has_biases, layers, between, rnn.training, rnn.bidirectional, batch_first)
    return torch._VF.lstm(inputs, (zeros, zeros), weights, *settings)
