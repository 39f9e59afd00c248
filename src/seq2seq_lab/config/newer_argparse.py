"""Lets Hydra 1.3 make its command line on Python 3.14, whose argparse reads every help text when an option is added.

Hydra's help for `--shell-completion` is no string but an object that turns into one when it is printed.
"""

import argparse
from typing import Any

from hydra._internal.utils import get_args_parser

_check = getattr(argparse.ArgumentParser, "_check_help", None)


def _check_strings(parser: argparse.ArgumentParser, action: argparse.Action) -> None:
    assert _check is not None
    if action.help is None or isinstance(action.help, str):
        _check(parser, action)


def let_help_be_an_object() -> None:
    """Check only those help texts that are strings; nothing changes on a Python that does not check them."""
    if _check is not None:
        parser: Any = argparse.ArgumentParser
        parser._check_help = _check_strings


def hydra_flags() -> argparse.ArgumentParser:
    """Return the flags that Hydra's commands have."""
    let_help_be_an_object()
    return get_args_parser()
