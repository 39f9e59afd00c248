"""Print the code by which a shell completes commands, flags, files and overrides.

eval "$(seq2seq-lab completion bash)"                  # in ~/.bashrc; zsh: the same with zsh, after compinit
seq2seq-lab completion fish > ~/.config/fish/completions/seq2seq-lab.fish

The shell then asks the program itself at each TAB. Extensions are not loaded for it.
"""

import argparse
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from argcomplete import CompletionFinder, shellcode
from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.lexers import split_line

from seq2seq_lab import errors
from seq2seq_lab.commands import dispatch
from seq2seq_lab.config.command_line import Parser

OVERRIDES = "KEY=VALUE"
"""The `metavar` of arguments that are completed as overrides."""
_FOLDERS = {"runs": ("folder",), "diff": ("run", "other"), "reproduce": ("run",)}
"""Arguments that are folders, by command."""


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to be set up")
    return flags


def main(arguments: argparse.Namespace) -> None:
    code = shellcode([dispatch.NAME], shell=arguments.shell)
    print(errors.for_stream(code.strip("\n"), sys.stdout))


def answer() -> NoReturn:
    """Complete the command line that the shell gives in the environment, and end the process."""
    start = int(os.environ["_ARGCOMPLETE"])  # 1: the program is the first word
    line, point = os.environ["COMP_LINE"], int(os.environ["COMP_POINT"])
    *_, words, _ = split_line(line, point)
    count, flags = parser_at(words[start:])
    os.environ["_ARGCOMPLETE"] = str(start + count)
    _Finder()(flags, always_complete_options=False, default_completer=FilesCompleter())
    os._exit(0)


def parser_at(words: list[str]) -> tuple[int, ArgumentParser]:
    """Return the flags that come after some words of a command line, and how many of the words are the command."""
    skipped = _extension_words(words)
    name, rest = next(iter(words[skipped:]), None), words[skipped + 1 :]
    if name == "study" and rest[:1] and rest[0] in dispatch.OF_A_STUDY:
        return skipped + 2, _with_completers(rest[0])
    if name in dispatch.commands():
        return skipped + 1, _with_completers(name)
    if name == "study":
        flags, names = dispatch.study_parser(), list(dispatch.OF_A_STUDY)
    else:
        flags, names = dispatch.top_parser(), [*dispatch.commands(), "study"]
    flags.add_argument("command", choices=names)
    return skipped + (name == "study"), flags


def _extension_words(words: list[str]) -> int:
    """Return how many words before the command are `--extension` flags."""
    count = 0
    while words[count:] and words[count].startswith("--extension"):
        size = 1 if "=" in words[count] else 2
        if count + size > len(words):  # its path is being typed
            break
        count += size
    return count


def _with_completers(name: str) -> ArgumentParser:
    from seq2seq_lab.config.completion import complete_override
    from seq2seq_lab.config.newer_argparse import hydra_flags

    if name == dispatch.TRAIN:
        flags = hydra_flags()
        flags.add_argument("--extension", action="append")
    else:
        flags = dispatch.parser_of(name, dispatch.module_of(name))
    for action in flags._actions:
        is_override = name == dispatch.TRAIN and action.dest == "overrides"
        if is_override or action.metavar == OVERRIDES:
            action.completer = lambda prefix, parsed_args, **_: complete_override(  # type: ignore[attr-defined]
                prefix, parsed_args
            )
        elif action.dest in _FOLDERS.get(name, ()):
            action.completer = DirectoriesCompleter()  # type: ignore[attr-defined]
        elif action.dest == "study":
            action.completer = lambda prefix, **_: list(studies(prefix))  # type: ignore[attr-defined]
    return flags


def studies(prefix: str) -> Iterator[str]:
    """Give the names of studies under outputs/studies, and folders."""
    yield from (p.parent.name for p in sorted(Path("outputs/studies").glob("*/study.json")))
    yield from FilesCompleter(directories=True)(prefix)


class _Finder(CompletionFinder):
    """Lets a key that has more keys under it be typed on: no space after its dot."""

    def quote_completions(self, completions: list[str], *place: Any) -> list[str]:
        """Quote for the shell; the space after a word that is complete is added here."""
        if len(completions) == 1 and completions[0].endswith("."):
            self.append_space = False
        return super().quote_completions(completions, *place)
