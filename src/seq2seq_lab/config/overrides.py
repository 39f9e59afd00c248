"""Every mistake among the overrides of a command line, reported together with the nearest legal names.

Hydra stops at the first mistake; here every override is tried on its own. `session` is `compose.Session`.
"""

from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from seq2seq_lab.config.command_line import no_such_option, translate
from seq2seq_lab.config.hydra_settings import setting_problems
from seq2seq_lab.config.key_advice import KeyAdvice, list_advice, null_problem
from seq2seq_lab.config.keys import walk
from seq2seq_lab.config.preset import preset_problem
from seq2seq_lab.config.problems import Problem, raise_problems
from seq2seq_lab.config.resolvers import resolver_problem
from seq2seq_lab.errors import UnsafeError, UserError, one_line
from seq2seq_lab.extras import missing_for

_SEARCH_PATH = "may name folders only, hydra.searchpath=[file:///FOLDER]; the rest would be imported, so it was refused"


def check_overrides(session: Any, texts: list[str]) -> None:
    """Raise one error with all mistakes of the overrides: syntax, groups, options and keys."""
    found = _Overrides(session)
    parsed = [override for text in texts for override in found.parse(text)]
    is_group = [found.chooses_option(o) for o in parsed]
    groups = [o for o, chooses in zip(parsed, is_group, strict=True) if chooses]
    values = [o for o, chooses in zip(parsed, is_group, strict=True) if not chooses]
    found.refuse_lost_additions(groups)
    cfg = found.compose([found.single(o) for o in groups if found.has_options(o)])
    if cfg is not None:
        for override in values:
            for line in found.single(override):
                for single in found.parse(line):
                    found.apply(cfg, single)
        found.refuse_settings(cfg)
        if not found.problems:
            found.refuse_preset(cfg)
        if found.problems:  # all at once: what the other overrides got wrong as well
            found.problems += session.problems(cfg)
    raise_problems(found.problems)
    session.keep(texts, parsed, cfg)


def refused_override(text: str) -> Problem | None:
    """Return why an override may not even be composed: that alone would run code or read the environment."""
    key = text.partition("=")[0].lstrip("+~")
    if key.startswith("hydra.searchpath"):
        return Problem("hydra.searchpath", _SEARCH_PATH, is_unsafe=True)
    problem = resolver_problem(text)
    return None if problem is None else Problem(key, problem, is_unsafe=True)


def _translated(error: Exception) -> UserError:
    """Return the one-line error for one of Hydra's; raise any other."""
    translation = error if isinstance(error, UserError) else translate(error)
    if translation is None:
        raise error
    return translation


class _Overrides:
    """The overrides of one command line; `problems` collects what is wrong with them."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.problems: list[Problem] = []

    def add(self, path: str, text: str, *, is_unsafe: bool = False) -> None:
        self.problems.append(Problem(path, text, is_unsafe))

    def chooses_option(self, override: Any) -> bool:
        """Tell whether the override names a group, and not a key of the config."""
        is_group = self.session.options(override.key_or_group) is not None
        return is_group and not isinstance(override.value(), dict)

    def parse(self, text: str) -> list[Any]:
        """Return the parsed override, or nothing if it cannot be read or calls a function that may not be called."""
        refused = refused_override(text)
        if refused is not None:
            self.problems.append(refused)
            return []
        try:
            return self.session.parser.parse_overrides([text])
        except Exception as error:
            if "=" not in text and not text.startswith("~"):
                self.add(text, f"an override is KEY=VALUE; write {text}=VALUE")
                return []
            detail = " ".join(one_line(str(error).split("\nSee ")[0]).split()).removesuffix(" ^")
            advice = "put special characters in quotes: KEY=\"'VALUE'\""
            self.add(text, f"cannot be read as KEY=VALUE: {detail}; {advice}")
            return []

    def single(self, override: Any) -> list[str]:
        """Return the override as one line for each value that it sweeps over."""
        if not override.is_sweep_override():
            return [override.input_line]
        key = override.get_key_element()
        if self.session.mode.name != "MULTIRUN":
            text = f"several values need -m (a list is written {key}=[a,b], a text with commas {key}=\"'a,b'\")"
            self.add(override.input_line, text)
            return []
        if not override.is_discrete_sweep():
            self.add(override.input_line, "this sweep cannot be enumerated; list its values")
            return []
        return [f"{key}={value}" for value in override.sweep_string_iterator()]

    def refuse_lost_additions(self, groups: list[Any]) -> None:
        """Report `+GROUP=X` beside `GROUP=[...]`, which Hydra leaves out without a word."""
        whole = {o.key_or_group: o.input_line for o in groups if not (o.is_add() or o.is_delete())}
        for override in groups:
            if override.is_add() and override.key_or_group in whole:
                text = (
                    f"would be lost beside {whole[override.key_or_group]}; write it into that list"
                )
                self.add(override.input_line, text)

    def has_options(self, override: Any) -> bool:
        """Tell whether every option that a group override names exists."""
        if override.is_delete():
            return True
        group, key, before = override.key_or_group, override.get_key_element(), len(self.problems)
        if override.is_sweep_override():
            values: list[Any] = [line.partition("=")[2] for line in self.single(override)]
        else:
            values = override.value() if isinstance(override.value(), list) else [override.value()]
        options = self.session.options(group)
        for value in values:
            name = "null" if value is None else str(value).strip("'\"")
            is_nested = self.session.repository.config_exists(f"{group}/{name}")
            if value is None or (name not in options and (name[:1] == "_" or not is_nested)):
                no_null = null_problem(group, options or []) if value is None else None
                self.add(f"{key}={name}", no_null or no_such_option(name, options or ["none"]))
        return len(self.problems) == before

    def compose(self, choices: list[list[str]]) -> Any:
        """Compose with the group overrides; those that Hydra refuses are reported and left out."""
        lines: list[str] = []
        try:
            for alternative in _alternatives(choices):
                self.refuse_settings(self.session.compose(alternative))
            return self.session.compose([choice[0] for choice in choices])
        except Exception as error:
            _translated(error)
        cfg = None
        for choice in [[], *choices]:
            for line in choice or [""]:
                try:
                    cfg = self.session.compose([*lines, line] if line else lines)
                except Exception as error:
                    refused, key = _translated(error), line.split("=")[0]
                    text = str(refused)
                    if key[:1] == "~" and "No match in the defaults list" in text:
                        text = f"{key}: {list_advice(key[1:], self.session.options(key[1:]) or [])}"
                    place = "" if key in text else line
                    self.add(place, text, is_unsafe=isinstance(refused, UnsafeError))
                    break
            else:
                lines = [*lines, *choice[:1]]
        return cfg

    def apply(self, cfg: Any, override: Any) -> None:
        """Apply one value override in place."""
        key, line = override.key_or_group, override.input_line
        value = None if override.is_delete() else override.value()
        is_plain = not (override.is_add() or override.is_force_add() or override.is_delete())
        before = OmegaConf.select(cfg, key) if value == {} and is_plain else None
        if before:
            self.add(line, "changes nothing; set its keys, or leave a part out by KEY=null")
            return
        if isinstance(value, str) and is_plain:
            problem = KeyAdvice(self.session, _plain(cfg)).group_problem(key, value)
            if problem is not None:
                self.add(line, problem)
                return
        try:
            self.session.loader._apply_overrides_to_config([override], cfg)
        except Exception as error:
            self.add(line, self.refused(cfg, override, error))

    def refused(self, cfg: Any, override: Any, error: Exception) -> str:
        """Return what is wrong with a value override that Hydra refuses."""
        key, line, text = override.key_or_group, override.input_line, str(error)
        advice = KeyAdvice(self.session, _plain(cfg))
        unknown = ("Could not override", "looks like a config group", "not a dict")
        if "An item is already at" in text:
            return f"{key} exists already; write {line.lstrip('+')}"
        if "Could not delete" in text:
            nothing = one_line(text).replace("Could not delete from config.", "nothing to delete:")
            return nothing.removesuffix(".") + advice.nearest(key)
        if any(part.lower() in text.lower() for part in unknown):
            return advice.unknown(key, override.value(), line.partition("=")[2])
        return str(_translated(error))

    def refuse_settings(self, cfg: Any) -> None:
        """Report what Hydra's own settings would run or write: they act first. Of a run, also what is not installed."""
        whole = _plain(cfg)
        found = setting_problems(whole["hydra"], self.session.primary())
        found += _missing_extras(whole) if self.session.is_run else []
        self.problems += [problem for problem in found if problem not in self.problems]

    def refuse_preset(self, cfg: Any) -> None:
        """Report a preset that the experiment does not have."""
        problem = preset_problem(cfg, self.session.repository)
        self.problems += [] if problem is None else [problem]


def _plain(cfg: Any) -> dict[str, Any]:
    """Return a composed config as plain containers, nothing resolved."""
    whole: Any = OmegaConf.to_container(cfg, resolve=False)
    return whole


def _missing_extras(config: dict[str, Any]) -> list[Problem]:
    """Return which of the chosen classes, launchers too, need an extra that is not installed."""
    targets = {p.removesuffix("._target_"): t for p, t in walk(config) if p.endswith("._target_")}
    missing = {path: missing_for(str(target)) for path, target in targets.items()}
    return [Problem(path, text) for path, text in missing.items() if text is not None]


def _alternatives(choices: list[list[str]]) -> Iterator[list[str]]:
    """Yield, for each further value of a sweep, the first values of the others with it."""
    for i, choice in enumerate(choices):
        for line in choice[1:]:
            yield [line if i == j else other[0] for j, other in enumerate(choices)]
