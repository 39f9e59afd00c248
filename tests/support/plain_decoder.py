"""A plain recurrent decoder: a sentence at a time, a step at a time, torch's single cells."""

import torch
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.cell import ReluCell
from seq2seq_lab.model.conditional_decoder import ConditionalDecoder
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.recurrent_decoder import BahdanauDecoder, LuongDecoder
from seq2seq_lab.model.state import Memory
from support.model_properties import assert_equal
from support.stack_formulas import plain_layer
from support.tiny_models import make_batch

SINGLE = {nn.RNN: torch.rnn_tanh_cell, nn.GRU: torch.gru_cell, nn.LSTM: torch.lstm_cell}


def single_cell(
    cell: nn.Module, inputs: Tensor, hidden: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of torch's single cell, or of the cell itself where torch has none like it."""
    kind = next((k for k in type(cell).__mro__ if k in SINGLE), None)
    if kind is None:
        return cell.step(cell.project(inputs), (hidden, memory))
    weights = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)
    if kind is nn.LSTM:
        return SINGLE[kind](inputs, (hidden, memory), *weights)
    single = torch.rnn_relu_cell if isinstance(cell, ReluCell) else SINGLE[kind]
    return single(inputs, hidden, *weights), memory


def plain_logits(
    model: EncoderDecoder, memory: Memory, dropout_mask: Tensor, tokens: Tensor
) -> Tensor:
    """Decode one unpadded sentence as the papers write it; `dropout_mask` has a row per layer."""
    decoder = model.decoder
    hidden, cell_state = (list(part.unbind(1)) for part in decoder.bridge(memory))
    keys = decoder.attention.prepare(memory)
    feed = torch.zeros(1, decoder.readout.dim, dtype=torch.float64)
    logits, queries = [], []

    def look(
        query: Tensor,
    ) -> Tensor:  # with all earlier queries, for attention that remembers them
        queries.append(query)
        return decoder.attention.sequence(torch.stack(queries, dim=1), keys)[0][:, -1]

    for token in tokens:
        word = (
            feed[:, :0]
            if decoder.embedding is None
            else decoder.embedding.lookup.weight[token][None]
        )
        parts = [word] if decoder.context.feeds_output else []
        parts += [memory.hidden[:, -1]] if decoder.context.every_step else []
        if isinstance(decoder, BahdanauDecoder):
            read = look(hidden[-1])
            parts.append(read)
        parts += [feed] if decoder.input_feeding else []
        below = torch.cat(parts, dim=1)
        for layer, one in enumerate(decoder.cells[: decoder.num_layers]):
            hidden[layer], cell_state[layer] = single_cell(
                one, below, hidden[layer], cell_state[layer]
            )
            if isinstance(decoder, ConditionalDecoder) and layer == 0:
                read = look(hidden[0])
                hidden[0], cell_state[0] = single_cell(
                    decoder.cells[-1], read, hidden[0], cell_state[0]
                )
            below = plain_layer(decoder.stack, layer, hidden[layer], below, dropout_mask[layer])
        if isinstance(decoder, LuongDecoder):
            read = look(below)
        feed = decoder.readout(below, read, word)
        logits.append(feed @ decoder.output.weight.T + decoder.output.bias)
    return torch.cat(logits)


def memory_of(model: EncoderDecoder, batch: Batch, whole: Memory, row: int) -> Memory:
    """Encode a sentence alone; while training, when its mask hangs on its place, cut it out of the whole."""
    one, length = slice(row, row + 1), int(batch.source_lengths[row])
    if not model.training:
        return model.encode(batch.source[one, :length], torch.tensor([length]))
    states, mask = whole.states[one, :length], whole.mask[one, :length]
    return Memory(states, mask, whole.hidden[one], whole.cell_state[one])


def equals_the_plain_decoder(model: EncoderDecoder) -> None:
    batch = make_batch()
    torch.manual_seed(5)
    logits = model(batch.source, batch.source_lengths, batch.target_input)
    torch.manual_seed(5)
    whole = model.encode(batch.source, batch.source_lengths)
    masks = model.initial_state(whole).dropout_mask
    for row, length in enumerate(batch.target_mask.sum(dim=1).tolist()):
        memory = memory_of(model, batch, whole, row)
        expected = plain_logits(model, memory, masks[row], batch.target_input[row, :length])
        assert_equal(logits[row, :length], expected)
