"""A composed config as plain values, every interpolation resolved, and what to say where one cannot be."""

import re
from typing import Any

from omegaconf import DictConfig, ListConfig
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from seq2seq_lab.config.signature import MISSING, closest
from seq2seq_lab.config.structure import Problem, join, raise_problems
from seq2seq_lab.errors import one_line


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """Return the config as plain containers with every interpolation resolved; `???` stays `???`."""
    problems: list[Problem] = []
    plain = plain_values(cfg, "", cfg, problems)
    raise_problems(problems)
    return plain


def plain_values(
    node: Any, path: str, root: DictConfig, problems: list[Problem], depth: int = 0
) -> Any:
    """Return the node at `path` as plain containers; what cannot be resolved is added to `problems`."""
    if depth > 40:
        problems.append(Problem(path.rpartition(".")[0][:80], "this node contains itself"))
        return None
    if isinstance(node, DictConfig):
        keys: list[Any] = [] if node._is_none() else list(node.keys())
        return {
            str(k): plain_values(
                _item(node, k, join(path, k), root, problems),
                join(path, k),
                root,
                problems,
                depth + 1,
            )
            for k in keys
        }
    if isinstance(node, ListConfig):
        return [
            plain_values(
                _item(node, i, join(path, i), root, problems),
                join(path, i),
                root,
                problems,
                depth + 1,
            )
            for i in range(len(node))
        ]
    return node


def _item(
    node: DictConfig | ListConfig, key: Any, path: str, root: DictConfig, problems: list[Problem]
) -> Any:
    try:
        return node[key]
    except (MissingMandatoryValue, InterpolationToMissingValueError):
        return MISSING
    except OmegaConfBaseException as error:
        problems.append(Problem(path, interpolation_text(error, root)))
        return MISSING


def interpolation_text(error: OmegaConfBaseException, root: DictConfig) -> str:
    """Say on one line which `${...}` cannot be resolved, with the nearest key that exists."""
    text = one_line(str(error).split("\n    full_key")[0])
    found = re.search(r"Interpolation key '(.+?)' not found", text)
    if not found:
        return re.sub(r"^\w+ raised while resolving interpolation: ", "cannot resolve: ", text)
    return f"${{{found[1]}}}: no such key{closest(found[1], all_keys(root))}"


def all_keys(cfg: DictConfig, path: str = "") -> list[str]:
    """Return the dotted paths of all keys, nodes and leaves, without resolving anything."""
    keys = []
    for key in cfg if not (cfg._is_none() or cfg._is_missing() or cfg._is_interpolation()) else []:
        keys.append(join(path, key))
        child = cfg._get_node(key)
        if isinstance(child, DictConfig):
            keys += all_keys(child, keys[-1])
    return keys
