"""The program `seq2seq-lab`: it finds the module of the chosen command, parses its flags and runs it.

A command is a module of this folder: its docstring's first line is its help, `parser()` returns its flags, and
`main(arguments)` carries it out. Only the chosen module is imported. `train` alone reads its command line by Hydra.
"""

import argparse
import ast
import functools
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from seq2seq_lab import errors, stopping
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.problems import closest

NAME = "seq2seq-lab"
TRAIN = "train"
OF_A_STUDY = ("status", "report", "sync")
"""The commands that may be written with `study` before them."""

_ORDER = (TRAIN, "translate", "evaluate", "score", "doctor", "runs", "diff", *OF_A_STUDY)
_EXTENSION = "classes of your own: a Python file or folder (may be given several times, and before the command)"


def program(command: str | None = None) -> int:
    """Carry out the command line of this process and return the exit code; train.py gives the command's name."""
    stopping.listen_from_now_on()  # a command's imports take seconds
    before = [] if command is None else [command]
    if "_ARGCOMPLETE" in os.environ and command is None:  # a shell asks what may come next
        module_of("completion").answer()
    return carry_out([*before, *sys.argv[1:]])


def carry_out(words: list[str]) -> int:
    """Carry out a command line, given without the program's own name, and return the exit code."""
    prepared: list[Callable[[], int]] = []
    code = errors.run(lambda: prepared.append(prepare(words)))
    return code or prepared[0]()


def prepare(words: list[str]) -> Callable[[], int]:
    """Read a command line and return what carries it out; raises `ConfigError` for a wrong one."""
    from seq2seq_lab.config import extension

    rest = extension.take_flags(words)
    flags = left_out(words, rest)
    name, arguments = choose(rest)
    if name == TRAIN:
        from seq2seq_lab.commands import train

        is_named = words == sys.argv[1:]  # train.py is the command itself
        return functools.partial(train.program, [TRAIN] if is_named else [], flags, arguments)
    module = module_of(name)
    given = parser_of(name, module).parse_intermixed_args(arguments)
    if given.extension is not None:
        raise errors.ConfigError("--extension: write the flag in full, as --extension PATH")
    given.extension = flags
    return functools.partial(errors.run, functools.partial(module.main, given))


def left_out(words: list[str], rest: list[str]) -> list[str]:
    """Return the words that are not among the rest, which has the same order."""
    after, found = list(rest), []
    for word in words:
        if after and after[0] == word:
            after.pop(0)
        else:
            found.append(word)
    return found


def commands() -> dict[str, Path]:
    """Return the modules of this folder by the names of their commands, the most used ones first."""
    paths = sorted(Path(__file__).parent.glob("*.py"))
    names = {p.stem.replace("_", "-"): p for p in paths if p.stem not in {"__init__", "dispatch"}}
    first = {name: names[name] for name in _ORDER}
    return first | names


def choose(words: list[str]) -> tuple[str, list[str]]:
    """Return the name of the command and the words after it."""
    if not words:
        raise errors.ConfigError(f"a command is missing; {NAME} --help lists them")
    name, rest = words[0], words[1:]
    if name.startswith("-"):
        top_parser().parse_args([name])  # prints what it shows, and ends
    if name == "study":
        if rest[:1] and rest[0] in {"-h", "--help"}:
            study_parser().parse_args(rest[:1])
        if not rest or rest[0] not in OF_A_STUDY:
            wrong = f"study {rest[0]}: no such command" if rest else "study: which command?"
            guess = closest(rest[0], list(OF_A_STUDY)) if rest else ""
            raise errors.ConfigError(
                f"{wrong}{guess}; write study {'|'.join(OF_A_STUDY)} NAME; a study is run by {NAME} train study=NAME"
            )
        return rest[0], rest[1:]
    if name not in commands():
        text = f"{name}: no such command"
        if "=" in name:
            raise errors.ConfigError(f"{text}; overrides come after one: {NAME} train {name}")
        guess = closest(name, [*commands(), "study"])
        raise errors.ConfigError(f"{text}{guess}; {NAME} --help lists all")
    return name, rest


def module_of(name: str) -> ModuleType:
    """Import the module of a command."""
    return importlib.import_module(f"seq2seq_lab.commands.{name.replace('-', '_')}")


def parser_of(name: str, module: ModuleType) -> Parser:
    """Return the flags of a command, with those that every command has."""
    flags: Parser = module.parser()
    flags.prog = f"{NAME} {name}"
    flags.add_argument("--extension", metavar="PATH", action="append", help=_EXTENSION)
    return flags


def sentence(path: Path) -> str:
    """Return the one-line help of a command: its module is read, not imported."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def _listed(names: tuple[str, ...]) -> str:
    found = commands()
    return "\n".join(f"  {name:12}{sentence(found[name])}" for name in names)


def top_parser() -> Parser:
    """Return the flags of the program itself."""
    flags = Parser(
        prog=NAME,
        usage=f"{NAME} [--extension PATH] COMMAND ...",
        description="Experiments with encoder-decoder sequence models.",
        epilog=f"commands:\n{_listed(tuple(commands()))}\n\n{NAME} COMMAND --help says more. "
        f"{', '.join(OF_A_STUDY)} may be written with `study` before them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flags.add_argument("--extension", metavar="PATH", action="append", help=_EXTENSION)
    flags.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    return flags


def study_parser() -> Parser:
    """Return the parser that shows the commands of a study."""
    return Parser(
        prog=f"{NAME} study",
        usage=f"{NAME} study {'|'.join(OF_A_STUDY)} NAME ...",
        description="What has become of a study, by its name or folder.",
        epilog=f"commands:\n{_listed(OF_A_STUDY)}\n\nA study is run by {NAME} train study=NAME ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


class _Version(argparse.Action):
    """Prints the version; the package's metadata are read only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(errors.one_line(f"{NAME} {version('seq2seq-lab')}"))
        parser.exit()
