"""The config: compose it, check it, build from it, and run a command on it. The only package file that imports Hydra.

`launch(main)` is the entry point's guard: mistakes on the command line and in YAML end with one line and an exit
code. `check(cfg)` reports all mistakes of a composed config at once; `build(node)` makes the object of a node.
"""

import functools
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from seq2seq_lab import command_line
from seq2seq_lab.config_check import Problem, Rules, join, raise_problems, without_dials
from seq2seq_lab.config_rules import RULES
from seq2seq_lab.errors import ConfigError, UserError, one_line
from seq2seq_lab.override_check import check_overrides
from seq2seq_lab.signature import MISSING, closest, is_node


def conf_dir() -> Path:
    """Return the folder of the YAML files: the repository's in a checkout, the package's own when installed."""
    package = Path(__file__).resolve().parent
    checkout = package.parents[1] / "conf"
    return checkout if package.parent.name == "src" and checkout.is_dir() else package / "conf"


@contextmanager
def _hydra_config_kept() -> Iterator[None]:
    singleton = HydraConfig.instance()
    before = singleton.cfg
    try:
        yield
    finally:
        singleton.cfg = before


class Session:
    """Hydra's view of a conf folder, for checking a command line before Hydra runs it."""

    def __init__(self, loader: Any, config_name: str, *, is_sweep: bool, is_ours: bool) -> None:
        self.loader, self.config_name, self.is_ours = loader, config_name, is_ours
        self.mode = RunMode.MULTIRUN if is_sweep else RunMode.RUN
        self.repository = loader.repository
        self.parser = OverridesParser.create(config_loader=loader)
        self.sweep_parameters: list[str] = []

    def ask_config(self, overrides: list[str]) -> None:
        """Learn from an experiment whether it is a sweep and over what."""
        with suppress(Exception):  # mistakes are told later
            if any(text.startswith(("experiment=", "hydra.mode=")) for text in overrides):
                sweep, load = RunMode.MULTIRUN, self.loader.load_configuration
                cfg = load(self.config_name, overrides, sweep, validate_sweep_overrides=False)
                self.mode = cfg.hydra.mode or self.mode
                is_sweep = self.mode == RunMode.MULTIRUN
                swept = (cfg.hydra.sweeper.get("params") or {}) if is_sweep else {}
                given = {text.partition("=")[0] for text in overrides}
                self.sweep_parameters = [f"{k}={v}" for k, v in swept.items() if k not in given]

    def options(self, group: str) -> list[str] | None:
        """Return the names that a group offers, or None if there is no such group."""
        exists = group and self.repository.group_exists(group)
        return self.repository.get_group_options(group, ObjectType.CONFIG) if exists else None

    def groups(self, parent: str = "") -> list[str]:
        """Return the paths of all groups."""
        names = [join(parent, n).replace(".", "/") for n in self.loader.list_groups(parent)]
        return names + [inner for name in names for inner in self.groups(name)]

    def compose(self, overrides: list[str]) -> DictConfig:
        """Compose with some overrides, Hydra's own settings included."""
        return self.loader.load_configuration(self.config_name, overrides, self.mode)

    def keys(self, cfg: DictConfig) -> list[str]:
        """Return the dotted paths of all keys."""
        return all_keys(cfg)

    def settings(self, cfg: DictConfig) -> Any:
        """Return Hydra's own settings as plain containers."""
        return OmegaConf.to_container(cfg.hydra, resolve=False)

    def problems(self, cfg: DictConfig) -> list[Problem]:
        """Return what `check` would find in what was composed from the overrides without a mistake.

        A conf folder of somebody else has rules of its own, which only its `main` knows.
        """
        if not self.is_ours:
            return []
        with _hydra_config_kept():
            HydraConfig.instance().set_config(cfg)
            with open_dict(cfg), read_write(cfg):
                job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
            return _all_problems(job, RULES, with_lightning=False)

    def apply(self, cfg: DictConfig, override: Any) -> None:
        """Apply one parsed value override in place."""
        self.loader._apply_overrides_to_config([override], cfg)


@contextmanager
def session(folder: str, arguments: Any = None) -> Iterator[Session]:
    """Open a conf folder with the command line's flags `--config-name` and `--config-dir`."""
    name = getattr(arguments, "config_name", None) or "train"
    extra = getattr(arguments, "config_dir", None)
    with hydra.initialize_config_dir(folder, job_name="train", version_base="1.3"):
        loader: Any = GlobalHydra.instance().config_loader()
        if extra is not None:
            search = loader.get_search_path()
            anchor = SearchPathQuery(provider="schema")
            search.prepend("command-line", f"file://{Path(extra).absolute()}", anchor)
            loader.repository.initialize_sources(search)
        is_sweep, is_ours = bool(getattr(arguments, "multirun", False)), folder == str(conf_dir())
        opened = Session(loader, name, is_sweep=is_sweep, is_ours=is_ours)
        opened.ask_config(getattr(arguments, "overrides", []))
        yield opened


def compose_config(overrides: list[str], conf: Path | None = None) -> DictConfig:
    """Compose as the command line does, with its errors; `${hydra:...}` resolves until the next composition."""
    with command_line.translated(), session(str(conf or conf_dir())) as opened:
        check_overrides(opened, overrides)
        cfg = opened.compose(list(overrides))
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg), read_write(cfg):
        job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.set_struct(job, value=True)
    return job


def compose(overrides: list[str], conf: Path | None = None) -> dict[str, Any]:
    """Compose conf/train.yaml with overrides and return it resolved, as plain dicts, lists and scalars."""
    with _hydra_config_kept():
        return resolve(compose_config(overrides, conf))


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """Return the config as plain containers with every interpolation resolved; `???` stays `???`."""
    problems: list[Problem] = []
    plain = _plain(cfg, "", cfg, problems)
    raise_problems(problems)
    return plain


def _plain(node: Any, path: str, root: DictConfig, problems: list[Problem], depth: int = 0) -> Any:
    if depth > 40:
        problems.append(Problem(path.rpartition(".")[0][:80], "this node contains itself"))
        return None
    if isinstance(node, DictConfig):
        keys: list[Any] = [] if node._is_none() else list(node.keys())
        return {
            str(k): _plain(
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
            _plain(
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


def check(cfg: DictConfig, rules: Rules = RULES, *, with_lightning: bool = False) -> None:
    """Raise one error that lists every mistake of the config; nothing is built that could read data.

    `with_lightning` also builds what takes seconds to import: trainer, callbacks, logger and data module.
    Raises `ConfigError`, or `UnsafeError` if all that is wrong are targets outside the list.
    """
    raise_problems(_all_problems(cfg, rules, with_lightning=with_lightning))


def _all_problems(cfg: DictConfig, rules: Rules, *, with_lightning: bool) -> list[Problem]:
    from seq2seq_lab.dry_run import find_problems

    problems: list[Problem] = []
    plain = _plain(cfg, "", cfg, problems)
    raw = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(raw, dict)
    for tree in (raw, plain):
        tree.pop("hydra", None)
    return problems + find_problems(raw, plain, rules, with_lightning=with_lightning)


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


def launch(main: Callable[..., Any], conf: Path | None = None) -> int:
    """Run `main(cfg)` as a Hydra command on conf/train.yaml and return the exit code.

    `main` may be plain or already decorated with `hydra.main`. Errors are one line on stderr; of a sweep, every job
    runs, a failed one is told at once, and the exit code is 8.
    """
    task, folder = inspect.unwrap(main), str(conf or conf_dir())

    def start(job: Callable[[DictConfig], None], arguments: Any) -> None:
        if arguments is not None:
            with session(folder, arguments) as opened:
                check_overrides(opened, [*opened.sweep_parameters, *arguments.overrides])
        guarded = functools.wraps(task)(job)
        hydra.main(version_base="1.3", config_path=folder, config_name="train")(guarded)()

    def job_state() -> tuple[bool, list[str]]:
        settings = HydraConfig.get()
        return settings.mode == RunMode.MULTIRUN, list(settings.overrides.task)

    from hydra_plugins.seq2seq_lab_study import in_study  # which imports this module

    return command_line.launch(in_study(task), start, job_state, get_args_parser())
