"""The child process that talks to Weights & Biases for `WandbRun`: one JSON message per line on stdin.

Run as a script, never imported. A process of its own keeps W&B's import and start (1.5 s), its threads, its hooks into
`sys.exit` and its hanging network away from training: whatever happens here, the run continues, and ending this process
ends all of it. The first message holds the settings; the others are `log`, `define`, `table`, `image`,
`artifact`, `workspace`, `summary` and `finish`.
"""

import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Literal, TextIO

from seq2seq_lab.errors import one_line


def say(screen: TextIO, text: str) -> None:
    """Write one line to the user's screen; a screen that went away is no error."""
    try:
        screen.write(one_line(" ".join(f"W&B: {text}".split())) + "\n")
        screen.flush()
    except OSError:
        pass


def take_screen() -> TextIO:
    """Return the real stderr, and send everything that W&B itself prints to nowhere."""
    screen = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return screen


def start(options: dict[str, Any], mode: Literal["online", "offline"]) -> Any:
    """Start a run in the given mode."""
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        init_timeout=options["init_timeout"],
        program=options["program"],  # this and the next: of the training process, not of this one
        x_stats_pid=options["pid"],
    )
    run = wandb.init(
        project=options["project"],
        entity=options["entity"],
        group=options["group"],
        job_type=options["job_type"],
        tags=options["tags"],
        name=options["name"],
        config=options["config"],
        dir=options["dir"],
        mode=mode,
        settings=settings,
    )
    run.define_metric("step")
    run.define_metric("*", step_metric="step", step_sync=True)
    return run


def start_somehow(options: dict[str, Any], screen: TextIO) -> Any:
    """Start the run as asked, else offline with one warning."""
    if options["mode"] == "online":
        try:
            return start(options, "online")
        except Exception as error:  # no key, wrong key, no network, time-out: all mean offline
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            say(screen, f"cannot go online, the run is logged offline ({reason})")
    return start(options, "offline")


def perform(run: Any, message: dict[str, Any]) -> None:
    """Carry out one message."""
    import wandb

    match message["do"]:
        case "log":
            run.log(message["metrics"])
        case "table":
            table = wandb.Table(columns=message["columns"], data=message["rows"])
            run.log({message["name"]: table, "step": message["step"]})
        case "image":
            picture = wandb.Image(message["path"], caption=message["name"])
            run.log({message["name"]: picture, "step": message["step"]})
        case "define":
            axis = {"step_metric": "step", "step_sync": True}
            run.define_metric(message["name"], summary=message["summary"], **axis)
        case "artifact":
            artifact = wandb.Artifact(message["name"], type=message["type"])
            for path in message["files"]:
                artifact.add_file(path)
            run.log_artifact(artifact)
        case "workspace":
            make_workspace(run, message["name"], message["metric"])
        case "summary":
            run.summary.update(message["numbers"])


def make_workspace(run: Any, study: str, metric: str) -> None:
    """Save a workspace with the study's runs by arm; needs the server and the package wandb-workspaces."""
    if run.settings.mode != "online" or importlib.util.find_spec("wandb_workspaces") is None:
        return
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as ws

    validation = metric.replace("test/", "val/", 1)
    charts = [
        panels.LinePlot(title=name, x="step", y=[name])
        for name in (validation, "val/loss", "train/loss")
    ]
    shown: list[Any] = [panels.BarPlot(title=metric, metrics=[metric]), *charts]
    runs = ws.RunsetSettings(
        groupby=[ws.Metric("JobType")], filters=f"Metric('Group') == {study!r}"
    )
    ws.Workspace(
        name=study,
        entity=run.entity,
        project=run.project,
        sections=[ws.Section(name=study, panels=shown, is_open=True)],
        runset_settings=runs,
    ).save()


def work(messages: TextIO, screen: TextIO) -> None:
    """Start the run, carry out all messages, finish. The end of stdin without `finish` is a failed run."""
    options = json.loads(messages.readline())
    os.environ.setdefault(
        "WANDB_DATA_DIR", f"{options['dir']}/wandb/data"
    )  # not in the user's home
    run = start_somehow(options, screen)
    exit_code, warned = 1, False
    for line in messages:
        message = json.loads(line)
        if message["do"] == "finish":
            exit_code = message["exit_code"]
            break
        try:
            perform(run, message)
        except Exception as error:  # a lost picture must not lose the run
            if not warned:
                say(screen, f"could not log {message.get('name', message['do'])} ({error})")
            warned = True
    run.finish(exit_code=exit_code)
    folder = Path(run.dir).parent
    if run.settings.mode == "online":
        say(screen, f"run at {run.url}")
    else:
        say(screen, f"run stored offline, upload it with: wandb sync {folder}")


def main() -> None:
    """Serve one run and leave at once: W&B's exit hooks wait long for a server that does not answer."""
    os.nice(10)  # its start would take processor time from the first training steps
    messages = os.fdopen(os.dup(0), encoding="utf-8", newline="\n")
    screen = take_screen()
    code = 0
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-wandb-") as folder:
        tempfile.tempdir = folder
        try:
            os.environ.setdefault("WANDB_CACHE_DIR", folder)
            work(messages, screen)
        except Exception as error:
            say(
                screen,
                f"not logged, the run continues without it ({type(error).__name__}: {error})",
            )
            code = 1
    os._exit(code)


if __name__ == "__main__":
    main()
