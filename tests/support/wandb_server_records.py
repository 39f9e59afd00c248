"""What the stand-in for a W&B server keeps: runs, artifacts, sweeps, views, in plain structures."""

import json
from dataclasses import dataclass, field
from itertools import count, product
from random import Random
from typing import Any

ENTITY = "tester"
"""The entity of every key."""

WHEN = "2026-01-01T00:00:00"


def project_fields(name: str) -> dict[str, Any]:
    """Return what the client asks about a project."""
    return {
        "id": f"project-{name}",
        "internalId": f"internal-{name}",
        "name": name,
        "entityName": ENTITY,
        "entity": {"id": f"entity-{ENTITY}", "name": ENTITY},
        "createdAt": WHEN,
        "isBenchmark": False,
    }


@dataclass
class Run:
    """One run as the server knows it; `history` is the list of rows by line number."""

    id: str
    entity: str
    project: str
    name: str = ""
    group: str | None = None
    job_type: str | None = None
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    commit: str | None = None
    program: str | None = None
    sweep: str | None = None
    raw_config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    state: str = "running"
    exit_code: int | None = None
    preempting: bool = False

    @property
    def config(self) -> dict[str, Any]:
        """The config without the wrappers and without the client's own key."""
        return {k: v["value"] for k, v in self.raw_config.items() if k != "_wandb"}

    def column(self, name: str) -> list[Any]:
        """Return the values of one metric, in the order of the rows that have it."""
        return [row[name] for row in self.history if name in row]

    def stream(self, body: dict[str, Any]) -> None:
        """Take one message of the file stream. Lines replace those from their offset on."""
        for name, part in (body.get("files") or {}).items():
            lines, offset = part["content"], part.get("offset", 0)
            if name == "wandb-summary.json":
                self.summary = json.loads(lines[-1])
            elif name == "wandb-history.jsonl":
                self._overwrite(self.history, offset, [json.loads(line) for line in lines])
            elif name == "wandb-events.jsonl":
                self._overwrite(self.events, offset, [json.loads(line) for line in lines])
            elif name == "output.log":
                self.output += lines
            else:
                raise ValueError(f"file stream: unknown file {name}")
        self.preempting = bool(body.get("preempting", self.preempting))
        if body.get("complete"):
            self.exit_code = body.get("exitcode", 0)
            failed = "preempted" if self.preempting else "failed"
            self.state = failed if self.exit_code else "finished"

    @staticmethod
    def _overwrite(rows: list[dict[str, Any]], offset: int, new: list[dict[str, Any]]) -> None:
        if offset > len(rows):
            raise ValueError(f"file stream: offset {offset}, but {len(rows)} lines are there")
        rows[offset : offset + len(new)] = new


@dataclass
class Artifact:
    """One version of an artifact; `manifest` holds its entries, `files` what was uploaded."""

    id: str
    name: str
    type: str
    project: str
    version: int
    run: str
    digest: str
    state: str = "PENDING"
    aliases: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str | None = None
    client_id: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name with the version."""
        return f"{self.name}:v{self.version}"

    @property
    def manifest(self) -> dict[str, Any]:
        """The entries by path: digest, ref, size."""
        return json.loads(self.files.get("wandb_manifest.json", b'{"contents": {}}'))["contents"]


@dataclass
class Sweep:
    """One sweep: `agentHeartbeat` hands out its runs one at a time, then ends the agent."""

    id: str
    project: str
    config: dict[str, Any]
    runs: list[str] = field(default_factory=list)
    state: str = "RUNNING"
    stop: set[str] = field(default_factory=set)
    """The runs that an agent is told to end early."""

    def parameters(self, index: int) -> dict[str, Any] | None:
        """Return the parameters of the run at this index; None after the last one."""
        spaces = _spaces(self.config["parameters"])
        if self.config["method"] == "grid":
            chosen = list(product(*(values for _, values in spaces)))
            cells = chosen[index] if index < len(chosen) else None
        else:  # random, and bayes, whose choices a test cannot know either
            rng = Random(f"{self.id}{index}")
            cells = [rng.choice(v) if isinstance(v, list) else rng.uniform(*v) for _, v in spaces]
        limit = self.config.get("run_cap")
        if cells is None or (limit is not None and index >= limit):
            return None
        return {name: value for (name, _), value in zip(spaces, cells, strict=True)}


def _spaces(parameters: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return each parameter with the list of its values, or with the two ends of a range."""
    found: list[tuple[str, Any]] = []
    for name, space in parameters.items():
        if "value" in space:
            found.append((name, [space["value"]]))
        elif "values" in space:
            found.append((name, space["values"]))
        elif "min" in space:
            found.append((name, (space["min"], space["max"])))
        else:
            raise ValueError(f"parameter {name}: the stand-in has no {space}")
    return found


class Records:
    """Everything that a server received."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.runs: dict[str, Run] = {}
        self.projects: set[str] = set()
        self.artifacts: list[Artifact] = []
        self.sweeps: dict[str, Sweep] = {}
        self.agents: dict[str, str] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        """What the server did not know or could not take."""
        self._numbers = count(1)

    def new_id(self, kind: str) -> str:
        """Return an id that nothing else has."""
        return f"{kind}{next(self._numbers)}"

    @property
    def run(self) -> Run:
        """The only run."""
        (found,) = self.runs.values()
        return found

    def versions(self, name: str, project: str) -> list[Artifact]:
        """Return all versions of an artifact, oldest first."""
        return [a for a in self.artifacts if (a.name, a.project) == (name, project)]

    def artifact(self, wanted: str) -> Artifact:
        """Return an artifact by its id or by its name, which may end in :v0 or an alias."""
        name, _, label = wanted.rpartition("/")[2].partition(":")
        for found in reversed(self.artifacts):
            labels = {"", f"v{found.version}", *found.aliases}
            if wanted in (found.id, found.client_id) or (name == found.name and label in labels):
                return found
        raise KeyError(f"no artifact {wanted}")
