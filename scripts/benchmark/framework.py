"""What the framework costs: training by `train.py`'s parts against the bare loop over the same model and batches."""

import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from benchmark.commands import work_overrides, write_work
from benchmark.timing import Rate
from benchmark.work import Trainer, forced_loss, make_pairs
from seq2seq_lab.batch import Batch
from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.config.vocabulary_sizes import fill_sizes

PAIRS = 8192


class Saving:
    """Counts the saves of a run and their seconds, digest, fsync and rename included."""

    def __init__(self, io: Any):
        self.io, self.count, self.seconds, self.bytes = io, 0, 0.0, 0
        self._save = io.save_checkpoint
        io.save_checkpoint = self._timed

    def _timed(self, checkpoint: dict[str, Any], path: str, storage_options: Any = None) -> None:
        begin = time.perf_counter()
        self._save(checkpoint, path, storage_options)
        self.seconds += time.perf_counter() - begin
        self.count, self.bytes = self.count + 1, Path(path).stat().st_size


class Framework:
    """The composed run on the work's text, as train.py puts it together, for a few batches at a time."""

    def __init__(self, folder: Path, steps: int, overrides: list[str]):
        from seq2seq_lab.training import session  # Lightning: seconds to import

        folder.mkdir()
        write_work(folder, make_pairs(PAIRS))
        self.folder, self.steps, self.session = folder, steps, session
        chosen = [*work_overrides(folder), "training.trainer.max_epochs=1", *overrides]
        chosen += [f"+training.trainer.limit_train_batches={steps}"]
        chosen += ["+training.trainer.limit_val_batches=0", "training.callback.early_stopping=null"]
        cfg = compose_config(chosen)
        session.start(1)
        self.data = build(resolve(cfg)["data"])
        self.data.setup()
        fill_sizes(cfg.model, *self.data.vocabulary_sizes)
        self.config = resolve(cfg)
        self.model = build(self.config["model"])

    def batches(self) -> list[Batch]:
        """Return the batches of every block."""
        return list(islice(iter(self.data.train_dataloader()), self.steps))

    def block(self, number: int) -> tuple[float, Saving]:
        """Train one block with all callbacks and loggers; return target tokens per second, and what saves took."""
        run, session = self.config, self.session
        training = {name: build(run["training"][name]) for name in session.PARTS}
        translator = session.make_translator(self.model, self.data, build(run["decoding"]))
        module = session.Seq2SeqModule(self.model, **training, translator=translator, seed=1)
        run_dir = self.folder / f"run{number}"
        run_dir.mkdir()
        parts = [build(node) for node in run["training"]["callback"].values()]
        saving = Saving(session.checkpoint_io(run, self.data))
        logs = [build(node) for node in run["training"]["logger"].values()]
        with session.loggers(logs, run, run_dir) as loggers:
            callbacks = session.callbacks(parts, run_dir)
            trainer = build(
                run["training"]["trainer"],
                callbacks=callbacks,
                logger=loggers,
                plugins=[saving.io],
                default_root_dir=str(run_dir),
            )
            session.fit(trainer, module, self.data)
        speed = next(one.epoch_speed for one in callbacks if hasattr(one, "epoch_speed"))
        return speed, saving


def bare_block(trainer: Trainer, batches: list[Batch]) -> float:
    """Train the same batches in the bare loop; return target tokens per second."""
    begin = time.perf_counter()
    for batch in batches:
        trainer(batch)
    return sum(batch.num_target_tokens for batch in batches) / (time.perf_counter() - begin)


def overhead(
    arguments: Any, report: Callable[[str, dict[str, Rate], str, str], dict[str, float]]
) -> dict[str, Any]:
    """Compare in turn; the share of a step that the framework takes is 1 - framework / bare loop.

    A block is short, so the seconds in which W&B's own process starts weigh more in it than in a real run.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        steps, folder = max(arguments.steps, 20), Path(name)
        frameworks = {
            f"framework, logger={logger}": Framework(
                folder / logger, steps, [f"training/logger={logger}"]
            )
            for logger in ("csv", "wandb")
        }
        first = next(iter(frameworks.values()))
        bare, batches = Trainer(first.model, forced_loss), first.batches()
        bare_block(bare, batches)
        speeds: dict[str, list[float]] = {"bare loop": [], **{one: [] for one in frameworks}}
        for turn in range(arguments.rounds):
            for one in list(speeds) if turn % 2 == 0 else list(speeds)[::-1]:
                framework = frameworks.get(one)
                speeds[one].append(
                    framework.block(turn)[0] if framework else bare_block(bare, batches)
                )
    rates = {one: Rate.of(found) for one, found in speeds.items()}
    ratios = report("The framework's price", rates, "bare loop", "target tokens/s")
    return {"framework_share_of_a_step": {one: 1 - ratios[one] for one in frameworks}}


def checkpoints(arguments: Any, report: Callable[..., Any]) -> dict[str, Any]:  # noqa: ARG001
    """Measure one save of the work's model with its optimizer, and its share of training at the default interval."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        framework = Framework(Path(name) / "run", max(arguments.steps, 20), ["training/logger=csv"])
        interval = 60 * framework.config["training"]["callback"]["checkpoint"]["every_n_minutes"]
        found = [framework.block(turn)[1] for turn in range(arguments.rounds)]
    each = Rate.of([one.seconds / one.count for one in found])
    share = each.median / interval
    says = (
        f"one save of {found[0].bytes / 1e6:.1f} MB takes {each.median:.3f} s (quartiles {each.low:.3f} to "
        f"{each.high:.3f}): {share:.2%} of training with a save every {interval:.0f} s"
    )
    return {"seconds_per_save": each.median, "share_at_the_default_interval": share, "says": [says]}
