"""The object of a config node."""

import functools
import re
import warnings
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from seq2seq_lab.config.rules import RULES
from seq2seq_lab.config.signature import is_node
from seq2seq_lab.config.structure import Rules, without_dials
from seq2seq_lab.errors import ConfigError, UserError, one_line


def build(node: dict[str, Any] | None, /, rules: Rules = RULES, **runtime: Any) -> Any:
    """Make the object of a resolved node, its dials left out; `runtime` are arguments only known now.

    None gives None. Raises `UnsafeError` for a target outside the list, `ConfigError` for what a constructor refuses.
    """
    if node is None:
        return None
    if not is_node(node):
        raise ConfigError("cannot build a node without _target_; choose an option of its group")
    ready = without_dials({k: v for k, v in node.items() if k not in runtime}, "", rules)
    name = node["_target_"].rpartition(".")[2]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="hydra")
            make = instantiate({**ready, "_partial_": True}, _convert_="all")
        return functools.partial(make, **runtime) if node.get("_partial_") else make(**runtime)
    except UserError:
        raise
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError) or (
            cause is not None and not isinstance(cause, ValueError)
        ):
            raise cause from None
        where = re.search(r"full_key: (\S+)", str(error))
        path = f"{name}.{where[1]}" if where else name
        raise ConfigError(f"{path}: {one_line(cause or error)}") from error
