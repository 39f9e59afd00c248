"""The child process that talks to Weights & Biases for `WandbRun`; run as a script, never imported."""

import netrc
import os
import secrets
import string
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from seq2seq_lab.training.logger.logger_process import Say, serve
from seq2seq_lab.training.logger.wandb_session import Session, store_run, stored_run
from seq2seq_lab.training.logger.wandb_sweep import beside_parameters


def has_key() -> bool:
    """Return whether there is a key for the server: in the environment, in W&B's settings, or by `wandb login`."""
    import wandb

    settings = wandb.setup().settings
    if settings.api_key or settings.identity_token_file:
        return True
    home = Path("~").expanduser()
    places = [os.environ.get("NETRC"), home / ".netrc", home / "_netrc"]
    path = next((place for place in places if place and Path(place).is_file()), None)
    try:
        return path is not None and bool(
            netrc.netrc(path).authenticators(urlsplit(settings.base_url).netloc)
        )
    except (OSError, netrc.NetrcParseError):
        return False


def git_root() -> str | None:
    """Return the root of the checkout that training runs in; W&B would look from the run folder on."""
    line = ["git", "rev-parse", "--show-toplevel"]
    try:
        found = subprocess.run(line, capture_output=True, check=True, timeout=10, text=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def settings_of(options: dict[str, Any]) -> Any:
    """Return W&B's settings; code and uncommitted changes are stored unless its own variables forbid it."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        init_timeout=options["init_timeout"],
        x_stats_pid=options["pid"],
        git_root=git_root(),
        save_code=not {"WANDB_SAVE_CODE", "WANDB_DISABLE_CODE"} & set(os.environ) or None,
    )


def start(options: dict[str, Any], mode: Literal["online", "offline"]) -> Any:
    """Start a run in the given mode."""
    import wandb

    options = {**options, "config": beside_parameters(options["config"])}
    given = (
        "project",
        "entity",
        "group",
        "job_type",
        "tags",
        "name",
        "notes",
        "config",
        "dir",
        "id",
    )
    run = wandb.init(
        **{key: options[key] for key in given},
        mode=mode,
        resume="allow",
        settings=settings_of(options),
    )
    run.define_metric("step")
    run.define_metric("*", step_metric="step", step_sync=True)
    return run


def leave_service() -> None:
    """End W&B's own process: it holds the id of a run that it could not start, and refuses it a second time."""
    import wandb

    wandb.teardown()


def start_somehow(options: dict[str, Any], say: Say) -> Session:
    """Start the run as asked, else offline with one warning."""
    folder = Path(options["folder"])
    # neither in the user's home
    os.environ.setdefault("WANDB_DATA_DIR", str(folder / "data"))
    os.environ.setdefault("WANDB_CACHE_DIR", tempfile.gettempdir())
    for name in ("WANDB_MODE", "WANDB_RESUME"):  # the options say it
        os.environ.pop(name, None)
    # what W&B stores as program and arguments: not those of this process
    sys.argv[:] = options["argv"]
    os.environ.setdefault("WANDB_PROGRAM", sys.argv[0])
    options["id"] = id_of(options, folder)
    mode = options["mode"] or ("online" if has_key() else "offline")
    run = None
    if mode == "online":
        try:
            run = start(options, "online")
        except Exception as error:  # no key, wrong key, no network, time-out: all mean offline
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            say(f"cannot go online, the run is logged offline ({reason})")
            leave_service()
    run = run or start(options, "offline")
    session = Session(run, folder)
    session.store_place()
    return session


def new_id() -> str:
    """Return an id like those of W&B."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))


def id_of(options: dict[str, Any], folder: Path) -> str:
    """Return the id of the run, and store a new one before it is used. A sweep agent's comes first."""
    stored = stored_run(folder).get("id")
    if options["is_in_agent"]:
        stored = options["id"] or stored
    found = str(stored or options["id"] or new_id())
    store_run(folder, id=found)
    return found


def perform(session: Session, message: dict[str, Any]) -> None:
    """Carry out one message."""
    session.perform(message)


def finish(session: Session, exit_code: int, say: Say) -> None:
    """Finish the run and say where it is."""
    session.finish(exit_code)
    run = session.run
    if run.settings.mode == "online":
        say(f"run at {run.url}")
    else:
        say(f"run stored offline, upload it with: wandb sync {Path(run.dir).parent}")


if __name__ == "__main__":
    serve("W&B", start_somehow, perform, finish)
