"""Dropout of source states is refused exactly where no decoder reads them: whatever the attention and the bridge."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from seq2seq_lab.model import encoder_decoder
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel.dropout import Dropout
from support.tiny_models import Choice, axes, make_batch, make_model

REFUSAL = (
    r"model\.encoder\.output_dropout=0\.4 without attention: .* set it to 0, or choose an attention"
)


def choice_of(attention: str, bridge: str, context: str) -> Choice:
    parts = ("gru", attention, bridge, context, "after", "state_context")
    return Choice(*parts, False, "bidirectional", (1, 1), (6, 6))


def reads_states(model: EncoderDecoder) -> bool:
    """Tell by computing: do other states at each position, under the same final ones, give other logits."""
    batch = make_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    other = replace(memory, states=memory.states * -2)
    logits = [
        model.step(batch.target_input[:, 0], model.initial_state(m))[0] for m in (memory, other)
    ]
    return not torch.equal(*logits)


def is_refused_where_nothing_reads_it(choice: Choice) -> bool:
    model = make_model(choice)
    model.encoder.output_dropout = Dropout(0.4)
    if is_read := reads_states(model):
        EncoderDecoder(model.encoder, model.decoder)
    else:
        with pytest.raises(ValueError, match=REFUSAL):
            EncoderDecoder(model.encoder, model.decoder)
        model.encoder.output_dropout = Dropout(0.0)
        EncoderDecoder(model.encoder, model.decoder)
    return is_read


def test_output_dropout_is_refused_where_nothing_reads_it():
    names = ("attention", "bridge", "context")
    found = []
    for attention, bridge, context in product(*(axes()[name] for name in names)):
        deaf = attention == "none" and bridge in ("zero", "learned")
        # with nothing of the source left the model is refused as a whole
        if not (deaf and context == "initial_state"):
            found.append(is_refused_where_nothing_reads_it(choice_of(attention, bridge, context)))
    assert set(found) == {True, False}
    # without attention: last and linear in each of 3 structures, zero and learned in 2
    assert found.count(False) == 10


def test_planted_missing_refusal_is_caught(monkeypatch):
    monkeypatch.setattr(encoder_decoder, "refuse_unused_dropout", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        is_refused_where_nothing_reads_it(choice_of("none", "linear", "initial_state"))
