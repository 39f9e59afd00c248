"""The conf folders of extensions: they join the search path behind ours, and no option hides another."""

from pathlib import Path

from seq2seq_lab.config.extension_registry import extensions
from seq2seq_lab.errors import ConfigError


def extension_folders(ours: Path) -> dict[str, Path]:
    """Return {extension: its conf folder}; `ours` is the folder of this package.

    Raises `ConfigError` for a file that two of these folders have: one of them could never be chosen.
    """
    found = {name: one.conf for name, one in extensions().items() if one.conf is not None}
    owners = dict.fromkeys(_options(ours), "seq2seq-lab")
    for name, folder in found.items():
        for option in _options(folder):
            if option in owners:
                raise ConfigError(
                    f"{folder / option}: {owners[option]} has an option of this name already; rename this file"
                )
            owners[option] = name
    return found


def _options(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))
