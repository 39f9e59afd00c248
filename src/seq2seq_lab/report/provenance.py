"""The provenance of a report: code, versions, data, hardware and settings of all runs, side by side."""

import base64
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seq2seq_lab.config.keys import leaves
from seq2seq_lab.report.records import Records, Run

_NOT_SHARED = {
    "name", "config_hash", "started", "command", "seed", "choices", "overrides", "sweep", "wandb",
    "finished", "seconds", "failure",
}  # fmt: skip
_LARGEST_PICTURE = 300_000
_PICTURES = 2


@dataclass(frozen=True)
class Fact:
    """A field of the manifests with its values, and how many runs have each."""

    name: str
    values: tuple[tuple[str, int], ...]

    @property
    def differs(self) -> bool:
        """Return whether the runs disagree."""
        return len(self.values) > 1


def facts(records: Records) -> list[Fact]:
    """Return every fact of the runs that are done; those that differ come first."""
    found: dict[str, Counter[str]] = {}
    for run in records.runs:
        for name, value in _facts(run, is_study=records.is_study).items():
            found.setdefault(name, Counter())[value] += 1
    listed = [Fact(name, tuple(sorted(values.items()))) for name, values in found.items()]
    return sorted(listed, key=lambda fact: not fact.differs)


def _facts(run: Run, *, is_study: bool) -> dict[str, str]:
    manifest = {k: v for k, v in run.manifest.items() if k not in _NOT_SHARED}
    flat = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in leaves(manifest).items()
    }
    flat |= {f"signature of {name}": text for name, text in sorted(run.signatures.items())}
    if is_study:
        own = _block(run.folder / "config.yaml", "decoding")
        flat["decoding"] = json.dumps(run.decoding) if run.decoding else own
    return flat


def _block(path: Path, key: str) -> str:
    """Return the lines below a root key of a YAML file, as text."""
    if not path.is_file():
        return "not stored"
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(f"{key}:")), None)
    if start is None:
        return "not stored"
    end = next(
        (i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines)
    )
    return "\n".join(line[2:] for line in lines[start + 1 : end])


@dataclass(frozen=True)
class Picture:
    """An attention picture of one arm as a data URL."""

    arm: str
    seed: int
    url: str


def attention_pictures(records: Records) -> dict[str, list[Picture]]:
    """Return for the first pictures (a number names the sentence) one of each arm, from its first seed that has it."""
    found: dict[str, list[Picture]] = {}
    for arm, runs in records.arms.items():
        taken: set[str] = set()
        for run in runs:
            for path in sorted((run.folder / "attention").glob("*.png")):
                if path.stem not in taken and path.stat().st_size <= _LARGEST_PICTURE:
                    taken.add(path.stem)
                    code = base64.b64encode(path.read_bytes()).decode()
                    picture = Picture(arm, run.seed, f"data:image/png;base64,{code}")
                    found.setdefault(path.stem, []).append(picture)
    most = sorted(found, key=lambda name: (-len(found[name]), len(name), name))[:_PICTURES]
    return {name: found[name] for name in most}
