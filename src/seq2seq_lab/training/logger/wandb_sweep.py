"""The config of a run that a sweep agent of Weights & Biases started."""

import os
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import DataError, UserError
from seq2seq_lab.stored_text import read_yaml


def beside_parameters(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config; a part whose key is a parameter of the sweep gets the key `<key>_config`.

    W&B keeps the keys of the parameters for the values that it chose: without this, the parameter `model` would hide
    the whole config of the model.
    """
    chosen = _parameters()
    return {
        f"{key}_config" if key in chosen and isinstance(part, dict) else key: part
        for key, part in config.items()
    }


def _parameters() -> set[str]:
    """Return the names of the sweep's parameters; none outside a sweep."""
    path = os.environ.get("WANDB_SWEEP_PARAM_PATH")
    if not path:
        return set()
    try:
        return set(read_yaml(Path(path), DataError, "start the agent again"))
    except UserError:  # W&B says what is wrong with its own file
        return set()
