"""The parts of a stored model, built: what does not fit together is refused before memory is taken for it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.config.build import build, target_class
from seq2seq_lab.config.dry_run import without_normal_draws
from seq2seq_lab.config.extension_target import is_of_extension
from seq2seq_lab.config.keys import is_node, walk
from seq2seq_lab.config.memory import available_bytes
from seq2seq_lab.config.problems import raise_problems
from seq2seq_lab.config.rules import RULES
from seq2seq_lab.data.tokenizer.registry import TOKENIZERS, tokenizer_from_json
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import CheckpointError, ResourceError, UnsafeError, UserError
from seq2seq_lab.inference.stored_model import StoredModel

_ANOTHER = "use another checkpoint"


def build_stored(node: Any, path: str | Path, place: str) -> Any:
    """Build a node of a stored config; whatever is wrong with it is the checkpoint's fault, not that of the user.

    `place` is the node's key: nothing is built that could not stand there in a config.
    """
    wrong = RULES.kind_problem(place, str(node["_target_"])) if is_node(node) else None
    if wrong:
        raise CheckpointError(f"{path}: its {place}: {wrong.partition(';')[0]}; {_ANOTHER}")
    try:
        return build(node)
    except UnsafeError as error:
        raise UnsafeError(f"{path}: {error}") from error
    except (
        UserError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise CheckpointError(
            f"{path}: its config cannot be built ({str(error)[:200]}); {_ANOTHER}"
        ) from error


def build_model(stored: StoredModel, path: str | Path) -> Any:
    """Build the model of the stored config and give it the stored weights.

    Names, shapes and types are compared with a model that takes no memory. Raises `ResourceError` for a config whose
    model is larger than this machine's memory, `CheckpointError` for weights that do not fit it or are not finite.
    """
    check_weights(stored, path)
    model = build_stored(stored.config["model"], path, "model")
    try:
        model.load_state_dict(stored.weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: the weights do not fit the stored config") from error
    return model.eval()


def check_weights(stored: StoredModel, path: str | Path) -> None:
    """Refuse weights that are not those of the stored config, or not finite."""
    node, weights = stored.config["model"], stored.weights
    for key, value in walk(node):
        if key.endswith("num_layers") and type(value) is int and value > len(weights):
            raise CheckpointError(
                f"{path}: the weights do not fit the stored config ({key}={value})"
            )
    with without_normal_draws(), torch.device("meta"):
        empty = build_stored(node, path, "model")
    if not isinstance(empty, nn.Module):
        raise CheckpointError(f"{path}: its config describes no model; {_ANOTHER}")
    needed = sum(t.numel() * t.element_size() for t in (*empty.parameters(), *empty.buffers()))
    if needed > (free := available_bytes()):
        raise ResourceError(
            f"{path}: its config describes a model of {needed:,} bytes, {free:,} are free; {_ANOTHER}"
        )
    expected = empty.state_dict()
    if expected.keys() != weights.keys():
        odd = sorted(expected.keys() ^ weights.keys())
        raise CheckpointError(f"{path}: the weights do not fit the stored config ({odd[0][:80]})")
    for name, weight in weights.items():
        problem = _problem(weight, expected[name])
        if problem:
            raise CheckpointError(
                f"{path}: the weights do not fit the stored config ({name}: {problem}); {_ANOTHER}"
            )


def _problem(weight: Tensor, expected: Tensor) -> str | None:
    if weight.shape != expected.shape:
        return f"shape {list(weight.shape)}, not {list(expected.shape)}"
    if weight.layout != torch.strided or weight.device.type != "cpu" or weight.is_quantized:
        return "not plain numbers"
    same = weight.dtype == expected.dtype
    if not same and not (weight.is_floating_point() and expected.is_floating_point()):
        return f"{weight.dtype}, not {expected.dtype}"
    if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
        return "not finite"
    return None


def _tokenizer_class(name: str) -> type[Tokenizer] | None:
    """Return the class of a stored tokenizer: one of ours, or one that a trusted extension defines."""
    if not is_of_extension(name):
        return TOKENIZERS.get(name)
    problem = RULES.target_problem(name)
    raise_problems([] if problem is None else [problem])
    kind = target_class(name)
    return kind if isinstance(kind, type) and issubclass(kind, Tokenizer) else None


def read_tokenizer(stored: StoredModel, side: str, path: str | Path) -> Tokenizer:
    """Return the tokenizer of a side; errors name the file, and it must have the size that the model expects."""
    try:
        tokenizer = tokenizer_from_json(getattr(stored, f"{side}_tokenizer"), _tokenizer_class)
        size = len(tokenizer)
    except UserError as error:
        raise type(error)(f"{path}: {error}") from error
    expected = stored.config["model"].get(f"{side}_vocab_size")
    if size != expected:
        raise CheckpointError(
            f"{path}: its {side} tokenizer has {size} tokens, its model {expected}; {_ANOTHER}"
        )
    return tokenizer
