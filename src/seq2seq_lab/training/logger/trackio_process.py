"""The child process that writes a run to trackio for `TrackioRun`; run as a script, never imported.

Nothing goes over a network: the Hugging Face Hub is not asked for a user's name, and a Space or a server is filled
later, by `trackio sync`.
"""

import itertools
import os
import shlex
import warnings
from pathlib import Path
from typing import Any

from seq2seq_lab.files import write_json
from seq2seq_lab.stored_text import parse_json
from seq2seq_lab.training.logger.logger_process import Say, serve
from seq2seq_lab.training.logger.trackio_messages import TrackioMessages

REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_BUCKET_ID", "TRACKIO_DATASET_ID")
_LONGEST = 200
"""In bytes: a folder is named by the name of a run."""


def stored_run(path: Path, project: str, folder: str) -> dict[str, str] | None:
    """Return the run of an earlier session; None for the first one, and where project or folder are others now."""
    try:
        stored = parse_json(path.read_text(encoding="utf-8"))
        same = (stored["project"], stored["folder"]) == (project, folder)
        return {key: str(stored[key]) for key in ("id", "name")} if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def free_name(wanted: str, taken: set[str]) -> str:
    """Return a name that no other run of the project has and that can be a folder's: pictures lie in one of it."""
    plain = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in wanted)
    plain = plain.strip(". ").encode()[:_LONGEST].decode(errors="ignore") or "run"
    names = itertools.chain([plain], (f"{plain}-{i}" for i in itertools.count(2)))
    return next(name for name in names if name not in taken)


def start(options: dict[str, Any], say: Say) -> TrackioMessages:
    """Start the run, or go on with that of an earlier session."""
    _stay_here(say)
    if options["trackio_dir"]:
        os.environ["TRACKIO_DIR"] = options["trackio_dir"]
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    _say_what_fails(say)
    folder = trackio.utils.TRACKIO_DIR
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(options["folder"]) / "run.json"
    project, place = options["project"], str(folder.resolve())
    stored = stored_run(path, project, place)
    taken = set(SQLiteStorage.get_runs(project))
    run = trackio.init(
        project=project,
        name=stored["name"] if stored else free_name(options["name"], taken),
        group=options["group"],
        config=options["config"],
        embed=False,
    )
    if stored:
        run.id = stored["id"]  # `resume` of `init` knows a run by its name alone
    else:
        facts = {"id": run.id, "name": run.name, "project": project, "folder": place}
        write_json(path, facts)
    return TrackioMessages(run)


def _stay_here(say: Say) -> None:
    """Take away what would send the run elsewhere."""
    found = [name for name in REMOTE if os.environ.pop(name, None)]
    if found:
        say(f"{found[0]} is not used: the run is stored on this machine, and trackio sync sends it")
    os.environ["HF_HUB_OFFLINE"] = "1"


def _say_what_fails(say: Say) -> None:
    """Show the first warning: trackio warns where it cannot store something."""
    said: list[str] = []

    def show(text: str) -> None:
        if not said:
            say(text)
        said.append(text)

    warnings.showwarning = lambda warning, *_: show(str(warning))


def finish(messages: TrackioMessages, _: int, say: Say) -> None:
    """Finish the run and say how to see it."""
    import trackio

    messages.run.finish()
    project, place = messages.run.project, str(trackio.utils.TRACKIO_DIR)
    where = f"TRACKIO_DIR={shlex.quote(place)} " if os.environ.get("TRACKIO_DIR") else ""
    say(f"run {messages.run.name}; see it by: {where}trackio show --project {shlex.quote(project)}")


if __name__ == "__main__":
    serve("trackio", start, TrackioMessages.perform, finish)
