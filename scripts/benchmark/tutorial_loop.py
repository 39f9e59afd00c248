"""The loop that tutorials teach, over our own model's weights: the slow implementation that speed is measured against.

Everything is inside the step: the keys are projected again each time (for additive attention from the state, repeated
for every source position, side by side with the memory), the cell is called for one step, the output layer runs for
every position, padding included, and the loss ignores padding afterwards. Sentences are packed and every product is
`torch.nn.functional.linear`; only the dropout masks are ours. Weights and mathematics are the model's own, and a test
holds both equal.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.model.attention import AdditiveAttention, Attention, GeneralAttention, NoAttention
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.model.state import Memory
from seq2seq_lab.special_tokens import PAD


def attend(
    attention: Attention, state: Float[Tensor, "rows 1 dim"], memory: Memory
) -> Float[Tensor, "rows 1 context"]:
    """Return the context, the keys being projected anew."""
    if isinstance(attention, NoAttention):
        return state[..., :0]
    if isinstance(attention, GeneralAttention):
        keys = F.linear(memory.states, attention.key.weight)
        scores = torch.bmm(state, keys.transpose(1, 2))
        weights = F.softmax(scores.masked_fill(~memory.mask.unsqueeze(1), -1e10), dim=2)
        return torch.bmm(weights, memory.states)
    assert isinstance(attention, AdditiveAttention), "the tutorial knows no other attention"
    both = torch.cat([state.expand_as(memory.states), memory.states], dim=2)
    weight = torch.cat([attention.query.weight, attention.key.weight], dim=1)
    energy = torch.tanh(F.linear(both, weight, attention.key.bias)) @ attention.vector
    weights = F.softmax(energy.masked_fill(~memory.mask, -1e10), dim=1)
    return torch.bmm(weights.unsqueeze(1), memory.states)


def read_out(
    readout: Readout,
    state: Float[Tensor, "rows 1 dim"],
    context: Float[Tensor, "rows 1 context"],
    embedded: Float[Tensor, "rows 1 embedding"],
) -> Float[Tensor, "rows 1 readout"]:
    """Return the readout, its layer by torch's own product."""
    joined = readout.join(state, context, embedded)
    if isinstance(readout.layer, nn.Linear):
        joined = F.linear(joined, readout.layer.weight, readout.layer.bias)
    return readout.activate(joined)


def encode(model: EncoderDecoder, batch: Batch) -> Memory:
    """Return the packed encoder's memory."""
    encoder = model.encoder
    embedded = encoder.embedding(batch.source)
    packed = pack_padded_sequence(
        embedded, batch.source_lengths, batch_first=True, enforce_sorted=False
    )
    outputs, final = encoder.rnn.sequence(packed)
    states, _ = pad_packed_sequence(outputs, batch_first=True)
    hidden, cell_state = (part.flatten(1).unsqueeze(1) for part in final)
    mask = mask_from_lengths(batch.source_lengths.to(states.device), states.shape[1])
    return Memory(states, mask, hidden, cell_state)


def tutorial_loss(
    model: EncoderDecoder, batch: Batch, use_reference: Bool[Tensor, " target"] | None = None
) -> Float[Tensor, ""]:
    """Return the mean loss per real token."""
    outputs = tutorial_outputs(model, batch, use_reference).flatten(0, 1)
    return F.cross_entropy(outputs, batch.target_output.flatten(), ignore_index=PAD)


def tutorial_outputs(
    model: EncoderDecoder, batch: Batch, use_reference: Bool[Tensor, " target"] | None = None
) -> Float[Tensor, "batch target vocab"]:
    """Return the logits of all positions. `use_reference` has one entry per step (None: all True)."""
    decoder = model.decoder
    memory = encode(model, batch)
    rows, steps = batch.target_input.shape
    outputs = torch.zeros(rows, steps, decoder.output.out_features, device=batch.source.device)
    outputs = outputs.to(memory.states.dtype)
    hidden, cell_state = decoder.bridge(memory)
    feed = hidden.new_zeros(rows, decoder.readout.dim if decoder.input_feeding else 0)
    token = batch.target_input[:, 0]
    for step in range(steps):
        if step:
            forced = use_reference is None or bool(use_reference[step])
            token = batch.target_input[:, step] if forced else outputs[:, step - 1].argmax(1)
        embedded = decoder.embedding(token.unsqueeze(1))
        inputs = torch.cat([embedded, feed.unsqueeze(1)], dim=2)
        if decoder.attends_before:
            context = attend(decoder.attention, hidden[:, -1:], memory)
            inputs = torch.cat([embedded, context, feed.unsqueeze(1)], dim=2)
        top, (hidden, cell_state) = decoder.cells[0].sequence(inputs, (hidden, cell_state))
        if not decoder.attends_before:
            context = attend(decoder.attention, top, memory)
        readout = read_out(decoder.readout, top, context, embedded)
        outputs[:, step] = F.linear(readout[:, 0], decoder.output.weight, decoder.output.bias)
        if decoder.input_feeding:
            feed = readout[:, 0]
    return outputs
