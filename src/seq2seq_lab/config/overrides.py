"""Every mistake among the overrides of a command line, reported together with the nearest legal names.

Hydra stops at the first mistake; here every override is tried on its own. Imports no Hydra: `session` is
`config.Session`.
"""

from collections.abc import Iterator
from typing import Any

from seq2seq_lab.config.command_line import translate
from seq2seq_lab.config.signature import closest
from seq2seq_lab.config.structure import Problem, raise_problems
from seq2seq_lab.errors import UnsafeError, one_line

_HYDRA_TARGETS = ("hydra._internal.core_plugins.", "hydra_plugins.")
_LOG_CLASSES = ("logging.", "colorlog.", "rich.logging.")


def check_overrides(session: Any, texts: list[str]) -> None:
    """Raise one error with all mistakes of the overrides: syntax, groups, options and keys."""
    problems: list[Problem] = []
    parsed = [o for text in texts if (o := _parse(session, text, problems)) is not None]
    groups = [
        o for o in parsed if session.options(o.key_or_group) is not None and _names_options(o)
    ]
    good = [o for o in groups if not _option_problems(session, o, problems)]
    cfg = _compose(
        session, good, [o for o in parsed if o.key_or_group == "hydra.searchpath"], problems
    )
    for override in parsed:
        if cfg is None or any(override is o for o in groups):
            continue
        for single in _values(session, override, problems):
            _apply(session, cfg, single, problems)
    if cfg is not None:
        refuse_foreign_targets(session.settings(cfg), problems)
        if problems:  # all at once: what the other overrides got wrong as well
            problems += session.problems(cfg)
    raise_problems(problems)


def _names_options(override: Any) -> bool:
    return not isinstance(override.value(), dict)


def _parse(session: Any, text: str, problems: list[Problem]) -> Any:
    try:
        return session.parser.parse_overrides([text])[0]
    except Exception as error:
        if "=" not in text and not text.startswith("~"):
            reason = f"an override is KEY=VALUE; write {text}=VALUE"
        else:
            detail = " ".join(one_line(str(error).split("\nSee ")[0]).split()).removesuffix(" ^")
            reason = f"cannot be read as KEY=VALUE: {detail}; put special characters in quotes: KEY=\"'VALUE'\""
        problems.append(Problem(text, reason))
        return None


def _sweep_values(session: Any, override: Any, problems: list[Problem]) -> list[str]:
    if session.mode.name != "MULTIRUN":
        key = override.get_key_element()
        text = f"several values need -m (a list is written {key}=[a,b], a text with commas {key}=\"'a,b'\")"
        problems.append(Problem(override.input_line, text))
        return []
    if not override.is_discrete_sweep():
        problems.append(
            Problem(override.input_line, "this sweep cannot be enumerated; list its values")
        )
        return []
    return list(override.sweep_string_iterator())


def _option_problems(session: Any, override: Any, problems: list[Problem]) -> bool:
    """Append what is wrong with a group override; tell whether anything is."""
    group, before = override.key_or_group, len(problems)
    options = session.options(group)
    if override.is_delete():
        return False
    if override.is_sweep_override():
        values: list[Any] = _sweep_values(session, override, problems)
    else:
        values = override.value() if isinstance(override.value(), list) else [override.value()]
    for value in values:
        name = str(value).strip("'\"")
        if value is not None and (
            name in options
            or (name[:1] != "_" and session.repository.config_exists(f"{group}/{name}"))
        ):
            continue
        shown = "null" if value is None else name
        text = f"no such option{closest(shown, options)}; available: {', '.join(options) or 'none'}"
        text = text.replace("?; ", "? ")
        problems.append(Problem(f"{override.get_key_element()}={shown}", text))
    return len(problems) > before


def _compose(session: Any, groups: list[Any], extra: list[Any], problems: list[Problem]) -> Any:
    """Compose with the group overrides; those that Hydra refuses are reported and left out."""
    lines: list[str] = [o.input_line for o in extra]
    choices = [_single_choices(o) for o in groups]
    try:
        for alternative in _alternatives(choices):
            cfg = session.compose([*lines, *alternative])
            refuse_foreign_targets(session.settings(cfg), problems)
        return session.compose([*lines, *(c[0] for c in choices)])
    except Exception as error:
        if translate(error) is None:
            raise
    cfg = None
    for choice in [[], *choices]:
        for line in choice or [""]:
            try:
                cfg = session.compose([*lines, line] if line else lines)
            except Exception as error:
                translation = translate(error)
                if translation is None:
                    raise
                text = str(translation)
                place = "" if line.split("=")[0] in text else line
                problems.append(Problem(place, text, isinstance(translation, UnsafeError)))
                break
        else:
            lines += choice[:1]
    return cfg


def _single_choices(override: Any) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def _alternatives(choices: list[list[str]]) -> Iterator[list[str]]:
    """Yield, for each further value of a sweep, the first values of the others with it."""
    for i, choice in enumerate(choices):
        for line in choice[1:]:
            yield [line if i == j else other[0] for j, other in enumerate(choices)]


def _values(session: Any, override: Any, problems: list[Problem]) -> list[Any]:
    if not override.is_sweep_override():
        return [override]
    values = _sweep_values(session, override, problems)
    lines = [f"{override.get_key_element()}={value}" for value in values]
    return [o for line in lines if (o := _parse(session, line, problems)) is not None]


def _apply(session: Any, cfg: Any, override: Any, problems: list[Problem]) -> None:
    key, line = override.key_or_group, override.input_line
    if not override.is_add() and not override.is_force_add() and not override.is_delete():
        options = session.options(key.replace(".", "/")) if "." in key else None
        if options and override.value() in options:
            problems.append(
                Problem(line, f"{key} is a group; write {key.replace('.', '/')}={override.value()}")
            )
            return
    try:
        session.apply(cfg, override)
    except Exception as error:
        text = str(error)
        if "An item is already at" in text:
            reason = f"{key} exists already; write {line.lstrip('+')}"
        elif "Could not delete" in text:
            reason = one_line(text).replace("Could not delete from config.", "nothing to delete:")
        elif (
            "Could not override" in text
            or "looks like a config group" in text
            or "not a dict" in text.lower()
        ):
            reason = "no such group or key" + _nearest(session, cfg, key)
        else:
            translation = translate(error)
            if translation is None:
                raise
            reason = str(translation)
        problems.append(Problem(line, reason))


def _nearest(session: Any, cfg: Any, key: str) -> str:
    keys = [k for k in session.keys(cfg) if not k.startswith("hydra")]
    groups = [g for g in session.groups() if not g.startswith("hydra")]
    leaf = key.replace("/", ".")
    exact = [k for k in keys if k == leaf or k.endswith("." + leaf)]
    if exact:
        return f"; did you mean {min(exact, key=len)}?"
    parent = key.rpartition(".")[0]
    siblings = [k for k in keys if k.rpartition(".")[0] == parent]
    if parent:
        guess = closest(key.rpartition(".")[2], [k.rpartition(".")[2] for k in siblings], parent)
        if guess:
            return guess
    for pool in ([] if parent else [*siblings, *groups], [*keys, *groups]):
        guess = closest(key, pool) or (closest(leaf, pool) if leaf != key else "")
        if guess:
            return guess
    parts = key.split(".")  # a wrong name in the middle: name the nearest node
    for i in range(1, len(parts)):
        if ".".join(parts[:i]) not in keys:
            return closest(".".join(parts[:i]), keys)
    return "; `--cfg job` shows all keys"


def refuse_foreign_targets(settings: Any, problems: list[Problem]) -> None:
    """Append a problem for every class in Hydra's own settings that is not Hydra's: they would run first."""

    def walk(value: Any, path: str) -> None:
        if isinstance(value, list):
            value = dict(enumerate(value))
        for key, item in value.items() if isinstance(value, dict) else ():
            here = f"{path}.{key}"
            is_log_class = (
                key == "class" and "logging" in path and not str(item).startswith(_LOG_CLASSES)
            )
            is_factory = key == "()" and not str(item).startswith(_LOG_CLASSES)
            if (
                is_log_class
                or is_factory
                or (key == "_target_" and not str(item).startswith(_HYDRA_TARGETS))
            ):
                text = f"{one_line(item)} may not be run by Hydra's settings, so it was refused"
                problems.append(Problem(here, text, is_unsafe=True))
            walk(item, here)

    walk(settings, "hydra")
