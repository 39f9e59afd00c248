"""Which extensions are trusted: packages of other people whose classes a config may name.

Trust is granted by installation (the entry point `seq2seq_lab.extension`) or by `--extension PATH` on the command line,
never by anything that a config, a checkpoint or a study file says. Nothing of an extension is imported to find it.
"""

import functools
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from seq2seq_lab.config.extension_source import Extension, reserved_name, stated_version
from seq2seq_lab.config.keys import walk
from seq2seq_lab.errors import ConfigError, UserError, one_line

GROUP = "seq2seq_lab.extension"
"""The entry point: `my_lab = "my_lab"`, whose value is the top-level package or module."""
VARIABLE = "SEQ2SEQ_LAB_EXTENSIONS"
"""The environment variable by which a command tells its child processes what `--extension` named."""

_warned: set[str] = set()


def extensions() -> dict[str, Extension]:
    """Return the trusted extensions by the name of their package: those of the command line, then the installed ones.

    Whatever declares itself and cannot be trusted is one line on stderr, once, in the command's first process.
    """
    passed = _passed()
    given = {path.stem if path.suffix == ".py" else path.name: path for path in passed.paths}
    flagged = {name: _of_flag(name, path) for name, path in given.items()}
    found, problems = _installed(tuple(sys.path))
    for text in problems:
        if text not in _warned and passed.process in (None, os.getpid()):
            sys.stderr.write(f"warning: {one_line(text)}\n")
        _warned.add(text)
    return {**{one.name: one for one in found}, **flagged}


@dataclass(frozen=True)
class _Passed:
    """What the environment variable says: the command's first process, and the absolute paths of its flags."""

    process: int | None
    paths: tuple[Path, ...]


@functools.lru_cache(maxsize=8)
def _read_passed(text: str) -> _Passed:
    try:
        content = json.loads(text)
        return _Passed(int(content["process"]), tuple(map(Path, content["paths"])))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{VARIABLE}: not written by seq2seq-lab; unset it") from error


def _passed() -> _Passed:
    text = os.environ.get(VARIABLE)
    return _read_passed(text) if text else _Passed(None, ())


def tell(paths: Iterable[Path]) -> None:
    """Trust these files and folders too, in this process and in those that it starts."""
    before = _passed()
    every = dict.fromkeys([*before.paths, *paths])
    content = {"process": before.process or os.getpid(), "paths": [str(path) for path in every]}
    os.environ[VARIABLE] = json.dumps(content)
    find_passed()


def flagged_paths() -> tuple[Path, ...]:
    """Return what `--extension` named, in this process or in the one that started it."""
    return _passed().paths


class Finder:
    """Finds the modules that `--extension` named, where nothing else has their names, and nothing beside them."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """Return where a top-level module lies that the command line named."""
        path = next((p for p in _passed().paths if p.name.removesuffix(".py") == name), None)
        if path is None:
            return None
        start = path if path.suffix == ".py" else path / "__init__.py"
        if not start.is_file():
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(path)]
            return spec
        inside = None if start is path else [str(path)]
        return spec_from_file_location(name, start, submodule_search_locations=inside)


def find_passed() -> None:
    """Let this process import what `--extension` named, in it or in the process that started it."""
    if os.environ.get(VARIABLE) and Finder not in sys.meta_path:
        sys.meta_path.append(Finder)


@functools.lru_cache(maxsize=32)
def _of_flag(name: str, path: Path) -> Extension:
    """Return the extension of a path.

    Raises `ConfigError` if the path is gone, or if its name leads to something else.
    """
    if not path.exists():
        raise ConfigError(f"--extension {path}: no such file or folder")
    find_passed()
    root, problem = _root_of(name)
    if root is None or root.resolve() != path.resolve():
        if root is not None:
            problem = f"{name} is {root} here"
        raise ConfigError(
            f"--extension {path}: another module has this name ({problem}); rename the file or folder"
        )
    return Extension(name, path, stated_version(path))


@functools.lru_cache(maxsize=32)
def _installed(_search_path: tuple[str, ...]) -> tuple[list[Extension], list[str]]:
    """Return the installed extensions, and a line about each entry point that cannot be trusted."""
    found: dict[str, Extension] = {}
    problems = []
    for point in metadata.entry_points(group=GROUP):
        owner = (
            "an unknown package"
            if point.dist is None
            else f"{point.dist.name} {point.dist.version}"
        )
        root, problem = _declared(point)
        if root is None or point.dist is None:
            problems.append(f"extension {point.name} of {owner} is not trusted: {problem}")
        elif point.value not in found:
            one = Extension(point.value, root, point.dist.version, point.dist.name)
            found[point.value] = one
    return list(found.values()), problems


def _declared(point: metadata.EntryPoint) -> tuple[Path | None, str]:
    name = point.value
    if not name.isidentifier():
        first = name.partition(":")[0].partition(".")[0]
        return None, f"its entry point names {name!r}; name the top-level package, as in {first!r}"
    reserved = reserved_name(name)
    if reserved:
        return None, f"{name} is {reserved}"
    root, problem = _root_of(name)
    if root is not None and point.dist is not None and not _owns(point.dist, name):
        return None, f"{name} is no part of it: its files are those of another package"
    return root, problem


def _owns(owner: metadata.Distribution, name: str) -> bool:
    """Tell whether a distribution holds this top-level name; an editable one, whose files lie elsewhere, may."""
    files = owner.files
    if files is None:
        return True
    return any(
        file.parts[0] in {name, f"{name}.py"}
        or file.suffix == ".pth"
        or "__editable__" in file.name
        for file in files
    )


def _root_of(name: str) -> tuple[Path | None, str]:
    """Return where the source of a top-level module lies, or why there is none. Nothing is imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return None, f"there is no package {name}"
    if (spec.origin or "").endswith(".py"):
        file = Path(spec.origin or "")
        return (file if spec.submodule_search_locations is None else file.parent), ""
    folders = {Path(place).resolve() for place in spec.submodule_search_locations or ()}
    if spec.origin is None and len(folders) == 1:
        return folders.pop(), ""
    return None, f"{name} has no Python source of its own"


def used(config: Any) -> dict[str, Extension]:
    """Return the extensions that belong to a run: those whose classes its config names, and those that they import.

    One that the command line named and that brings metrics belongs to every run of the command.
    """
    known = extensions()
    if not known:
        return {}
    names = [n for n, e in known.items() if e.is_flag and e.has_metrics]
    names += [name for name in roots(config) if name in known]
    found: dict[str, Extension] = {}
    while names:
        name = names.pop()
        if name not in found:
            found[name] = known[name]
            names += [other for other in known if other in known[name].imported]
    return dict(sorted(found.items()))


def roots(config: Any) -> set[str]:
    """Return the first part of every `_target_` of a config."""
    values = [value for path, value in walk(config) if path.rpartition(".")[2] == "_target_"]
    return {value.partition(".")[0] for value in values if isinstance(value, str)}


_active: tuple[str, ...] = ()


def activate(config: Any) -> None:
    """Let the metrics of the extensions of this run count, and of no other."""
    global _active
    _active = tuple(used(config))


def activate_names(names: Iterable[str]) -> None:
    """Let the metrics of these extensions count, where they are there: a report reads runs of several configs."""
    global _active
    known = extensions()
    _active = tuple(sorted({name for name in names if name in known}))


def import_of(module: str) -> ModuleType:
    """Import a module of an extension; whatever it raises there is one line that names it."""
    try:
        return importlib.import_module(module)
    except UserError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {one_line(error)}"
        raise ConfigError(
            f"the module {module} of an extension cannot be imported ({what}); correct it"
        ) from error


def active() -> tuple[str, ...]:
    """Return the names of the extensions of the run that this process carries out or reads."""
    return _active
