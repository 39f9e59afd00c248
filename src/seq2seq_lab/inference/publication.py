"""What of a run may be shown to other people: no path of the machine that it ran on."""

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from seq2seq_lab.errors import one_line

_OF_THE_MACHINE = ("run_dir", "study_dir", "resume")
"""Root keys of a config that say where a run lies."""
_ABSOLUTE = re.compile(r"(?:file:/*)?(?:/+(?=[^/\s])|~|[A-Za-z]:[\\/])[^\s,\]\['\"]*")


def without_folders(text: str) -> str:
    """Return a text in which each path from a root or a home folder is cut to its last part."""
    key, equals, value = text.rpartition("=")
    if _ABSOLUTE.match(value) and not re.search(
        r"[,\[\]'\"]", value
    ):  # a whole path, spaces and all
        return key + equals + _last(value)
    return re.sub(rf"(?<![\w./:~-]){_ABSOLUTE.pattern}", lambda found: _last(found[0]), text)


def _last(path: str) -> str:
    kind = PureWindowsPath if "\\" in path else PurePosixPath
    return kind(path.removeprefix("file:")).name.removeprefix("~")


def published(config: dict[str, Any]) -> dict[str, Any]:
    """Return a resolved config without the folders of its machine."""
    shown = {key: None if key in _OF_THE_MACHINE else value for key, value in config.items()}
    return _walk(shown)


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _walk(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner) for inner in value]
    return without_folders(value) if isinstance(value, str) else value


def published_words(words: list[Any]) -> list[str]:
    """Return the words of a command as published: the folder of the run is left out."""
    kept = [one_line(word) for word in words]
    kept = [word for word in kept if word.partition("=")[0].lstrip("+") not in _OF_THE_MACHINE]
    return [without_folders(word) for word in kept]
