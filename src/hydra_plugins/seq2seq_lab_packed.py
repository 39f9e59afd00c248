"""A Hydra launcher that trains the seeds of one config together, in one process or a few: `hydra/launcher=packed`.

Hydra takes launchers from this namespace only.
"""

import functools
import io
import itertools
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

from seq2seq_lab.config.collection import no_collection
from seq2seq_lab.config.compose import job_of
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.errors import ConfigError, StoppedError, UserError, one_line
from seq2seq_lab.study import workers
from seq2seq_lab.study.device_slot import end_with_parent, gpus, take_gpu
from seq2seq_lab.study.packing import has_own_batches, packs, reason_alone
from seq2seq_lab.threads import threads_for, usable_cores

_OWN_BATCHES = (
    "packed: every run has batches of its own, and in a step shorter ones are padded to the longest; data.seed=1 "
    "gives all runs the same batches, which is faster (and a run other numbers)"
)


class PackedLauncher(BasicLauncher):
    """Runs packs of at most `size` jobs that differ in the seed alone, other jobs alone.

    Packs go one after another in this process, or `n_jobs` side by side in processes of their own; -1 is one for each
    GPU or, where there is none, each core.
    """

    def __init__(self, size: int = 8, n_jobs: int = 1) -> None:
        super().__init__()
        chosen = (("size", size, ""), ("n_jobs", 1 if n_jobs == -1 else n_jobs, ", or -1"))
        for name, value, other in chosen:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                text = f"must be a whole number >= 1{other}"
                raise ConfigError(f"hydra.launcher.{name}={value}: {text}")
        self.size, self.n_jobs, self._said = size, n_jobs, set[str]()

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry the jobs out and return what each returned, in their order."""
        setup_globals()
        jobs = [
            self._composed(overrides, initial_job_idx + number)
            for number, overrides in enumerate(job_overrides)
        ]
        configs = [_resolved(job) for job in jobs]
        for reason in filter(None, map(reason_alone, configs)):
            self._say(f"packed: {reason}: such a run is no part of a pack, so it goes alone")
        processes = self.n_jobs if self.n_jobs > 0 else len(gpus()) or usable_cores()
        parts = packs(configs, max(1, min(self.size, -(-len(jobs) // processes))))
        for pack in parts:
            if has_own_batches([configs[number] for number in pack]):
                self._say(_OWN_BATCHES)
        each = [[jobs[number] for number in pack] for pack in parts]
        done = map(self.pack, each) if processes == 1 else self._side_by_side(each, processes)
        found = dict(zip(itertools.chain(*parts), itertools.chain(*done), strict=True))
        return [found[number] for number in range(len(jobs))]

    def pack(self, jobs: Sequence[DictConfig]) -> list[JobReturn]:
        """Carry out one pack in this process; returns what each job returned."""
        return self._together(jobs) if len(jobs) > 1 else [self._run(job) for job in jobs]

    def _side_by_side(
        self, each: Sequence[Sequence[DictConfig]], processes: int
    ) -> Sequence[list[JobReturn]]:
        try:
            from joblib import Parallel, delayed
        except ImportError as error:
            text = "needs pip install 'seq2seq-lab[sweep]'; 1 takes this process"
            raise ConfigError(f"hydra.launcher.n_jobs={self.n_jobs}: {text}") from error
        parts = {
            "hydra_context": self.hydra_context,
            "task_function": self.task_function,
            "config": self.config,
        }
        elsewhere = functools.partial(_elsewhere, parts, Singleton.get_state())
        outcomes = Parallel(
            min(processes, len(each)), backend="loky", batch_size=1, pre_dispatch="n_jobs"
        )(delayed(elsewhere)(jobs, processes) for jobs in each)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return outcomes

    def _composed(self, overrides: Sequence[str], number: int) -> DictConfig:
        assert self.hydra_context is not None
        loader: Any = self.hydra_context.config_loader
        job: DictConfig = loader.load_sweep_config(self.config, list(overrides))
        Path(str(job.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        with open_dict(job):
            job.hydra.job.id = job.hydra.job.num = number
        return job

    def _run(self, job: DictConfig) -> JobReturn:
        assert self.hydra_context is not None
        assert self.task_function is not None
        return run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=job,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

    def _together(self, jobs: Sequence[DictConfig]) -> list[JobReturn]:
        """Carry out one pack. Raises `StoppedError` after a signal that asks to stop."""
        with no_collection():
            import torch

            from seq2seq_lab.training.pack import Pack
            from seq2seq_lab.waiting import watch_others

        is_study = jobs[0].get("study") is not None
        wants_gpu = OmegaConf.select(jobs[0], "training.trainer.accelerator") != "cpu"
        if wants_gpu and torch.cuda.is_available():
            torch.cuda.init()  # before the first run seeds its generators
        tasks = [
            (_name(job), functools.partial(self._member, job, "" if is_study else _name(job)))
            for job in jobs
        ]
        pack = Pack(tasks, threads_for(len(jobs)), [_HYDRA, _PYTHONS_RANDOM])
        watch_others()
        pack.run()
        errors = [member.error for member in pack.members if member.error is not None]
        if pack.signal is not None:
            for error in [] if is_study else errors:
                self._say(one_line(error))
            text = (
                f"stopped by {signal.Signals(pack.signal).name} with {len(errors)} runs under way"
            )
            raise StoppedError(f"{text}; {workers.advice(in_study=is_study)}", pack.signal)
        if errors:
            raise errors[0]
        return [member.value for member in pack.members]

    def _member(self, job: DictConfig, name: str) -> JobReturn:
        """Carry out one job; its lines on standard error begin with its name unless that is empty."""
        if name:
            sys.stderr = _Named(sys.stderr, name)
        return self._run(job)

    def _say(self, text: str) -> None:
        """Write a line to standard error, once."""
        if text not in self._said:
            print(one_line(text), file=sys.stderr)  # noqa: T201
            self._said.add(text)


def _elsewhere(
    parts: dict[str, Any], state: Any, jobs: list[DictConfig], processes: int
) -> list[JobReturn] | Exception:
    """In a worker process: carry out one pack. An error is returned, for the other packs go on."""
    setup_globals()
    Singleton.set_state(state)
    end_with_parent(is_over=workers.command_is_gone)
    if OmegaConf.select(jobs[0], "training.trainer.accelerator") != "cpu":
        take_gpu(processes)
    launcher = PackedLauncher()
    launcher.setup(**parts)
    is_single = (
        len(jobs) == 1 and jobs[0].get("study") is None
    )  # a pack says itself how its runs go on
    with workers.at_work(tells=is_single, runs=len(jobs)):
        try:
            return launcher.pack(jobs)
        except Exception as error:
            return error


class _Named(io.TextIOBase):
    """A stream whose lines begin with a name: several runs write to it."""

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__()
        self._stream, self._name, self._line = stream, name, ""

    def write(self, text: str) -> int:
        """Write the lines that are complete."""
        *lines, self._line = (self._line + text).split("\n")
        self._stream.write("".join(f"{self._name}: {line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        """Write what is there to the file; a line that is not complete stays."""
        self._stream.flush()


def _name(job: DictConfig) -> str:
    """Return how messages and manifests call a job: its folder in a study, else what the sweep chose."""
    if job.get("study") is not None and job.get("run_dir") is not None:
        return Path(str(job.run_dir)).name
    return f"seed={job.seed}"


def _resolved(job: DictConfig) -> dict[str, Any]:
    """Return the config of a job; of one that is wrong and will say so when it runs, what nothing else equals."""
    with job_of(job) as own:
        try:
            return resolve(own)
        except UserError:
            return {"number": job.hydra.job.num}


def _put_hydra(cfg: Any) -> None:
    HydraConfig.instance().cfg = cfg


_HYDRA = (lambda: HydraConfig.instance().cfg, _put_hydra)
_PYTHONS_RANDOM = (random.getstate, random.setstate)
"""For extensions; no code of the package draws from it."""
