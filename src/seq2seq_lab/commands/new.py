"""Write a package of your own parts: an attention, a corpus, a callback, a metric, their options and tests.

seq2seq-lab new my_lab
seq2seq-lab new my_lab --folder ~/code/my-lab

The package declares the entry point `seq2seq_lab.extension`: once installed, its classes may be `_target_` and its
conf/ joins the search path. The folder must be new or empty; exit code 2 and nothing is written otherwise.
"""

import argparse
import importlib.util
import keyword
import os
import re
import sys
from pathlib import Path

from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.extension_source import reserved_name
from seq2seq_lab.errors import ConfigError, one_line
from seq2seq_lab.files import write_folder

TEMPLATE = Path(__file__).with_name("template")
_SUFFIX = ".j2"


def parser() -> Parser:
    """Return the flags of the command."""
    flags = Parser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("name", help="of the package: lower-case letters, digits and _")
    flags.add_argument(
        "--folder", type=Path, metavar="DIR", help="to write, new or empty (default: ./NAME)"
    )
    return flags


def main(arguments: argparse.Namespace) -> None:
    """Write the package and say what to do next."""
    name = check_name(arguments.name)
    folder = check_folder(arguments.folder if arguments.folder is not None else Path(name))
    texts = package(name)
    write_folder(folder, texts)
    place = str(arguments.folder or name)
    lines = [
        f"{place}: {len(texts)} files written",
        f"  cd {place}",
        "  python -m pip install -e . --group dev",
        "  python -m pytest",
        f"  seq2seq-lab train model=gru_attn model/attention={name}_distance data={name}_halves debug=tiny",
    ]
    sys.stdout.write("".join(f"{'  ' * line.startswith('  ')}{one_line(line)}\n" for line in lines))


def check_name(name: str) -> str:
    """Return the name; raise `ConfigError` unless it can be a new package."""
    shown = f"new {one_line(name)}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        guess = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_0123456789")
        good = guess if guess and not keyword.iskeyword(guess) else "my_lab"
        raise ConfigError(
            f"{shown}: no name of a package; use lower-case letters, digits and _, as in {good}"
        )
    reserved = reserved_name(name)
    if reserved:
        raise ConfigError(f"{shown}: the name is {reserved}; choose another, as in {name}_lab")
    found = importlib.util.find_spec(name)
    if found is not None and found.origin is not None:
        raise ConfigError(
            f"{shown}: there is a module of this name already ({found.origin}); choose another, as in {name}_lab"
        )
    return name


def check_folder(folder: Path) -> Path:
    """Return the folder as an absolute path; raise `ConfigError` unless it is new or empty, in one that exists."""
    path = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 - resolve() would follow a link
    shown = f"--folder {one_line(folder)}"
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise ConfigError(f"{shown}: there is a file or link of this name; choose another folder")
    if path.is_dir() and any(path.iterdir()):
        raise ConfigError(f"{shown}: not empty; choose another folder")
    if not path.parent.is_dir():
        raise ConfigError(f"{shown}: there is no folder {path.parent}; make it first")
    return path


def package(name: str) -> dict[str, str]:
    """Return the files of a package with this name, {path: text}."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False)
    facts = {"name": name, "distribution": name.replace("_", "-")}
    files = {}
    for path in sorted(TEMPLATE.rglob(f"*{_SUFFIX}")):
        place = path.relative_to(TEMPLATE).as_posix().removesuffix(_SUFFIX)
        place = place.replace("dot_", ".").replace("package", name)
        files[place] = made.from_string(path.read_text(encoding="utf-8")).render(facts)
    return files
