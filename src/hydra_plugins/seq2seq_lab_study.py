"""A Hydra sweeper that runs the runs of a study that are not done yet, with any of Hydra's launchers.

Hydra takes sweepers from this namespace only. Without `study=NAME` it is Hydra's basic sweeper.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from seq2seq_lab.config.command_line import quoted, translated
from seq2seq_lab.config.compose import job_of
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.errors import ConfigError, SweepError, UserError, one_line, printable
from seq2seq_lab.report.refresh import refresh_report
from seq2seq_lab.report.wandb_place import logger_of
from seq2seq_lab.study import ledger, workers
from seq2seq_lab.study.device_slot import end_with_parent, gpus, take_gpu, take_slot
from seq2seq_lab.study.matrix import PlannedRun, Study, study_place
from seq2seq_lab.study.plan import begin, plan, states
from seq2seq_lab.study.run import run_once
from seq2seq_lab.threads import core_numbers, usable_cores

_OF_THIS_MACHINE = ("JoblibLauncher", "LocalLauncher")
_OF_A_CLUSTER = ("SlurmLauncher", "RayLauncher")
"""Launchers whose jobs end with the command, and those whose jobs the cluster ends."""

_LEASE = 120.0
"""Seconds in which a file server frees the locks of a machine that is gone: 90 is what Linux gives NFS 4."""

_TRIES = 3
"""How often a command starts a run whose process was killed."""


class StudySweeper(BasicSweeper):
    """Runs what is missing of a study; the same command again finishes what this one leaves."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher; its own files go to the study's folder."""
        package = config.hydra.launcher._target_.split(".")[1]
        if config.get("study") is not None:
            self.place = study_place(config.study, config.study_dir)
            with read_write(config), open_dict(config):
                config.hydra.sweep.dir = str(self.place / "launcher")
        if package == "hydra_joblib_launcher" and config.hydra.launcher.n_jobs == -1:
            with read_write(config):
                config.hydra.launcher.n_jobs = len(gpus()) or usable_cores()
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs of the sweep; of a study, those that are not done. Raises `SweepError` if some are left."""
        assert self.config is not None
        if any(text.startswith("study=") and "," in text for text in arguments):
            raise ConfigError("study: one name for all runs; give a single value")
        with workers.supervised(in_study=self.config.get("study") is not None):
            return self._sweep(arguments)

    def _sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None
        if self.config.get("study") is None:
            return super().sweep(arguments)
        if self.config.run_dir is not None:
            raise ConfigError(
                f"run_dir={self.config.run_dir}: a study names the folders of its runs; use study_dir=PATH"
            )
        study, broken = plan(self.config.study, self.place, self._jobs(arguments), self._compose)
        missing = begin(study)
        for run in study.runs:
            if run.name in broken:
                _note_broken(study, run, broken[run.name])
        reasons = self._launch(study, [run for run in missing if run.name not in broken])
        refresh_report(study.place, wait=True)
        if study.prediction is not None:
            _tell_verdict(study)
        if missing:  # else W&B has this report already
            _log(study)
        return _finish(study, broken | reasons, len(missing))

    def _jobs(self, arguments: list[str]) -> list[list[str]]:
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (jobs,) = self.split_arguments(overrides, None)
        return jobs

    def _compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the config that the launcher would give to this job, resolved."""
        assert self.hydra_context is not None
        with translated():
            loader: Any = self.hydra_context.config_loader
            cfg = loader.load_sweep_config(self.config, list(overrides))
        with job_of(cfg) as job:
            return resolve(job)

    def _launch(self, study: Study, runs: list[PlannedRun]) -> dict[str, str]:
        """Launch the runs; return why a launcher did not start some. A killed worker costs only its own run a try."""
        assert self.launcher is not None
        reasons: dict[str, str] = {}
        for _ in range(_TRIES):
            if not runs:
                break
            jobs = [[*run.overrides, *_place_of(study, run)] for run in runs]
            seen = len(ledger.read(study.ledger))
            try:
                results = self.launcher.launch(jobs, initial_job_idx=0)
            except BrokenProcessPool as error:
                print(f"a worker was killed: {one_line(error)[:200]}", file=sys.stderr)  # noqa: T201
                ended = _ended(ledger.read(study.ledger)[seen:])
                runs = [run for run in runs if run.name not in ended]
                continue
            except Exception as error:  # the launcher's own: no SLURM here, a cancelled job ...
                return {run.name: f"{type(error).__name__}: {one_line(error)}" for run in runs}
            events = ledger.read(study.ledger)
            ended, newest = _ended(events[seen:]), ledger.last(events)
            lost = {
                run.name: one_line(result._return_value)
                for run, result in zip(runs, results, strict=True)
                if result.status == JobStatus.FAILED and run.name not in ended
            }
            reasons |= lost
            runs = [r for r in runs if r.name in lost and newest[r.name].event == "started"]
            for run in runs:
                print(one_line(f"{run.name} was killed: {lost[run.name][:200]}"), file=sys.stderr)  # noqa: T201
        return reasons


def _tell_verdict(study: Study) -> None:
    """Print the prediction and its verdict, as the report has them; why there is none does not fail the study."""
    from seq2seq_lab.report.prediction_text import section_of

    try:
        print(f"\n{printable(section_of(study.place))}")  # noqa: T201
    except UserError as error:
        print(one_line(f"warning: the prediction is not judged: {error}"), file=sys.stderr)  # noqa: T201


def _log(study: Study) -> None:
    """Log the report to Weights & Biases if the runs were logged there; a failure does not fail the study."""
    try:
        if not logger_of(study.place):
            return
        from seq2seq_lab.report.wandb_publish import publish
        from seq2seq_lab.report.wandb_report import log_study  # Lightning: seconds to import

        made = log_study(study.place)
        if any(not name.startswith("offline-") for name in made):
            publish(study.place)
    except Exception as error:
        print(f"warning: W&B has no report of the study: {one_line(error)}", file=sys.stderr)  # noqa: T201


def _place_of(study: Study, run: PlannedRun) -> list[str]:
    places = {
        "study_dir": study.place,
        "run_dir": study.folder(run),
        "hydra.sweep.dir": study.place / "launcher",
    }
    return [f"study={study.name}", *(f"{key}={quoted(str(p))}" for key, p in places.items())]


def _note_broken(study: Study, run: PlannedRun, reason: str) -> None:
    print(one_line(f"error: {run.name}: {reason}"), file=sys.stderr)  # noqa: T201
    ledger.append(study.ledger, "failed", run.name, 0, run.content_hash, reason)


def _ended(events: list[ledger.Event]) -> set[str]:
    """Return the runs of which these events say how they ended; a run whose process was killed is none."""
    return {event.run for event in events if event.event != "started"}


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def _finish(study: Study, reasons: dict[str, str], missing: int) -> list[Any]:
    """Print how many runs are done; raise `SweepError` if one is not."""
    now = states(study)
    done = sum(state.kind == "done" for state in now)
    before = len(study.runs) - missing
    unfinished = [
        f"{run.name} {state.kind}: {_short(reasons.get(run.name) or state.reason or 'not run')}"
        for run, state in zip(study.runs, now, strict=True)
        if state.kind != "done"
    ]
    with contextlib.suppress(OSError):
        (study.place / "launcher").rmdir()  # empty unless a launcher left something
    if unfinished:
        raise SweepError(
            f"study {study.name}: {done} of {len(now)} runs done; {'; '.join(unfinished)}; run the same command again"
        )
    text = f"study {study.name}: {done} of {len(now)} runs done ({before} of them before): {study.place}"
    print(f"\n{one_line(text)}")  # noqa: T201
    return []


def in_study(task: Callable[[DictConfig], object]) -> Callable[[DictConfig], object]:
    """Wrap a job: in a sweep with `study` set it is a run of that study; for a single run `study` is only a label."""

    @functools.wraps(task)
    def job(cfg: DictConfig) -> object:
        hydra_cfg = HydraConfig.get()
        launcher = hydra_cfg.launcher._target_.rpartition(".")[2]
        with contextlib.ExitStack() as opened:
            if hydra_cfg.mode == RunMode.MULTIRUN and launcher in _OF_THIS_MACHINE:
                end_with_parent(is_over=workers.command_is_gone)
                opened.enter_context(workers.at_work(tells=cfg.get("study") is None))
            elif hydra_cfg.mode == RunMode.MULTIRUN and launcher in _OF_A_CLUSTER:
                opened.enter_context(workers.in_queue())
            return in_place(cfg, launcher)

    def in_place(cfg: DictConfig, launcher: str) -> object:
        hydra_cfg = HydraConfig.get()
        if cfg.get("study") is None or hydra_cfg.mode != RunMode.MULTIRUN:
            return task(cfg)
        if cfg.run_dir is None:
            raise ConfigError(f"study={cfg.study}: needs hydra/sweeper=study, which names the runs")
        if launcher in _OF_THIS_MACHINE:
            _take_device(hydra_cfg.launcher.get("n_jobs"), wants_gpu=_wants_gpu(cfg))
        config = resolve(cfg)
        refresh = functools.partial(refresh_report, wait=False)
        return run_once(
            config,
            lambda: task(cfg),
            refresh,
            with_log=launcher != "BasicLauncher",
            patience=_LEASE if launcher in _OF_A_CLUSTER else 3.0,
        )

    return job


def _take_device(workers: int | None, *, wants_gpu: bool) -> None:
    """Take a GPU; where a launcher starts all runs at once (`workers` is None), wait for a GPU or core alone."""
    has_gpu = wants_gpu and take_gpu(workers or 1) is not None
    if workers is None and not has_gpu:
        take_slot([f"core{number}" for number in core_numbers()])


def _wants_gpu(cfg: DictConfig) -> bool:
    return OmegaConf.select(cfg, "training.trainer.accelerator") in {"auto", "gpu", "cuda"}
