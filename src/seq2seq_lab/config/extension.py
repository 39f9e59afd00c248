"""`--extension PATH` of a command line: the file or folder is trusted by this command and its child processes."""

import keyword
from pathlib import Path

from seq2seq_lab.config import extension_registry
from seq2seq_lab.config.extension_source import Extension, reserved_name
from seq2seq_lab.errors import ConfigError, one_line

FLAG = "--extension"


def take_flags(argv: list[str]) -> list[str]:
    """Return a command line without `--extension PATH` and `--extension=PATH`; what they name is trusted from now on.

    May be called again on what it returned. Raises `ConfigError` for a path that cannot be an extension.
    """
    rest, given = _split(argv)
    if given:
        paths = [_checked(text) for text in given]
        _refuse_two_of_one_name([*extension_registry.flagged_paths(), *paths])
        extension_registry.tell(paths)
        extension_registry.extensions()  # a name that leads elsewhere is refused now
    return rest


def _refuse_two_of_one_name(paths: list[Path]) -> None:
    places: dict[str, Path] = {}
    for path in paths:
        first = places.setdefault(path.name.removesuffix(".py"), path)
        if first != path:
            raise ConfigError(f"{FLAG} {path}: {first} has the same name; rename one of them")


def without_flags(argv: list[str]) -> list[str]:
    """Return a command line without the flags, and trust nothing."""
    return _split(argv)[0]


def with_flags(argv: list[str]) -> list[str]:
    """Return a command line that names all extensions of this command, each once, at its end."""
    flags = [word for path in extension_registry.flagged_paths() for word in (FLAG, _short(path))]
    return [*without_flags(argv), *flags] if flags else argv


def _short(path: Path) -> str:
    """Return a path as one would type it: relative if it lies below the working folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    rest: list[str] = []
    given: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == FLAG:
            value = next(words, "")
            given.append(value)
        elif word.startswith(f"{FLAG}="):
            given.append(word.partition("=")[2])
        else:
            rest.append(word)
    return rest, given


def _checked(text: str) -> Path:
    """Return the absolute path of an extension; raise for what cannot be one."""
    shown = f"{FLAG} {one_line(text)}"
    if not text:
        raise ConfigError(f"{FLAG}: needs a file or folder, as in {FLAG} ./my_lab.py")
    path = Path(text).absolute()
    if path.name == "__init__.py":
        raise ConfigError(f"{shown}: name the folder of the package, {path.parent.name}")
    if not path.exists():
        raise ConfigError(f"{shown}: no such file or folder")
    if path.is_dir():
        path = path.resolve() if path.name in {"", ".", ".."} or ".." in path.parts else path
        if not any(path.glob("*.py")):
            raise ConfigError(
                f"{shown}: no Python file in this folder; name the folder of a package"
            )
    elif path.suffix != ".py":
        raise ConfigError(f"{shown}: no Python file; name a .py file or the folder of a package")
    name = path.name.removesuffix(".py")
    if not name.isidentifier() or keyword.iskeyword(name):
        advice = "rename it to letters, digits and _, as in my_lab"
        raise ConfigError(f"{shown}: {one_line(name)} cannot be the name of a module; {advice}")
    reserved = reserved_name(name)
    if reserved:
        raise ConfigError(f"{shown}: the name {name} is {reserved}; rename the file or folder")
    for _ in Extension(name, path).trees():
        pass  # a syntax error is told now, and not in the middle of a check
    return path
