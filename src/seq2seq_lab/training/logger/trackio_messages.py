"""What the child process of `TrackioRun` does with each message, once the run is started."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seq2seq_lab.training.logger.wandb_messages import entries

ROW = "_row"
"""The key under which an entry holds its index in the run's history: a text, so that no curve of it is drawn."""
SUMMARY = "summary"
"""The index of the final numbers."""


class TrackioMessages:
    """Carries out the messages of one run. What an earlier session of the run stored already is left out.

    trackio's step is the training step, for it is the dashboard's x axis; an entry is known by its index and its names.
    """

    def __init__(self, run: Any):
        from trackio import fragments
        from trackio.sqlite_storage import SQLiteStorage

        self.run, self.step = run, 0
        fragments.import_inbox_dir()  # what was written on a network file system
        found = SQLiteStorage.get_logs(run.project, run.name, run_id=run.id)
        self._stored = {(str(entry.get(ROW)), name) for entry in found for name in entry}
        self._in_rows = {name for row, name in self._stored if row != SUMMARY}
        self._summary = {
            k: v for entry in found if entry.get(ROW) == SUMMARY for k, v in entry.items()
        }
        alerts = SQLiteStorage.get_alerts(run.project, run_id=run.id)
        self._alerts = {(alert["title"], alert["step"]) for alert in alerts}

    def perform(self, message: dict[str, Any]) -> None:
        """Carry out one message; one that trackio has nothing for does nothing."""
        match message["do"]:
            case "log":
                self.step = int(message["metrics"].get("step", self.step))
                numbers = {k: v for k, v in message["metrics"].items() if k != "step"}
                self._in_rows |= set(numbers)
                self._log(message, numbers)
            case "summary":
                self._log_summary(message["numbers"])
            case "attention":
                self._log_attention(message)
            case "artifact":
                self._log_artifact(message)
            case "alert":
                self._alert(message["title"], message["text"])
            case _:
                self._log(message, _contents(message))

    def _log(self, message: dict[str, Any], values: dict[str, Any]) -> None:
        row = str(message["index"])
        new = {name: value for name, value in values.items() if (row, name) not in self._stored}
        if new:
            self.run.log({**new, ROW: row}, step=self.step)

    def _log_summary(self, numbers: dict[str, float]) -> None:
        """Store the final numbers that are in no row; one point of a name is drawn as bars, run by run."""
        other = {name: value for name, value in numbers.items() if name not in self._in_rows}
        new = {name: value for name, value in other.items() if self._summary.get(name) != value}
        if new:
            self.run.log({**new, ROW: SUMMARY}, step=self.step)

    def _log_attention(self, message: dict[str, Any]) -> None:
        """Draw the weights, and store the picture."""
        import numpy as np

        from seq2seq_lab.training.attention_map import draw_attention

        weights = np.array(message["weights"], dtype=np.float32)
        tokens = message["source_tokens"], message["target_tokens"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "attention.png"
            draw_attention(path, weights, *tokens, title=message["title"])
            self._log(message, _contents({**message, "do": "image", "path": str(path)}))

    def _log_artifact(self, message: dict[str, Any]) -> None:
        """Store where files lie and their hashes, and texts themselves; the same content stays one version."""
        import trackio

        made = trackio.Artifact(message["name"], message["type"], metadata=message["metadata"])
        for entry, path in entries(message["files"]).items():
            made.add_reference(path.as_uri(), name=entry)
        for file in message.get("copies", []):
            made.add_file(file)
        with tempfile.TemporaryDirectory() as folder:
            for entry, text in message["texts"].items():
                path = Path(folder) / entry
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                made.add_file(path, name=entry)
            if message["uses"]:
                self._use(made)
            else:
                self.run.log_artifact(made)

    def _use(self, made: Any) -> None:
        """Note that the run reads the artifact, and no run as its maker."""
        from trackio.sqlite_storage import SQLiteStorage

        project = self.run.project
        stored = SQLiteStorage.commit_artifact_version(
            project=project,
            name=made.name,
            type=made.type,
            description=None,
            manifest=made._build_manifest(project),
            metadata=made.metadata,
            aliases=None,
            run_name=None,
            run_id=None,
        )
        self.run.use_artifact(f"{made.name}:v{stored['version']}")

    def _alert(self, title: str, text: str) -> None:
        import trackio

        if (title, self.step) not in self._alerts:
            self.run.alert(title, text, level=trackio.AlertLevel.ERROR, step=self.step)


def _contents(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a message shows, under its name; nothing where trackio has nothing."""
    import trackio

    name = message.get("name", "")
    match message["do"]:
        case "table":
            return {name: _table(message["columns"], message["rows"])}
        case "hypotheses":
            name = f"{message['split']}/hypotheses"
            return {name: _table(message["columns"], message["rows"])}
        case "curves":
            lines = message["lines"]
            rows = zip(message["x"], *lines.values(), strict=True)
            return {name: _table([message["x_label"], *lines], rows)}
        case "image":
            return {name: trackio.Image(message["path"], caption=message.get("title", name))}
    return {}


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Any:
    import trackio

    return trackio.Table(columns=list(columns), data=[list(row) for row in rows])
