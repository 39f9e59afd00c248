"""What to write instead of an override whose key the config does not have: a group, a `+`, or the nearest name."""

from functools import cached_property
from typing import Any

from omegaconf import DictConfig

from seq2seq_lab.config.command_line import no_such_option
from seq2seq_lab.config.familiar_keys import our_key
from seq2seq_lab.config.keys import child, walk
from seq2seq_lab.config.keys import is_node as has_target
from seq2seq_lab.config.problems import closest
from seq2seq_lab.config.rules import OPTIONAL_NAMESPACE, OPTIONAL_NODE, RULES
from seq2seq_lab.config.signature import signature_of


def null_problem(group: str, options: list[str]) -> str:
    """Return what to write instead of GROUP=null: no option has this name, but some parts can be left out."""
    if "none" in options:
        return f"no such option; write {group}=none"
    parent, _, name = group.replace("/", ".").rpartition(".")
    kind = (RULES.namespaces.get(parent) or {}).get(name)
    if kind == OPTIONAL_NODE:
        return f"no such option; a run without it is {parent}.{name}=null"
    if f"{parent}.{name}" in RULES.namespaces:
        without = f"; a run without any is {parent}.{name}=null" * (kind == OPTIONAL_NAMESPACE)
        return list_advice(group, options) + without
    return no_such_option("null", options)


def list_advice(group: str, options: list[str]) -> str:
    """Return how the options of a group that is a list are left out."""
    dotted, some = group.replace("/", "."), ",".join(options[:2])
    return (
        f"{group} is a list; leave one out by {dotted}.NAME=null, or write those to have, "
        f"{group}=[{some}]; available: {', '.join(options)}"
    )


class KeyAdvice:
    """Advice on the keys of one config (`tree`, unresolved); `session` is `compose.Session`."""

    def __init__(self, session: Any, tree: dict[str, Any]) -> None:
        self.session, self.tree = session, tree
        self.keys = [key for key, _ in walk(tree) if not key.startswith("hydra")]

    @cached_property
    def groups(self) -> list[str]:
        """The paths of all groups but Hydra's own."""
        return [group for group in self.session.groups() if not group.startswith("hydra")]

    def group_problem(self, key: str, value: Any) -> str | None:
        """Return what to write where a key is given the name of an option, as in `attention=dot`, or None."""
        if not isinstance(value, str) or isinstance(child(self.tree, key), str | int | float):
            return None
        path = our_key(key).replace(".", "/")
        is_node = isinstance(child(self.tree, key), dict)
        start = "chosen by its group" if is_node else "no such group or key"
        if key.replace(".", "/") == path and self.options(path):
            start = f"{key} is a group"
        if value in self.options(path):
            return f"{start}; write {path}={value}"
        last = path.rpartition("/")[2]
        named = [group for group in self.groups if group.rpartition("/")[2] == last]
        found = [group for group in named if value in self.options(group)]
        if found:
            return f"{start}; write {min(found, key=len)}={value}"
        return self.as_group(path, value) if is_node else None

    def options(self, group: str) -> list[str]:
        """Return the options of a group; of what is none, nothing."""
        return self.session.options(group) or []

    def as_group(self, group: str, value: Any) -> str | None:
        """Return how to choose an option of a group to which no such value can be given; None for no group."""
        options = self.options(group)
        if not options or isinstance(value, dict):
            return None
        guess = closest(str(value), options)
        return (
            f"{group} is a group; write {group}=NAME{guess or ';'} available: {', '.join(options)}"
        )

    def unknown(self, key: str, value: Any, written: str) -> str:
        """Return the problem of a key that does not exist; `written` is its value as it was typed."""
        meant = our_key(key)
        parent, _, name = meant.rpartition(".")
        node = child(self.tree, parent)
        if has_target(node) and meant not in self.keys:
            target = str(node["_target_"])
            signature = signature_of(target)
            if signature is not None and name in signature.arguments:
                reason = RULES.support_problem(f"{target}.{name}", value)
                place = "" if meant == key else f"{meant}: "
                return (
                    f"{place}{reason}" if reason else f"not in the config; write +{meant}={written}"
                )
        if meant in self.keys and not isinstance(child(self.tree, meant), dict):
            return f"no such group or key; did you mean {meant}?"
        as_group = self.as_group(meant.replace(".", "/"), value)
        return as_group or "no such group or key" + self.nearest(key)

    def nearest(self, key: str) -> str:
        """Return `; did you mean X?` for an unknown key, or how to see all keys."""
        dotted, meant = key.replace("/", "."), our_key(key)
        exact = [k for k in self.keys if k == dotted or k.endswith(f".{dotted}")]
        exact = [meant] if meant in self.keys else exact
        parent, _, last = meant.rpartition(".")
        same = [k for k in self.keys if parent and k.rpartition(".")[2] == last]
        exact = exact or [k for k in same if k.startswith(f"{parent.partition('.')[0]}.")]
        if exact:
            return f"; did you mean {min(exact, key=len)}?"
        siblings = [k.rpartition(".")[2] for k in self.keys if k.rpartition(".")[0] == parent]
        guess = closest(last, siblings if parent else [*siblings, *self.groups], parent)
        guess = guess or self.of_other_options(parent, last)
        guess = guess or (f"; did you mean {min(same, key=len)}?" if same else "")
        pool = [*self.keys, *self.groups]
        guess = guess or closest(key, pool) or (closest(dotted, pool) if dotted != key else "")
        if guess:
            return guess
        parts = key.split(".")  # a wrong name in the middle: name the nearest node
        heads = (".".join(parts[:i]) for i in range(1, len(parts)))
        wrong = next((head for head in heads if head not in self.keys), None)
        near = "" if wrong is None else closest(wrong, self.keys)
        return near or "; `--cfg job` shows all keys"

    def of_other_options(self, parent: str, name: str) -> str:
        """Return which options of a group have a key that the chosen one has not."""
        group, found = parent.replace(".", "/"), []
        for option in self.options(group):
            loaded = self.session.repository.load_config(f"{group}/{option}")
            if loaded is not None and isinstance(loaded.config, DictConfig):
                found += [option] if name in loaded.config else []
        return f"; it is a key of {group}={','.join(found)}" if found else ""
