"""What the child process of `WandbRun` does with each message, once the run is started.

Each message holds its W&B step as `index`. Nothing here imports torch: the process starts fast and stays small.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seq2seq_lab.training.logger.wandb_study import study_charts


def perform(run: Any, message: dict[str, Any]) -> None:
    """Carry out one message."""
    _PERFORM[message["do"]](run, message)


def _log_row(run: Any, message: dict[str, Any]) -> None:
    run.log(message["metrics"], step=message["index"])


def _define(run: Any, message: dict[str, Any]) -> None:
    summary = message["summary"]
    run.define_metric(message["name"], summary=summary, step_metric="step", step_sync=True)


def _set_summary(run: Any, message: dict[str, Any]) -> None:
    run.summary.update(message["numbers"])


def _log(run: Any, name: str, content: Any, message: dict[str, Any]) -> None:
    """Log one thing at its W&B step; the x axis is the optimizer step, if the message says at which."""
    axis = {"step": message["step"]} if "step" in message else {}
    run.log({name: content, **axis}, step=message["index"])


def _log_table(run: Any, message: dict[str, Any]) -> None:
    import wandb

    table = wandb.Table(columns=message["columns"], data=message["rows"])
    _log(run, message["name"], table, message)


def _log_hypotheses(run: Any, message: dict[str, Any]) -> None:
    _log_table(run, {**message, "name": f"{message['split']}/hypotheses"})


def _log_image(run: Any, message: dict[str, Any]) -> None:
    import wandb

    caption = message.get("title", message["name"])
    _log(run, message["name"], wandb.Image(message["path"], caption=caption), message)


def _log_attention(run: Any, message: dict[str, Any]) -> None:
    """Draw the weights, and log the picture; W&B copies it before the folder is deleted."""
    import numpy as np

    from seq2seq_lab.training.attention_map import draw_attention

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attention.png"
        weights = np.array(message["weights"], dtype=np.float32)
        tokens = message["source_tokens"], message["target_tokens"]
        draw_attention(path, weights, *tokens, title=message["title"])
        _log_image(run, {**message, "path": str(path)})


def _log_curves(run: Any, message: dict[str, Any]) -> None:
    import wandb

    lines = message["lines"]
    chart = wandb.plot.line_series(
        xs=message["x"],
        ys=list(lines.values()),
        keys=list(lines),
        title=message["title"],
        xname=message["x_label"],
    )
    _log(run, message["name"], chart, message)


def _log_artifact(run: Any, message: dict[str, Any]) -> None:
    """Log an artifact: `files` by reference with their checksums, `copies` of files, and `texts` by file name.

    Its version depends on the contents and their names alone, so that runs that use the same data share an artifact.
    An artifact of one config has the hash of that config as its alias.
    """
    import wandb

    artifact = wandb.Artifact(
        message["name"], type=message["type"], metadata=message.get("metadata") or {}
    )
    for entry, path in entries(message.get("files") or []).items():
        artifact.add_reference(path.as_uri(), name=entry)
    for path in message.get("copies") or []:
        artifact.add_file(path)
    for entry, text in (message.get("texts") or {}).items():
        with artifact.new_file(entry, mode="w", encoding="utf-8") as file:
            file.write(text)
    of_config = artifact.metadata.get("config_hash")
    aliases = [of_config] if of_config else []
    if not message.get("uses"):
        run.log_artifact(artifact, aliases=aliases)
    elif run.settings.mode == "online":
        run.use_artifact(artifact, aliases=aliases)
    else:
        # `use_artifact` refuses an offline run, but the record that it would send is valid there: `wandb sync` creates
        # the artifact and then marks it as an input of the run
        run._log_artifact(artifact, aliases=aliases, is_user_created=True, use_after_commit=True)


def entries(files: list[str]) -> dict[str, Path]:
    """Return files by their path below the folder that holds them all."""
    paths = [Path(file).resolve() for file in files]
    if not paths:
        return {}
    folder = os.path.commonpath([path.parent for path in paths])
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _log_study(run: Any, message: dict[str, Any]) -> None:
    run.log(study_charts(message["content"]), step=message["index"])


_PERFORM: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "log": _log_row,
    "define": _define,
    "summary": _set_summary,
    "table": _log_table,
    "hypotheses": _log_hypotheses,
    "image": _log_image,
    "attention": _log_attention,
    "curves": _log_curves,
    "artifact": _log_artifact,
    "study": _log_study,
}
