"""Every wrong name, type and target of a composed config, found by reading the constructors' source.

Works on plain dicts and imports nothing that a config names. Ranges and contradictions are what the constructors
themselves refuse: `dry_run.py` calls them.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from seq2seq_lab.config.annotation import mismatch, show
from seq2seq_lab.config.familiar_keys import our_key
from seq2seq_lab.config.keys import MISSING, child, is_below, is_node, items, join, walk
from seq2seq_lab.config.kind import names
from seq2seq_lab.config.problems import Problem, closest
from seq2seq_lab.config.rules import NAMESPACE, NODE, OPTIONAL_NAMESPACE, OPTIONAL_NODE, Rules
from seq2seq_lab.config.signature import Argument, Signature, signature_of

SETTINGS = ("_target_", "_partial_")
_REFERENCE = re.compile(r"\$\{(?:oc\.select:)?\s*(\.*[\w.\[\]]+)\s*[,}]")


def references(text: Any, path: str) -> Iterator[str]:
    """Yield the absolute paths that the interpolations of an unresolved value at `path` refer to."""
    for name in _REFERENCE.findall(text) if isinstance(text, str) else ():
        target = name.replace("[", ".").replace("]", "")
        tail = target.lstrip(".")
        ups = len(target) - len(tail)
        yield ".".join([*path.split(".")[:-ups], tail]) if ups else tail


class Tree:
    """A config twice: `raw` with its interpolations, `plain` with all of them resolved."""

    def __init__(self, raw: dict, plain: dict) -> None:
        self.raw, self.plain = raw, plain
        self.references = {ref for path, text in walk(raw) for ref in references(text, path)}

    def origin(self, path: str) -> str:
        """Return where the value is written: follows `key: ${other.key}` to its source."""
        for _ in range(16):
            parts = path.split(".")
            heads = ((i, ".".join(parts[:i])) for i in range(1, len(parts) + 1))
            for i, head in heads:
                raw = child(self.raw, head)
                if isinstance(raw, str) and re.fullmatch(r"\$\{\.*[\w.]+\}", raw.strip()):
                    path = ".".join([*references(raw, head), *parts[i:]])
                    break
            else:
                return path
        return path

    def is_alias_key(self, path: str) -> bool:
        """Tell whether some other key refers by `${...}` to this one or to something inside it."""
        return any(is_below(reference, (path,)) for reference in self.references)


def structure_problems(tree: Tree, rules: Rules) -> list[Problem]:
    """Return the problems of names, types and targets."""
    return _Structure(tree, rules).problems


def _is_of_kind(node: Any, kind: str) -> bool:
    return is_node(node) and isinstance(node["_target_"], str) and kind in names(node["_target_"])


class _Structure:
    """The check of one config; it fills `problems`."""

    def __init__(self, tree: Tree, rules: Rules) -> None:
        self.tree, self.rules = tree, rules
        self.problems: list[Problem] = []
        self.namespace("", tree.plain)
        for (key, needed), reason in rules.needs.items():
            name, _, value = key.partition("=")
            given = child(tree.plain, name)
            is_given = given == value if value else given is True
            if is_given and child(tree.plain, needed) is not True:
                self.add(name.removesuffix("._target_"), f"needs {needed}=true: {reason}")
        for key, filler in rules.filled.items():
            if child(tree.plain, key) not in (None, MISSING):
                self.add(key, f"is filled by {filler}; leave it out")

        for key, (partners, kind, advice) in rules.reads.items():
            partner = next((p for k in partners if (p := child(tree.plain, k)) is not None), None)
            if is_node(child(tree.plain, key)) and not _is_of_kind(partner, kind):
                self.add(key, f"needs a {kind}: {advice}")

    def add(self, path: str, text: str) -> None:
        self.problems.append(Problem(path, text))

    def namespace(self, path: str, value: Any) -> None:
        """Check a node without `_target_` against its table."""
        if is_node(value) and self.rules.namespaces[path] is None:
            self.add(path, f"holds several parts; write {path}.NAME for one of them")
            return
        if not isinstance(value, dict) or is_node(value):
            self.add(path, f"expected a group of keys, got {show(value)}")
            return
        table = self.rules.namespaces[path]
        for key, item in value.items():
            here = join(path, key)
            if table is not None and key not in table:
                all_keys = f"; the keys here are {', '.join(table)}"
                meant = our_key(here)
                guess = f"; did you mean {meant}?" if meant != here else ""
                guess = guess or closest(str(key), table, path) or all_keys
                self.add(here, f"no such key{guess}")
            elif here in self.rules.namespaces:
                if item is None and table is not None and table[key] == OPTIONAL_NAMESPACE:
                    continue
                self.namespace(here, item)
                continue
            else:
                self.typed(here, item, OPTIONAL_NODE if table is None else table[key])
            self.inside(here, item)
        for key, kind in (table or {}).items():
            if key not in value and kind not in {OPTIONAL_NODE, OPTIONAL_NAMESPACE}:
                is_group = kind in {NODE, NAMESPACE}
                self.add(
                    join(path, key), f"missing; {'choose one' if is_group else 'give it a value'}"
                )

    def typed(self, path: str, value: Any, kind: str) -> None:
        """Check the value of a key that a table declares."""
        if value == MISSING:
            what = "choose one" if kind in {NODE, OPTIONAL_NODE} else "give it a value"
            self.add(path, f"still ???; {what}")
            return
        if kind in {NODE, OPTIONAL_NODE}:
            is_left_out = value is None and kind == OPTIONAL_NODE
            if not (is_node(value) or is_left_out):
                self.add(path, f"expected a node with _target_, got {show(value)}")
            wrong = (
                self.rules.kind_problem(path, str(value["_target_"])) if is_node(value) else None
            )
            if wrong:
                self.add(path, wrong)
            return
        text = mismatch(value, Argument(ast.Constant(kind)))
        text = text or self.rules.range_problem(path, value)
        if text:
            self.add(path, text)

    def inside(self, path: str, value: Any) -> None:
        """Check the nodes in a value; what is written elsewhere is checked there."""
        if self.tree.origin(path) == path:
            if is_node(value):
                self.node(path, value)
            for key, item in items(value):
                self.inside(join(path, key), item)

    def node(self, path: str, node: dict) -> None:
        """Check one node against the constructor of its target."""
        target = node["_target_"]
        problem = self.rules.target_problem(target, path)
        if problem is not None:
            self.problems.append(problem)
            return
        if not isinstance(node.get("_partial_", False), bool):
            self.add(join(path, "_partial_"), f"expected bool, got {show(node['_partial_'])}")
        signature = signature_of(target)
        if signature is None:
            self.add(path, f"_target_ {target}: not found in the installed version")
            return
        for key, value in node.items():
            here = join(path, key)
            if key in signature.arguments:
                text = None  # what may not be built at all is a problem of its own place
                if not (is_node(value) and self.rules.target_problem(value["_target_"])):
                    text = mismatch(value, signature.arguments[key])
                text = text or self.rules.range_problem(f"{target}.{key}", value)
                text = text or self.rules.support_problem(f"{target}.{key}", value)
                origin = self.tree.origin(here)
                if text and all(p.path != origin for p in self.problems):  # once for all who refer
                    self.add(origin, text)
            elif key not in SETTINGS and not signature.is_open and not self.tree.is_alias_key(here):
                self.unknown_key(path, key, node, signature)
        missing = [n for n, a in signature.arguments.items() if a.required and n not in node]
        if missing and not node.get("_partial_"):
            filled = missing in (["params"], ["optimizer"])
            hint = "; training fills it in, so write _partial_: true" if filled else ""
            self.add(path, f"{signature.name} needs {', '.join(missing)}{hint}")

    def unknown_key(self, path: str, key: str, node: dict, signature: Signature) -> None:
        """Report a key that is neither an argument nor an alias key."""
        aliases = [k for k in node if self.tree.is_alias_key(join(path, k))]
        names = ", ".join(signature.arguments) or "no arguments"
        here = join(path, key)
        legal = f": {signature.name} takes {names}, and no other key refers to ${{{here}}}"
        guess = closest(key, [*signature.arguments, *aliases], path)
        self.add(here, "no such key" + (guess or legal))
