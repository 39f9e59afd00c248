"""A composed config as plain values, every interpolation resolved, and what to say where one cannot be."""

import re
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from seq2seq_lab.config.keys import MISSING, join, walk
from seq2seq_lab.config.problems import Problem, closest, raise_problems
from seq2seq_lab.errors import one_line

_DEEPEST = 40
"""Levels of a config; only a node that contains itself is deeper."""


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """Return the config as plain containers with every interpolation resolved; `???` stays `???`."""
    problems: list[Problem] = []
    plain = plain_values(cfg, "", cfg, problems)
    raise_problems(problems)
    return plain


def yaml_text(cfg: DictConfig) -> str:
    """Return the resolved config as YAML, as the run folder stores it."""
    return OmegaConf.to_yaml(cfg, resolve=True)


def plain_values(node: Any, path: str, root: DictConfig, problems: list[Problem]) -> Any:
    """Return the node at `path` as plain containers; what cannot be resolved is added to `problems`."""
    if not isinstance(node, DictConfig | ListConfig):
        return node
    if path.count(".") > _DEEPEST:
        problems.append(Problem(path.rpartition(".")[0][:80], "this node contains itself"))
        return None
    is_dict = isinstance(node, DictConfig)
    keys: Any = () if node._is_none() else node if is_dict else range(len(node))
    plain = {}
    for key in keys:
        here = join(path, key)
        try:
            plain[str(key)] = plain_values(node[key], here, root, problems)
        except (MissingMandatoryValue, InterpolationToMissingValueError):
            plain[str(key)] = MISSING
        except OmegaConfBaseException as error:
            problems.append(Problem(here, _interpolation_text(error, root)))
            plain[str(key)] = MISSING
    return plain if is_dict else list(plain.values())


def _interpolation_text(error: OmegaConfBaseException, root: DictConfig) -> str:
    """Return on one line which `${...}` cannot be resolved, with the nearest key that exists."""
    text = one_line(str(error).split("\n    full_key")[0])
    found = re.search(r"Interpolation key '(.+?)' not found", text)
    if not found:
        return re.sub(r"^\w+ raised while resolving interpolation: ", "cannot resolve: ", text)
    return f"${{{found[1]}}}: no such key{closest(found[1], all_keys(root))}"


def all_keys(cfg: DictConfig) -> list[str]:
    """Return the dotted paths of all keys, nodes and leaves, without resolving anything."""
    return [path for path, _ in walk(OmegaConf.to_container(cfg, resolve=False))]
