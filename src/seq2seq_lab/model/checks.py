"""Checks of constructor arguments, sizes and probabilities, and of masks."""

from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from seq2seq_lab.device_queue import has_queue


def check_probability(name: str, value: float) -> float:
    """Return the dropout probability, or refuse it with the rule."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name}={value}: must be in [0, 1); use 0 to turn dropout off")
    return value


def check_positive(**sizes: int) -> None:
    """Refuse sizes below 1, naming the argument."""
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name}={value}: must be >= 1")


def refuse_empty_rows(mask: Bool[Tensor, "batch source"]) -> None:
    """Raise `ValueError` for a row without any real token; a GPU stops by itself, and the CPU does not wait for it."""
    text, all_have = "attention over a source row without any real token", mask.any(dim=1).all()
    if has_queue(mask.device):
        torch._assert_async(all_have, text)
    elif not bool(all_have):
        raise ValueError(text)


def refuse_unused_source(decoder: Any) -> None:
    """Raise `ValueError` where a recurrent decoder of these parts reads nothing of the source, or in vain."""
    attends = decoder.attention.context_dim > 0
    if not (decoder.bridge.reads_source or decoder.context.every_step or attends):
        raise ValueError(
            "nothing of the source reaches the decoder: no attention, no fixed context at each step and a bridge "
            "that does not read the source; choose model/bridge=linear, model/context=every_step_and_output or an "
            "attention"
        )
    if attends and not decoder.context_enters_state and not decoder.readout.uses_context:
        raise ValueError(
            "model/readout=state with attention after the cell: the context would be thrown away; use "
            "model/readout=state_context or model/order=before"
        )
    if decoder.mixture.copies and not attends:
        raise ValueError(
            "model/output=copy without attention: nothing says which source word to copy; choose an attention, such "
            "as model/attention=additive, or model/output=generate"
        )


def refuse_unused_dropout(encoder: Any, decoder: Any) -> None:
    """Raise `ValueError` where an encoder drops numbers of its states and the decoder reads only its final ones."""
    dropout = getattr(encoder, "output_dropout", None)
    attention, bridge = (getattr(decoder, part, None) for part in ("attention", "bridge"))
    if dropout is None or not dropout.p or attention is None or bridge is None:
        return
    if not (attention.context_dim or bridge.reads_states):
        raise ValueError(
            f"model.encoder.output_dropout={dropout.p} without attention: the decoder reads the final states only, "
            "which stay whole; set it to 0, or choose an attention, or model/bridge=mean"
        )
