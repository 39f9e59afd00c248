"""What a run stores of its extensions, and what is said where a stored run meets others or none."""

import contextlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from seq2seq_lab.config.extension_registry import activate, activate_names, extensions, roots, used
from seq2seq_lab.config.extension_source import Extension
from seq2seq_lab.errors import CheckpointError, UnsafeError, UserError, one_line
from seq2seq_lab.stored_text import read_json

_BUILT = ("model", "decoding", "data")
"""The parts of a config that a trained model needs."""
_NAME = re.compile(r"[A-Za-z0-9][\w.+!-]{0,100}")


class Facts(TypedDict):
    """One extension of a run. `distribution` is None of what `--extension` named; its file or folder is `source`.

    `needs` are the extensions that it imports; `metrics` says whether it brings any.
    """

    version: str | None
    sha256: str
    distribution: str | None
    source: str
    needs: list[str]
    metrics: bool


def facts(config: Any) -> dict[str, Facts]:
    """Return the extensions of a run by name, as manifest, checkpoints and exports store them."""
    found = used(config)
    return {
        name: {
            "version": one.version,
            "sha256": one.sha256,
            "distribution": one.distribution,
            "source": one.root.name,
            "needs": sorted(found.keys() & one.imported - {name}),
            "metrics": one.has_metrics,
        }
        for name, one in found.items()
    }


def require(stored: Any, config: Any, place: str | Path) -> None:
    """Refuse a stored model whose extensions are not there; say in a note which of them changed since.

    `stored` are the facts, None of a file without them. Only extensions of the model, its data and its search count.
    Raises `UnsafeError` that says what to install, `CheckpointError` for facts that no run writes.
    """
    known = checked_facts(stored, place)
    parts = [config.get(key) for key in _BUILT] if isinstance(config, dict) else []
    names, needed = [name for part in parts for name in roots(part) if name in known], {}
    while names:
        name = names.pop()
        if name not in needed:
            needed[name] = known[name]
            names += [other for other in known[name]["needs"] if other in known]
    missing = missing_text(needed)
    if missing:
        raise UnsafeError(f"{place}: {missing}")
    note_changes(needed, place)
    activate(config)


def require_metrics(every: Iterable[tuple[Any, Path]]) -> None:
    """Let the metrics of stored runs count, given the facts of each and its folder.

    Raises `UnsafeError` where an extension that brings metrics is not there: their numbers could not be judged.
    """
    names: set[str] = set()
    for stored, place in every:
        known = checked_facts(stored, place)
        missing = missing_text({name: one for name, one in known.items() if one["metrics"]})
        if missing:
            raise UnsafeError(f"{place}: {missing}")
        names |= known.keys()
    activate_names(names)


def missing_of_command(words: list[str]) -> str | None:
    """Return what to install if the run or the study that overrides continue needs what is not there, or None."""
    for folder in _continued(dict(word.partition("=")[::2] for word in words)):
        with contextlib.suppress(UserError):
            manifest = read_json(folder / "manifest.json", CheckpointError, "")
            missing = missing_text(checked_facts(manifest.get("extensions"), folder))
            if missing:
                return f"{folder}: {missing}"
    return None


def _continued(given: dict[str, str]) -> list[Path]:
    """Return the run folders from which a command line goes on."""
    given = {key: value.strip("'\"") for key, value in given.items()}
    resume, study = given.get("resume", "null"), given.get("study")
    if study is not None:
        place = Path(given.get("study_dir") or Path("outputs", "studies", study))
        return sorted(path.parent for path in place.glob("runs/*/manifest.json"))
    if resume == "auto":
        return [Path(given["run_dir"])] if "run_dir" in given else []
    return [] if resume == "null" else [Path(resume).parent.parent]


def missing_text(known: dict[str, Facts]) -> str | None:
    """Return what to install where extensions are missing, None where they are all there."""
    there = extensions()
    texts = [_advice(name, one) for name, one in known.items() if name not in there]
    return "; ".join(texts) or None


def _advice(name: str, one: Facts) -> str:
    version = f" {one['version']}" if one["version"] else ""
    if one["distribution"] is None:
        way = f"give --extension PATH/{one['source']}"
    else:
        exact = (
            f"{one['distribution']}=={one['version']}" if one["version"] else one["distribution"]
        )
        way = f"pip install '{exact}'"
    return f"needs the extension {name}{version}, which is not there; if you trust it, {way}"


def note_changes(known: dict[str, Facts], place: str | Path) -> None:
    """Write one line on stderr for each extension whose source is not the stored one."""
    there = extensions()
    for name, one in known.items():
        now: Extension | None = there.get(name)
        if now is not None and now.sha256 != one["sha256"]:
            versions = f"{one['version'] or 'no version'} then, {now.version or 'no version'} now"
            sys.stderr.write(
                f"note: {one_line(place)}: the extension {name} has changed since ({versions}); "
                "results may differ\n"
            )


def checked_facts(stored: Any, place: str | Path) -> dict[str, Facts]:
    """Return stored facts; `CheckpointError` unless they are plain names, versions and digests."""
    try:
        found = {} if stored is None else dict(stored)
        for name, one in found.items():
            texts = [name, one["source"], one["sha256"], *one["needs"]]
            texts += [one[key] for key in ("version", "distribution") if one[key] is not None]
            is_plain = type(one["metrics"]) is bool and isinstance(one["needs"], list)
            if not (is_plain and all(_NAME.fullmatch(text) for text in texts)):
                raise ValueError("no names")
    except (TypeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{place}: what it says of extensions is not what a run writes; use another checkpoint"
        ) from error
    return found
