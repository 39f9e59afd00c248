"""The parts of a training run in the order in which commands/train.py uses them."""

import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from seq2seq_lab.config.extension_facts import facts
from seq2seq_lab.errors import (
    ConfigError,
    NotFiniteError,
    ResourceError,
    is_out_of_memory,
    one_line,
)
from seq2seq_lab.inference.checkpoint_file import read_checkpoint
from seq2seq_lab.inference.named_search import NamedSearch
from seq2seq_lab.inference.other_seed import with_other
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import EOS, UNK
from seq2seq_lab.stopping import StoppedError, exit_code_of
from seq2seq_lab.threads import fit_to_machine
from seq2seq_lab.training import lineage, pack, summary
from seq2seq_lab.training.callback.mean_of_last import tested_checkpoint
from seq2seq_lab.training.callback.searches import Searches
from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO
from seq2seq_lab.training.datamodule import Seq2SeqDataModule
from seq2seq_lab.training.initial_weights import begin
from seq2seq_lab.training.interruption import Interruption
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics
from seq2seq_lab.training.module import Seq2SeqModule
from seq2seq_lab.training.native_memory import keep_for_next_step
from seq2seq_lab.training.pack import facts as pack_facts
from seq2seq_lab.training.pack import set_up
from seq2seq_lab.training.processes import end_with_the_first, together
from seq2seq_lab.training.resume import ResumeState, resume_point
from seq2seq_lab.training.run_folder import (
    check_run_folder,
    is_first_process,
    open_run_folder,
    write_result,
    write_start,
)
from seq2seq_lab.training.run_time import ending_noted
from seq2seq_lab.waiting import watch_others

PARTS = ("loss", "optimizer", "lr_schedule", "scheduled_sampling")

__all__ = [
    "PARTS", "Interruption", "ResumeState", "Seq2SeqModule", "begin", "callbacks", "check_run_folder", "check_schedule",
    "checkpoint_io", "ending_noted",
    "evaluate_best", "fit", "loggers", "make_translator", "open_run_folder", "pack_facts", "print_summary", "record",
    "resume_point", "set_up", "start", "together", "write_start",
]  # fmt: skip


def start(seed: int, torch_threads: int | None = None) -> None:
    """Seed every generator, set the threads and silence the messages that do not help a user."""
    end_with_the_first()
    if torch_threads is None and pack.current() is not None:
        torch_threads = 1  # the common steps have threads of their own
    if torch_threads is None:
        fit_to_machine()
    else:
        torch.set_num_threads(torch_threads)
    watch_others()
    keep_for_next_step()
    for name in (
        "pytorch_lightning.utilities.rank_zero", "lightning.pytorch", "pytorch_lightning", "lightning_fabric",
    ):  # fmt: skip
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*functional.all_gather is deprecated.*")
    # every process logs the number of the whole split: nothing is left to sum
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    # Lightning asks for `state_dict` of the loader; ours starts at `Seq2SeqDataModule.start_at`
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    os.environ.setdefault("PL_DISABLE_TIPS", "1")
    pl.seed_everything(seed, verbose=False)


@torch.no_grad()
def refuse_misfits(model: EncoderDecoder) -> None:
    """Run the model on one short pair: parts whose sizes do not fit are a mistake of the config.

    Constructors see their own arguments alone; of two widths that must be equal only a product knows.
    """
    pair = torch.tensor([[UNK, UNK, EOS]])
    training = model.training
    model.eval()
    try:
        model(pair, torch.tensor([3]), pair)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"model: its parts do not fit together ({one_line(error)[:150]}); set sizes by the alias keys, such as "
            "model.dim and model.embedding_dim, and leave those of the parts as they are"
        ) from error
    finally:
        model.train(training)


def check_schedule(optimizer: Any, lr_schedule: Any) -> None:
    """Raise `ConfigError` if the schedule cannot move this optimizer; called before data are read."""
    if lr_schedule is None:
        return
    try:
        lr_schedule.attach(optimizer([torch.nn.Parameter(torch.zeros(1))]), lambda epochs: epochs)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"training.lr_schedule: {one_line(error)}") from error


def make_translator(model: EncoderDecoder, data: Seq2SeqDataModule, decoding: Any) -> Translator:
    """Return the translator that the callbacks use while the model trains."""
    refuse_misfits(model)
    limit = data.length_filter.max_source_tokens
    made = Translator(model, data.source_tokenizer, data.target_tokenizer, decoding, limit)
    return with_other(made)


def checkpoint_io(config: dict[str, Any], data: Seq2SeqDataModule) -> AtomicCheckpointIO:
    """Return the plugin that writes self-contained checkpoints."""
    return AtomicCheckpointIO(
        {
            "config": config,
            "extensions": facts(config),
            "source_tokenizer": data.source_tokenizer.to_json(),
            "target_tokenizer": data.target_tokenizer.to_json(),
            "source_language": data.corpus.source_language,
            "target_language": data.corpus.target_language,
            "data": {name: part["sha256"] for name, part in data.report["splits"].items()},
        }
    )


def callbacks(built: list[pl.Callback | None], run_dir: Path) -> list[pl.Callback]:
    """Leave out those set to null, and let checkpoints go to the run folder."""
    chosen = [callback for callback in built if callback is not None]
    for callback in chosen:
        if isinstance(callback, ModelCheckpoint):
            callback.dirpath = str(run_dir / "checkpoints")
    return chosen


def trainer_parts(
    built: list[pl.Callback | None], run_dir: Path, searches: Sequence[NamedSearch] = ()
) -> dict[str, Any]:
    """Return a trainer's `callbacks`, its folder, and that it shows no bar but a chosen one.

    `searches` are those of the callback `searches`, composed.
    """
    chosen = callbacks(built, run_dir)
    for callback in chosen:
        if isinstance(callback, Searches):
            callback.choose(searches)
    has_bar = any(isinstance(callback, ProgressBar) for callback in chosen)
    return {
        "callbacks": chosen,
        "default_root_dir": str(run_dir),
        "enable_progress_bar": has_bar,
    }


@contextlib.contextmanager
def loggers(
    chosen: list[Logger | None], config: dict[str, Any], run_dir: Path
) -> Iterator[list[Logger]]:
    """Give the CSV log and the chosen ones, without those set to null; close all whatever happens.

    The status of closing is `success`, `killed` (Ctrl-C), `preempted` (another signal) or `failed`.
    """
    every = [CsvMetrics(run_dir), *(logger for logger in chosen if logger is not None)]
    status = "failed"
    try:
        for logger in every:
            if hasattr(logger, "open"):
                logger.open(run_dir, config)
        yield every
        status = "success"
    except NotFiniteError as error:
        for logger in every:
            if hasattr(logger, "alert"):
                logger.alert("not finite", one_line(error))
        raise
    except StoppedError as error:
        status = "killed" if error.exit_code == exit_code_of(signal.SIGINT) else "preempted"
        raise
    finally:
        for logger in every:
            if hasattr(logger, "close"):
                logger.close(status)


def fit(
    trainer: pl.Trainer,
    module: Seq2SeqModule,
    data: Seq2SeqDataModule,
    resume_from: Path | None = None,
) -> None:
    """Train, from the beginning or from a checkpoint; say what to lower when memory runs out."""
    # A batch holds no floats to convert, and Lightning cannot convert a frozen dataclass.
    trainer.precision_plugin.convert_input = lambda batch: batch  # type: ignore[assignment,method-assign]
    lineage.send_inputs(trainer, data)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resume_from)
    except (ValueError, MisconfigurationException) as error:
        if not _is_lightnings(error):
            raise
        raise ConfigError(f"training.trainer: {one_line(error)}") from error
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            pairs = data.encoded["train"]
            source, target = int(pairs.source_lengths.max()), int(pairs.target_lengths.max())
            raise ResourceError(
                f"out of memory (longest pair: {source} source and {target} target tokens); lower "
                "data.batching.batch_size (or max_tokens) or data.length_filter.max_source_tokens"
            ) from error
        raise


def _is_lightnings(error: Exception) -> bool:
    """Tell whether Lightning itself raised the error: a setting that it refuses once it sees the data."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__")).startswith(
        "pytorch_lightning."
    )


def evaluate_best(
    trainer: pl.Trainer, module: Seq2SeqModule, data: Seq2SeqDataModule
) -> dict[str, float]:
    """Load the best checkpoint, or the mean of the last, score validation and test with it; return all numbers."""
    tested = tested_checkpoint(trainer)
    if tested is not None:
        stored = read_checkpoint(tested, "resume=auto ends the run with {}")
        module.load_state_dict(stored["state_dict"])
    elif trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        sys.stderr.write(
            "note: there is no best checkpoint; the results are those of the last step\n"
        )
    numbers = {
        "train/epochs": float(trainer.current_epoch),
        "train/steps": float(trainer.global_step),
    }
    numbers |= {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("train/")}
    numbers["model/parameters"] = float(sum(p.numel() for p in module.model.parameters()))
    for split, evaluate in (("val", trainer.validate), ("test", trainer.test)):
        if len(data.encoded[split]):
            evaluate(module, datamodule=data, verbose=False)
            numbers |= {
                k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(split)
            }
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        numbers |= getattr(callback, "numbers", {})
    if data.score_training_pairs:
        numbers |= {f"train/{k[5:]}": v for k, v in numbers.items() if k.startswith("test/")}
    lineage.send_model(trainer, tested, numbers)
    return numbers


def record(run_dir: Path, numbers: dict[str, float], every: list[Logger]) -> None:
    """Write result.json, and the same numbers as the loggers' summary."""
    write_result(run_dir, numbers)
    for logger in every:
        if hasattr(logger, "log_summary"):
            logger.log_summary(numbers)


def print_summary(run_dir: Path, numbers: dict[str, float]) -> None:
    """Print the final table; of a distributed run, once."""
    if is_first_process():
        summary.print_summary(run_dir, numbers)
