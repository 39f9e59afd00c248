"""Composition of the YAML files under conf/ with the overrides of a command line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from seq2seq_lab.config import command_line
from seq2seq_lab.config.check import all_problems
from seq2seq_lab.config.extension_conf import extension_folders
from seq2seq_lab.config.keys import join
from seq2seq_lab.config.loader import Loader
from seq2seq_lab.config.overrides import check_overrides, refused_override
from seq2seq_lab.config.problems import Problem
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.config.rules import RULES
from seq2seq_lab.config.search_path import take_folders


def conf_dir() -> Path:
    """Return the folder of the YAML files: the repository's in a checkout, the package's own when installed."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1] / "conf"
    return checkout if package.parent.name == "src" and checkout.is_dir() else package / "conf"


@contextmanager
def job_of(cfg: DictConfig) -> Iterator[DictConfig]:
    """Yield a composed config without Hydra's own settings, which `${hydra:...}` reads within the block."""
    singleton = HydraConfig.instance()
    before = singleton.cfg
    try:
        singleton.set_config(cfg)
        with open_dict(cfg), read_write(cfg):
            yield OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    finally:
        singleton.cfg = before


@contextmanager
def beside_the_job() -> Iterator[None]:
    """Compose something else within the block, also in a running job: after it, Hydra knows of the job what it knew."""
    before, app = HydraConfig.instance().cfg, GlobalHydra.instance().hydra
    GlobalHydra.instance().hydra = None
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
        GlobalHydra.instance().hydra = app


class Session:
    """Hydra's view of a conf folder, for checking a command line before Hydra runs it."""

    def __init__(
        self, app: Hydra, config_name: str, *, is_sweep: bool, is_ours: bool, is_run: bool
    ) -> None:
        self.app, self.config_name, self.is_ours, self.is_run = app, config_name, is_ours, is_run
        loader: Any = app.config_loader
        self.loader = loader
        self.mode = RunMode.MULTIRUN if is_sweep else RunMode.RUN
        self.repository = loader.repository
        self.parser = OverridesParser.create(config_loader=self.loader)
        self.sweep_parameters: list[str] = []

    def read_sweep(self, overrides: list[str]) -> None:
        """Set mode and parameters of the sweep that an experiment declares."""
        with suppress(Exception):  # mistakes are reported later
            if any(map(refused_override, overrides)):
                return
            may_sweep = any(o.startswith("experiment=") or "hydra" in o for o in overrides)
            if may_sweep or self.mode == RunMode.MULTIRUN:
                sweep, load = RunMode.MULTIRUN, self.loader.load_configuration
                cfg = load(self.config_name, overrides, sweep, validate_sweep_overrides=False)
                self.mode = cfg.hydra.mode or self.mode
                is_sweep = self.mode == RunMode.MULTIRUN
                swept = (cfg.hydra.sweeper.get("params") or {}) if is_sweep else {}
                given = {text.partition("=")[0] for text in overrides}
                self.sweep_parameters = [f"{k}={v}" for k, v in swept.items() if k not in given]

    def options(self, group: str) -> list[str] | None:
        """Return the names that a group offers, or None if there is no such group; `_name` is a part of others."""
        if not group or not self.repository.group_exists(group):
            return None
        names = self.repository.get_group_options(group, ObjectType.CONFIG)
        return [name for name in names if not name.startswith("_")]

    def groups(self, parent: str = "") -> list[str]:
        """Return the paths of all groups."""
        found = self.repository.get_group_options(parent, ObjectType.GROUP)
        names = [join(parent, name).replace(".", "/") for name in found]
        return names + [inner for name in names for inner in self.groups(name)]

    def compose(self, overrides: list[str]) -> DictConfig:
        """Compose with some overrides, Hydra's own settings included."""
        return self.loader.load_configuration(self.config_name, overrides, self.mode)

    def primary(self) -> dict[str, Any]:
        """Return what the primary config itself says of Hydra's settings."""
        found = self.repository.load_config(self.config_name)
        settings = found.config.get("hydra") if found is not None else None
        return OmegaConf.to_container(settings, resolve=False) if settings else {}  # type: ignore[return-value]

    def keep(self, texts: list[str], parsed: list[Any], cfg: DictConfig) -> None:
        """Let Hydra have the config to which these overrides were applied one by one: it composes no second time."""
        if self.mode == RunMode.RUN:
            self.loader.keep(self.config_name, texts, parsed, cfg)

    def carry_out(self, task: Callable[[DictConfig], object], overrides: list[str]) -> None:
        """Let Hydra run the task once, or once for each job of the sweep."""
        mode = self.mode.name
        if all(not text.startswith("hydra.mode=") for text in overrides) and mode == "MULTIRUN":
            overrides = [*overrides, "hydra.mode=MULTIRUN"]
        start = self.app.multirun if mode == "MULTIRUN" else self.app.run
        start(self.config_name, task, overrides)

    def problems(self, cfg: DictConfig) -> list[Problem]:
        """Return what `check` would find in what was composed from the overrides without a mistake.

        A conf folder of somebody else has rules of its own, which only its `main` knows.
        """
        if not self.is_ours:
            return []
        with job_of(cfg) as job:
            return all_problems(job, RULES, with_lightning=False)


@contextmanager
def session(folder: str, arguments: Any = None, further: Sequence[Path] = ()) -> Iterator[Session]:
    """Open a conf folder with the flags of a command line, and with further folders of config files."""
    name = getattr(arguments, "config_name", None) or "train"
    before = get_gh_backup()
    version.setbase("1.3")
    is_ours = folder == str(conf_dir())
    loader = Loader(folder, further, extension_folders(conf_dir()) if is_ours else {})
    app = Hydra(task_name="train", config_loader=loader)
    GlobalHydra.instance().initialize(app)
    try:
        is_sweep = bool(getattr(arguments, "multirun", False))
        is_run = arguments is not None and not any(
            getattr(arguments, flag) for flag in command_line.SHOWING
        )
        opened = Session(app, name, is_sweep=is_sweep, is_ours=is_ours, is_run=is_run)
        opened.read_sweep(getattr(arguments, "overrides", []))
        yield opened
    finally:
        restore_gh_from_backup(before)


def _composed(overrides: list[str], conf: Path | None) -> DictConfig:
    further, rest = take_folders(overrides)
    with command_line.translated(), session(str(conf or conf_dir()), further=further) as opened:
        check_overrides(opened, rest)
        return opened.compose(rest)


def compose_config(overrides: list[str], conf: Path | None = None) -> DictConfig:
    """Compose as the command line does, with its errors; `${hydra:...}` resolves until the next composition."""
    cfg = _composed(overrides, conf)
    with job_of(cfg) as job:
        OmegaConf.set_struct(job, value=True)
    HydraConfig.instance().set_config(cfg)
    return job


def compose(overrides: list[str], conf: Path | None = None) -> dict[str, Any]:
    """Compose conf/train.yaml with overrides and return it resolved, as plain dicts, lists and scalars."""
    with job_of(_composed(overrides, conf)) as job:
        return resolve(job)
