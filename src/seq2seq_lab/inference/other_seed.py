"""The other model of `decoding.intervention=other_seed`: found, compared and put into a translator."""

from dataclasses import replace
from typing import Any

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.stored_parts import build_model, read_tokenizer
from seq2seq_lab.inference.trained import read_model
from seq2seq_lab.inference.translator import Translator


def with_other(translator: Translator) -> Translator:
    """Return the translator with the other model that its intervention names; unchanged where it names none.

    Raises `ConfigError` if that model reads other tokens or has other parts: its weights would mean something else.
    """
    intervention = translator.decoding.intervention
    run = None if intervention is None else intervention.other_run()
    if run is None:
        return translator
    stored = read_model(run)
    for side, own in (
        ("source", translator.source_tokenizer),
        ("target", translator.target_tokenizer),
    ):
        if read_tokenizer(stored, side, run).fingerprint() != own.fingerprint():
            raise ConfigError(
                f"decoding.intervention.run={run}: its {side} tokenizer is another one; name a run on the same data"
            )
    other = build_model(stored, run)
    if _shapes(other) != _shapes(translator.model):
        raise ConfigError(
            f"decoding.intervention.run={run}: its model has other parts or sizes; name a run that differs by the seed "
            "alone (an ensemble has no other seed)"
        )
    device = next(translator.model.parameters()).device
    return replace(translator, other=other.to(device))


def _shapes(model: Any) -> dict[str, Any]:
    """Return the shape of every weight, and the number of heads wherever there are some."""
    heads = {
        name: part.num_heads for name, part in model.named_modules() if hasattr(part, "num_heads")
    }
    return heads | {name: tensor.shape for name, tensor in model.state_dict().items()}
