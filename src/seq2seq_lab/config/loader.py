"""Hydra's config loader with our reader of YAML files; it composes each command line once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from seq2seq_lab.config.keys import child
from seq2seq_lab.config.preset import preset_problem
from seq2seq_lab.config.problems import raise_problems
from seq2seq_lab.config.yaml_file import read_yaml
from seq2seq_lab.errors import ConfigError, UnsafeError

FURTHER = "command-line"
"""The provider of the folders that a command line adds."""
_HEADER_BYTES = 512


class YamlSource(FileConfigSource):
    """A folder of YAML files."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Return one file and the package that its first comment names."""
        file = Path(self.path, self._normalize_file_name(config_path))
        value = read_yaml(file)
        if not isinstance(value, dict | None):
            raise ConfigError(f"{file}: must be a mapping of keys, not a {type(value).__name__}")
        if child(value, "hydra.searchpath") or isinstance(child(value, "hydra"), str):
            raise UnsafeError(
                f"{file}: hydra.searchpath adds folders and packages to import from, so it was refused; "
                "use --config-dir FOLDER"
            )
        head = file.read_bytes()[:_HEADER_BYTES].decode("utf-8", errors="replace")
        return ConfigResult(
            config=OmegaConf.create(value or {}),
            path=f"{self.scheme()}://{self.path}",
            provider=self.provider,
            header=ConfigSource._get_header_dict(head),
        )


class _Repository(ConfigRepository):
    """The folders of a loader; no file of one hides that of another without a word."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return one file. Raises `ConfigError` if several folders have one of that name."""
        sources = [
            s for s in self.sources if isinstance(s, YamlSource) and s.is_config(config_path)
        ]
        folders = list(dict.fromkeys(Path(source.path).resolve() for source in sources))
        if len(folders) > 1:
            raise ConfigError(
                f"{folders[1]}: {config_path} is the name of a config of {folders[0]}, which it would not replace; "
                "rename it"
            )
        return super().load_config(config_path)

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        super().initialize_sources(config_search_path)
        self.sources = [
            YamlSource(s.provider, s.path) if s.scheme() == "file" else s for s in self.sources
        ]


class Loader(ConfigLoaderImpl):
    """Composes from a conf folder; before it stand the folders of a command line, behind it those of extensions."""

    def __init__(
        self,
        folder: str,
        further: Sequence[Path] = (),
        extensions: Mapping[str, Path] | None = None,
    ) -> None:
        search = create_config_search_path(folder)
        for name, place in (extensions or {}).items():
            search.prepend(f"extension {name}", f"file://{place}", SearchPathQuery("schema"))
        for place in further:
            search.prepend(FURTHER, f"file://{place}", SearchPathQuery(provider="schema"))
        super().__init__(search)
        self.repository = _Repository(search)
        self.kept: dict[tuple[str | None, ...], DictConfig] = {}
        self.listed: dict[tuple[str, ObjectType | None], list[str]] = {}

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,  # noqa: FBT001, FBT002
        validate_sweep_overrides: bool = True,  # noqa: FBT001, FBT002
    ) -> DictConfig:
        """Compose, or hand out what was kept for this command line."""
        kept = self.kept.pop((config_name, *overrides), None)
        if kept is not None and run_mode == RunMode.RUN:
            return kept
        return super().load_configuration(
            config_name, overrides, run_mode, from_shell, validate_sweep_overrides
        )

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Compose a job of a sweep. Raises `ConfigError` for a preset that its experiment does not have."""
        cfg = super().load_sweep_config(master_config, sweep_overrides)
        problem = preset_problem(cfg, self.repository)
        raise_problems([] if problem is None else [problem])
        return cfg

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,  # noqa: ARG002
        overrides: list[str] | None = None,  # noqa: ARG002
    ) -> list[str]:
        """List a group, read from disk once; overrides add no folders here, so no search path is made at each call."""
        key = (group_name, results_filter)
        if key not in self.listed:
            self.listed[key] = self.repository.get_group_options(group_name, results_filter)
        return list(self.listed[key])

    def keep(
        self, config_name: str, texts: list[str], parsed: list[Override], cfg: DictConfig
    ) -> None:
        """Keep for the next call what was composed of the groups of a command line and had its values applied."""
        hydra = cfg.hydra
        tasks = [one for one in parsed if not one.is_hydra_override()]
        with open_dict(hydra):
            hydra.overrides.hydra = [o.input_line for o in parsed if o.is_hydra_override()]
            hydra.overrides.task = [one.input_line for one in tasks]
            given = hydra.job.config.override_dirname
            hydra.job.override_dirname = get_overrides_dirname(
                tasks, list(given.exclude_keys), given.item_sep, given.kv_sep
            )
        self.kept = {(config_name, *texts): cfg}
