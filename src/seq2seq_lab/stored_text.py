"""The reader of JSON and YAML that a run, study or export left on disk: whatever is wrong is one error of one class.

Refused are, beside what is no JSON: other types than expected, values nested deeper than `DEEPEST` (a reader that
calls itself would fail), halves of UTF-16 pairs (which no file can hold), and YAML with aliases (bombs).
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import UserError

DEEPEST = 100
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; `ValueError` for whatever is refused."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {DEEPEST}") from error
    _check_depth(value)
    if _HALF.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEEPEST}")


def read_json(path: Path, error: type[UserError], advice: str) -> dict[str, Any]:
    """Return the object in a JSON file; anything else is an error of this class that ends with the advice."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror}); {advice}") from reason
    except ValueError as reason:
        raise error(f"{path}: not JSON ({_short(reason)}); {advice}") from reason
    if not isinstance(found, dict):
        raise error(f"{path}: not a JSON object; {advice}")
    return found


def read_json_lines(
    path: Path, error: type[UserError], advice: str, texts: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; `texts` are keys that each must have, with texts."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror}); {advice}") from reason
    except ValueError as reason:
        raise error(f"{path}: not UTF-8 ({_short(reason)}); {advice}") from reason
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line:
            return
        try:
            row = parse_json(line)
        except ValueError as reason:
            raise error(f"{path}:{number}: not JSON ({_short(reason)}); {advice}") from reason
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in texts):
            raise error(
                f"{path}:{number}: not an object with the texts {', '.join(texts)}; {advice}"
            )
        yield row


def read_yaml(path: Path, error: type[UserError], advice: str) -> dict[str, Any]:
    """Return the mapping in a YAML file of plain values."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it was built
        _check_events(yaml.parse(text, Loader=loader))  # before: a deep one ends its process
        found = yaml.load(text, Loader=loader)
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror}); {advice}") from reason
    except (ValueError, RecursionError, yaml.YAMLError) as reason:
        raise error(f"{path}: not the YAML of a run ({_short(reason)}); {advice}") from reason
    if not isinstance(found, dict):
        raise error(f"{path}: not a mapping; {advice}")
    return found


def _check_events(events: Iterable[Any]) -> None:
    """Raise `ValueError` for an alias, or values nested deeper than `DEEPEST`."""
    import yaml

    depth = 0
    for event in events:
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias:
            raise ValueError("it has aliases")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")


def _short(reason: BaseException) -> str:
    return str(reason).split("\n", maxsplit=1)[0][:120]
