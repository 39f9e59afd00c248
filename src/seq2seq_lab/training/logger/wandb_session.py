"""One session of a run in Weights & Biases: its stored id, and what of a resumed run is new to W&B.

Every session of a run has the same id. A run that is resumed logs its first rows again: from metrics.csv, from the
journal, and those of the steps that it repeats. What the server has already is left out, for `wandb sync` would append
it a second time. An offline session holds all the rest and replaces the older ones.
"""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import UserError
from seq2seq_lab.files import write_json
from seq2seq_lab.training.logger.wandb_messages import perform

_ROWS = ("log", "table", "image", "hypotheses", "attention", "curves")
"""Messages that become part of a row of W&B's history; the others may be sent twice."""


def stored_run(folder: Path) -> dict[str, Any]:
    """Return what <folder>/run.json says about the run: `id`, and `url`, `entity` and `project` once it was online."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def store_run(folder: Path, **facts: Any) -> None:
    """Add facts to <folder>/run.json; what is empty stays as it was."""
    new = {key: value for key, value in facts.items() if value}
    write_json(folder / "run.json", {**stored_run(folder), **new})


def sent_rows(folder: Path, run_id: str) -> int:
    """Return how many rows the server has for sure: by online sessions, and by offline ones that were synced."""
    run = stored_run(folder)
    recorded = run.get("recorded", {})
    synced = [
        rows
        for name, rows in recorded.items()
        if (folder / name / f"run-{run_id}.wandb.synced").exists()
    ]
    return max([run.get("sent", 0), *synced])


class Session:
    """Gives W&B's run the messages, at the right steps."""

    def __init__(self, run: Any, folder: Path):
        self.run, self.folder = run, folder
        self._is_online = run.settings.mode == "online"
        # the server has the rows before it
        self._begin = run.starting_step if self._is_online else sent_rows(folder, run.id)
        self._end = self._begin
        self._known = set(run.summary.keys()) if self._begin else set()
        self._replayed = False
        self._is_whole = True

    def perform(self, message: dict[str, Any]) -> None:
        """Carry out one message."""
        try:
            match message["do"]:
                case "replay":
                    self._replayed = True
                case "alert":
                    self.run.alert(message["title"][:63], message["text"], level="ERROR")
                case "preempting":
                    self.run.mark_preempting()
                case _:
                    self._pass_on(message)
        except Exception:
            self._is_whole = False
            raise

    def _pass_on(self, message: dict[str, Any]) -> None:
        """Hand a message over with its step in W&B; a run without rows of before goes on where it was."""
        index = message["index"]
        if not self._replayed:
            index += self._begin
        elif index < self._begin and message["do"] in _ROWS:
            # a row and its pictures arrive together, except those that follow the last row
            is_lost = index == self._begin - 1 and message.get("name", "") not in self._known
            if message["do"] == "log" or not is_lost:
                return
            index = self._begin
        self._end = max(self._end, index + 1)
        perform(self.run, {**message, "index": index})

    def finish(self, exit_code: int) -> None:
        """Finish the run, then delete the older offline sessions if this one holds all that they held."""
        self.run.finish(exit_code=exit_code)
        this = Path(self.run.dir).parent.resolve()
        if self._is_online:
            self._note(sent=self._end)
        else:
            before = stored_run(self.folder).get("recorded", {})
            self._note(sent=self._begin, recorded={**before, this.name: self._end})
        if self._is_whole and (self._replayed or exit_code == 0):
            for older in self.folder.glob(f"offline-run-*-{self.run.id}"):
                if older.resolve() != this:
                    shutil.rmtree(older, ignore_errors=True)

    def store_place(self) -> None:
        """Store where the run is."""
        run = self.run
        url = run.url if self._is_online else None
        self._note(id=run.id, url=url, entity=run.entity, project=run.project)

    def _note(self, **facts: Any) -> None:
        """Store facts of the run; a full disk costs the logger nothing else."""
        with contextlib.suppress(UserError):
            store_run(self.folder, **facts)
