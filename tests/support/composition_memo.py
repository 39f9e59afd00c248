"""Hydra reads each file of the repository's conf/, and composes each command line, once per test process.

A composition is a function of the YAML files and the overrides and takes 0.3 s, and a command composes the same
overrides two or three times. Each caller gets a copy, with its own working directory; processes that tests start
compose afresh.
"""

import pickle
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.utils import JobRuntime
from omegaconf import DictConfig

from seq2seq_lab.config.compose import conf_dir

_OURS = [str(conf_dir())]


def stored(function: Callable, key_of: Callable[..., Any]) -> Callable:
    """Return the function with its results kept as pickles by key; what has no key is computed each time."""
    kept: dict[Any, bytes] = {}

    @wraps(function)
    def with_memo(*args: Any, **named: Any) -> Any:
        key = key_of(*args, **named)
        if key is None:
            return function(*args, **named)
        if key not in kept:
            kept[key] = pickle.dumps(function(*args, **named))
        return pickle.loads(kept[key])

    return with_memo


def _is_ours(repository: ConfigRepository) -> bool:
    """Tell whether no folder but the repository's conf/ is searched."""
    sources = repository.get_sources()
    return [source.path for source in sources if source.scheme() == "file"] == _OURS


def _file(repository: ConfigRepository, config_path: str) -> Any:
    return config_path if _is_ours(repository) else None


def _command_line(
    loader: ConfigLoaderImpl, config_name: Any, overrides: list[str], *rest: Any, **named: Any
) -> Any:
    if not _is_ours(loader.repository) or any("searchpath" in text for text in overrides):
        return None
    job = JobRuntime.instance().get("name")
    return (config_name, tuple(overrides), rest, tuple(sorted(named.items())), job)


def install() -> None:
    """Put both memos before Hydra's own functions."""
    compose = stored(ConfigLoaderImpl.load_configuration, _command_line)

    @wraps(compose)
    def here(*args: Any, **named: Any) -> DictConfig:
        cfg = compose(*args, **named)
        cfg.hydra.runtime.cwd = str(Path.cwd())
        return cfg

    ConfigLoaderImpl.load_configuration = here  # type: ignore[method-assign]
    ConfigRepository.load_config = stored(ConfigRepository.load_config, _file)  # type: ignore[method-assign]
