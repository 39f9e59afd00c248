"""Exact resumption of a run: the checkpoint to start from, and the state that Lightning's checkpoints leave out."""

import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from seq2seq_lab.config.extension_facts import require
from seq2seq_lab.config.keys import RECORDING, is_below, leaves
from seq2seq_lab.errors import CheckpointError, ConfigError, one_line
from seq2seq_lab.inference.checkpoint_file import newest_whole, read_checkpoint, repair_sidecars
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.run_folder import is_first_process

FREE = (*RECORDING, "training.trainer.max_epochs")
"""The keys that may differ between a run and its continuation."""
_TRAINING_STATE = (
    "state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks", "resume", "global_step", "epoch",
)  # fmt: skip
_EPOCHS, _FOLLOWS = "training.trainer.max_epochs", "training.lr_schedule.total_epochs"


def resume_point(run_dir: Path, io: AtomicCheckpointIO) -> Path | None:
    """Return the checkpoint that a run starts from: None for its beginning.

    `resume=auto` takes the newest checkpoint of the run folder that verifies; checksum files that a kill left out are
    written. Raises `ConfigError` if the config
    differs in more than the keys of `FREE`, `CheckpointError` for damage or other data.
    """
    resume = io.contents["config"]["resume"]
    if resume is None:
        return None
    if resume == "auto":
        path, wrong = newest_whole(run_dir / "checkpoints")
        if is_first_process():
            repair_sidecars(run_dir / "checkpoints")
            _tell_skipped(wrong, is_new=path is None and not wrong, run_dir=run_dir)
    else:
        path = Path(resume)
    if path is not None:
        stored = read_checkpoint(path, "the newest whole one is resume={}")
        missing = [key for key in _TRAINING_STATE if key not in stored]
        if missing:
            raise CheckpointError(
                f"{path}: holds no state of training ({', '.join(missing)} missing; is it an average?); resume from "
                "another checkpoint of the run, such as last.ckpt"
            )
        contents = stored["seq2seq_lab"]
        require(contents.get("extensions"), contents.get("config"), path)
        _refuse_another_run(path, contents, io.contents)
    elif wrong:
        raise CheckpointError(
            f"{run_dir}: no checkpoint is whole; start again in another run_dir=PATH"
        )
    return path


def _tell_skipped(wrong: list[str], *, is_new: bool, run_dir: Path) -> None:
    for message in wrong:
        sys.stderr.write(f"skipped: {one_line(message)}\n")
    if is_new and (run_dir / "config.yaml").exists():
        sys.stderr.write(f"note: {one_line(run_dir)} holds no checkpoint: the run begins again\n")


def _refuse_another_run(path: Path, stored: dict[str, Any], ours: dict[str, Any]) -> None:
    found = differences(stored.get("config") or {}, ours["config"])
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise ConfigError(
            f"resume: the config differs from that of {path}: {', '.join(found[:5])}{more}; only "
            f"{', '.join(FREE)} may, so repeat the run's other keys or choose another run_dir=PATH without resume"
        )
    for name in ("data", "source_tokenizer", "target_tokenizer"):
        if stored.get(name) != ours[name]:
            raise CheckpointError(
                f"resume: the {name.replace('_', ' ')} of {path} is not that of now; give the run its old data"
            )


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return `key: old -> new` for every leaf that differs and must not; lengths that follow max_epochs may."""
    before, now = leaves(old), leaves(new)
    keys = [key for key in dict.fromkeys([*before, *now]) if not is_below(key, FREE)]
    if all(flat.get(_FOLLOWS) == flat.get(_EPOCHS) for flat in (before, now)):
        keys = [key for key in keys if key != _FOLLOWS]
    return [
        f"{key}: {before.get(key, 'absent')} -> {now.get(key, 'absent')}"
        for key in keys
        if before.get(key, "absent") != now.get(key, "absent")
    ]


class ResumeState(pl.Callback):
    """Saves in each checkpoint the state that Lightning leaves out, and restores it.

    These are every random generator of every process, the token sums of the running epoch, the number of rows in
    metrics.csv and the last logged numbers. The loader's position is that of the loop: batches served ahead do not
    count.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Add the state; a batch that was announced but not trained is not counted."""
        _forget_announced_batch(checkpoint["loops"]["fit_loop"])
        if self._loaded is not None:  # no step since: as it was
            checkpoint["resume"] = self._loaded
            return
        logs = _logs_with_rows(trainer)
        for log in logs.values():
            log.sync()
        metrics = {k: v.detach().cpu().clone() for k, v in trainer.callback_metrics.items()}
        checkpoint["resume"] = {
            "processes": _gathered(trainer, _state_of_process(pl_module)),
            "log_step": trainer.fit_loop.epoch_loop._batches_that_stepped,
            "should_stop": trainer.should_stop,
            "metrics": metrics,
            "rows": {name: log.num_rows for name, log in logs.items()},
        }

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Take the state; what Lightning would overwrite comes later."""
        state = checkpoint["resume"]
        stored = len(state["processes"])
        if stored != trainer.world_size:
            raise ConfigError(
                f"resume: the run had {stored} processes, this one has {trainer.world_size}; give it as many devices"
            )
        self._loaded = state
        trainer.should_stop = state["should_stop"]
        trainer.datamodule.start_at = position(checkpoint["loops"]["fit_loop"])
        for callback in trainer.checkpoint_callbacks:
            for key, stored_state in checkpoint["callbacks"].items():
                if key == callback.state_key:
                    _move(stored_state, callback.dirpath)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Restore the sums, the state of scheduled sampling and the logs."""
        if self._loaded is None:
            _replay(trainer, [])
            return
        pl_module.restore_progress(self._loaded["processes"][trainer.global_rank]["progress"])
        trainer.callback_metrics.update(self._loaded["metrics"])
        for name, log in _logs_with_rows(trainer).items():
            log.cut(self._loaded["rows"].get(name, 0))
        kept = [log.rows() for log in trainer.loggers if isinstance(log, CsvMetrics)]
        _replay(trainer, kept[0] if kept else [])

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Restore the generators where they were saved: just before a step."""
        if self._loaded is None:
            return
        state = self._loaded["processes"][trainer.global_rank]
        torch.set_rng_state(state["torch"])
        if pl_module.device.type == "cuda" and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], pl_module.device)
        trainer.fit_loop.epoch_loop._batches_that_stepped = self._loaded["log_step"]
        # Lightning keeps this up for the whole epoch and then leaves out a plateau schedule's step: it has no metrics
        trainer.fit_loop._restarting = False
        self._loaded = None


def _state_of_process(module: Any) -> dict[str, Any]:
    on_gpu = module.device.type == "cuda"
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(module.device) if on_gpu else None,
        "progress": module.progress(),
    }


def _gathered(trainer: Any, state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the states of all processes, in the order of their ranks."""
    if trainer.world_size == 1:
        return [state]
    states: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(states, state)
    return states


def _logs_with_rows(trainer: Any) -> dict[str, Any]:
    return {type(log).__name__: log for log in trainer.loggers if hasattr(log, "num_rows")}


def _replay(trainer: Any, rows: list[dict[str, str]]) -> None:
    """Give the rows that the run keeps to the loggers that send them again."""
    for log in trainer.loggers:
        if hasattr(log, "replay"):
            log.replay(rows)


def _forget_announced_batch(loop: dict[str, Any]) -> None:
    """Bring Lightning's counters to a state that it resumes from rightly: between two batches, validation over."""
    progress = loop["epoch_loop.batch_progress"]
    for counts in (progress["total"], progress["current"]):
        for name in ("ready", "started", "processed"):
            counts[name] = counts["completed"]
    progress["is_last_batch"] = False
    validation = loop["epoch_loop.val_loop.batch_progress"]
    for counts in (validation["total"], validation["current"]):
        counts.update(dict.fromkeys(counts, 0))


def position(loop: dict[str, Any]) -> tuple[int, int]:
    """Return the epoch (from 0) to continue, and how many of its batches are done."""
    epochs = loop["epoch_progress"]["current"]
    is_running = epochs["ready"] != epochs["processed"]
    done = loop["epoch_loop.batch_progress"]["current"]["completed"]
    return epochs["processed"], done if is_running else 0


def _move(state: dict[str, Any], folder: str) -> None:
    """Let the paths of a stored checkpoint callback point into the folder where the run lies now."""

    def here(path: str) -> str:
        return str(Path(folder) / Path(path).name) if path else path

    state["dirpath"] = folder
    for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[key] = here(state[key])
    for key in ("best_k_models", "losses"):
        state[key] = {here(path): value for path, value in state[key].items()}
