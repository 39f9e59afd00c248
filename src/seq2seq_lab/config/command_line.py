"""Flags of a command line and errors of Hydra as one line. Imports no Hydra: commands without it use `Parser`."""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from seq2seq_lab.config.extension import take_flags
from seq2seq_lab.config.problems import closest
from seq2seq_lab.errors import ConfigError, UnsafeError, UserError, one_line

_NOISE = re.compile(
    r"\n\s*(full_key:|object_type=|See https|Config search path|Search path:|To append to).*", re.S
)
_COMMANDS = ("run", "multirun", "cfg", "info", "shell_completion")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of Hydra, OmegaConf and the YAML reader into our one-line errors."""
    try:
        yield
    except Exception as error:
        translation = None if isinstance(error, UserError) else translate(error)
        if translation is None:
            raise
        raise translation from error


def translate(error: BaseException) -> UserError | None:
    """Return the one-line error that stands for an error of Hydra's composition; None for any other error."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        problem = one_line(getattr(error, "problem", "") or "cannot be read")
        text = f"{mark.name}:{mark.line + 1}: broken YAML: {problem}"
        return UnsafeError(text) if "tag:yaml.org,2002:python" in problem else ConfigError(text)
    if isinstance(error, UnicodeDecodeError):
        return ConfigError(f"a YAML file of the config is not UTF-8: {one_line(error)}")
    if isinstance(error, RecursionError):
        return ConfigError("a value of the config or the command line is nested too deeply")
    is_hydras = type(error).__module__.split(".")[0] in {"hydra", "omegaconf"}
    if not is_hydras and type(error) is not ValueError:
        return None
    inner = error.__cause__
    text = str(error)
    if inner is not None and type(inner).__module__.startswith("omegaconf"):
        text = f"{text}: {inner}" if text else str(inner)
    return ConfigError(_shortened(text))


def _shortened(text: str) -> str:
    """Return Hydra's message as one line; an unknown option in a YAML file gets a did-you-mean."""
    found = re.search(r"(?:In '(.+?)': )?Could not find '(.+)/(.+?)'", text)
    if found:
        options = re.findall(r"^\t(\S+)$", text.split("Config search path")[0], re.M)
        place = f"{found[1]}: " if found[1] else ""
        return f"{place}{found[2]}={found[3]}: {no_such_option(found[3], options)}"
    unused = re.search(r"Could not override '((.+)/.+?)'\.\s+No match in the defaults list", text)
    if unused:
        whole = unused[2]
        return f"{unused[1]}: the chosen {whole} has no such part; leave it out or choose another {whole}"
    return re.sub(r"\s+", " ", one_line(_NOISE.sub("", text))).replace(" :", ":")


def no_such_option(name: str, options: list[str]) -> str:
    """Return the text of a problem: an option that its group does not offer."""
    guess = closest(name, options)
    available = f"{' ' if guess else '; '}available: {', '.join(options)}" if options else ""
    return f"no such option{guess}{available}"


def quoted(text: str) -> str:
    """Return a text as the value of an override, whatever characters it holds."""
    inner = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{inner}'"


def read_flags(parser: ArgumentParser, argv: list[str]) -> Namespace:
    """Parse Hydra's flags; a wrong one is a one-line error."""
    flags = [option for action in parser._actions for option in action.option_strings]

    def fail(message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        guess = closest(unknown[1].split("=")[0], flags) if unknown else ""
        if unknown and "=" in unknown[1] and not unknown[1].startswith("-"):
            guess = "; write all flags first, then KEY=VALUE"
        raise ConfigError(one_line(message) + (guess or "; see --help"))

    parser.error = fail  # type: ignore[method-assign]
    arguments = parser.parse_args(argv)
    given = [f"--{name}" for name in _COMMANDS if getattr(arguments, name)]
    if len(given) > 1:
        raise ConfigError(f"only one of the flags {', '.join(given)} can be given")
    if arguments.multirun and "hydra.mode=RUN" in arguments.overrides:
        raise ConfigError("hydra.mode=RUN asks for one run, -m for a sweep; leave one of them out")
    if arguments.config_path is not None:
        raise ConfigError(
            f"--config-path={one_line(arguments.config_path)}: conf/ is fixed; add a folder of your own by --config-dir"
        )
    if arguments.experimental_rerun is not None:
        raise UnsafeError(
            "--experimental-rerun would unpickle a file, which can run foreign code; run by overrides"
        )
    return arguments


class Parser(ArgumentParser):
    """A command's own flags, and `--extension`; a wrong one is a one-line error too."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what is left of a command line once its extensions are trusted."""
        return super().parse_known_args(
            take_flags(sys.argv[1:] if args is None else list(args)), namespace
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise ConfigError(f"{one_line(message)}; see --help")
