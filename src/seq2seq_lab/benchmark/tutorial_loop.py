"""The loop that tutorials teach, over our own model's weights: the slow road that speed is measured against.

Everything is inside the step: the keys are projected again each time, the cell is called for one step, the output layer
runs for every position, padding included, and the loss ignores padding afterwards. Same weights, same mathematics, so
a test can say that it equals the fast road.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.encoder_decoder import EncoderDecoder


def tutorial_logits(
    model: EncoderDecoder, batch: Batch, coins: Bool[Tensor, " target"] | None = None
) -> Float[Tensor, "tokens vocab"]:
    """Return the logits of the real positions. A coin per step (None: all True) feeds the data's token to all rows."""
    decoder = model.decoder
    memory = model.encode(batch.source, batch.source_lengths)
    rows, steps = batch.target_input.shape
    outputs = torch.zeros(rows, steps, decoder.output.out_features, device=batch.source.device)
    outputs = outputs.to(memory.states.dtype)
    hidden, cell = decoder.bridge(memory)
    feed = hidden.new_zeros(rows, decoder.readout.dim if decoder.input_feeding else 0)
    token = batch.target_input[:, 0]
    for step in range(steps):
        if step:
            forced = coins is None or bool(coins[step])
            token = batch.target_input[:, step] if forced else outputs[:, step - 1].argmax(1)
        embedded = decoder.embedding(token.unsqueeze(1))
        inputs = torch.cat([embedded, feed.unsqueeze(1)], dim=2)
        top, (hidden, cell) = decoder.cells[0].sequence(inputs, (hidden, cell))
        keys = decoder.attention.prepare(memory)
        context, _ = decoder.attention.sequence(top, keys)
        vector = decoder.readout(top, context, embedded)
        outputs[:, step] = decoder.output(vector[:, 0])
        if decoder.input_feeding:
            feed = vector[:, 0]
    return outputs[batch.target_mask]
