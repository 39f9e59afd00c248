"""Property O11: the encoder reads each sentence of a padded batch as if it were alone."""

from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import agree
from seq2seq_lab.doctor.batches import rows_of, widened
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.state import Memory

TORCH = (nn.LSTM, nn.GRU, nn.RNN)


@torch.no_grad()
def encoder_reads_each_sentence_alone(model: EncoderDecoder, batch: Batch) -> float:
    """O11: states and final states of every layer and direction = those of the unpadded sentence."""
    wide = widened(batch)
    memory, worst = model.encode(wide.source, wide.source_lengths), 0.0
    for row, length in enumerate(batch.source_lengths.tolist()):
        alone = rows_of(batch, [row])
        expected = model.encode(alone.source, alone.source_lengths)
        worst = max(worst, _same(memory, expected, row, length, f"sentence {row}"))
        if hasattr(model.encoder, "text_encoder"):
            worst = max(worst, text_is_as_if_alone(model.encoder, memory, alone, row))
        plain = _by_torch(model.encoder, alone.source[0])
        if plain is not None:
            worst = max(worst, _same(memory, plain, row, length, f"sentence {row}, torch's module"))
        real = [t < length for t in range(wide.source.shape[1])]
        worst = max(worst, agree(memory.mask[row].tolist(), real, f"mask of sentence {row}"))
    return worst


def text_is_as_if_alone(encoder: Any, memory: Memory, alone: Batch, row: int) -> float:
    """Compare the states of a row's text with what its encoder makes of the text without features.

    A row without any must be that in all parts.
    """
    source = alone.source[0]
    count, length = int((source >= encoder.text_vocab_size).sum()), len(source)
    text = encoder.text_encoder(source[None, count:], alone.source_lengths - count)
    what = f"sentence {row}, its text alone"
    if not count:
        return _same(memory, text, row, length, what)
    return agree(memory.states[row, count:length], text.states[0], f"{what}: states")


def _same(memory: Memory, expected: Memory, row: int, length: int, what: str) -> float:
    return max(
        agree(memory.states[row, :length], expected.states[0], f"{what}: states"),
        agree(memory.hidden[row], expected.hidden[0], f"{what}: final h"),
        agree(memory.cell_state[row], expected.cell_state[0], f"{what}: final c"),
    )


def _by_torch(encoder: Any, source: Tensor) -> Memory | None:
    """Return what torch's own module makes of one sentence with the same weights; None where torch has none like it."""
    rnn = getattr(encoder, "rnn", None)
    kind = next((kind for kind in TORCH if isinstance(rnn, kind)), None)
    if rnn is None or kind is None:
        return None
    sizes: Any = (rnn.input_size, rnn.hidden_size, rnn.num_layers)
    extra = {"nonlinearity": rnn.nonlinearity} if kind is nn.RNN else {}
    plain: Any = kind(*sizes, bidirectional=rnn.bidirectional, **extra).double()
    plain.load_state_dict(rnn.state_dict())
    words = encoder.embedding.lookup.weight[source]
    outputs, final = plain(words.flip(0) if encoder.reverse_source else words)
    hidden, cell = final if kind is nn.LSTM else (final, final[..., :0])
    return Memory(
        (outputs.flip(0) if encoder.reverse_source else outputs).unsqueeze(0),
        torch.ones(1, len(source), dtype=torch.bool),
        _side_by_side(hidden, rnn.num_layers),
        _side_by_side(cell, rnn.num_layers),
    )


def _side_by_side(state: Tensor, num_layers: int) -> Tensor:
    """(layers x directions, width) -> (1, layers, directions x width), forward half first, by a plain loop."""
    directions = state.shape[0] // num_layers
    rows = [
        torch.cat([state[layer * directions + d] for d in range(directions)])
        for layer in range(num_layers)
    ]
    return torch.stack(rows).unsqueeze(0)
