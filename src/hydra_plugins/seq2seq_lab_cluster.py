"""Launchers that start jobs elsewhere: submitit's (SLURM, or processes of this machine) and Ray's.

They start a job as the plugins `hydra-submitit-launcher` and `hydra-ray-launcher` do, and wait by a rule of their own:
a job that is killed costs its own result only, while the plugins leave at the first one that is lost. SLURM's jobs live
on when the command ends; the next command waits for those that are still in the queue and sends the others.
"""

import functools
import itertools
import os
import pickle
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from seq2seq_lab import stopping
from seq2seq_lab.errors import SweepError, one_line
from seq2seq_lab.files import write_json
from seq2seq_lab.stored_text import parse_json
from seq2seq_lab.study import workers

_VISIBLE_AFTER = 15.0
"""Seconds in which a file that another machine wrote is seen on a shared disk."""


class _JobLauncher(Launcher):
    """What the launchers share: the parts that Hydra hands over, and results of which each may be an error."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.parts: dict[str, Any] = {
            "hydra_context": hydra_context,
            "task_function": task_function,
            "config": config,
        }
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry out the jobs; return for each its result, or the error with which it was lost."""
        self.folder = Path(str(self.config.hydra.sweep.dir)).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [list(overrides) for overrides in job_overrides]
        return [
            _returned(*pair) for pair in zip(jobs, self.results(jobs, initial_job_idx), strict=True)
        ]

    def results(self, jobs: list[list[str]], first: int) -> Iterable[Callable[[], Any]]:
        """Start the jobs; yield for each, once it has ended, what gives its result or raises why there is none."""
        raise NotImplementedError


def _returned(overrides: list[str], result: Callable[[], JobReturn]) -> JobReturn:
    try:
        return result()
    except Exception as error:
        lost = SweepError(one_line(error))
        return JobReturn(overrides=overrides, status=JobStatus.FAILED, _return_value=lost)


class _SubmititLauncher(_JobLauncher):
    """submitit's jobs."""

    cluster = ""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def results(self, jobs: list[list[str]], first: int) -> Iterable[Callable[[], Any]]:
        """Send the jobs, wait for all."""
        from hydra_plugins.hydra_submitit_launcher import submitit_launcher as plugin

        task = {"local": plugin.LocalLauncher, "slurm": plugin.SlurmLauncher}[self.cluster]()
        task.setup(**self.parts)
        started = self.start(task, jobs, first)
        waiting = list(started)
        for seconds in itertools.chain([0.2] * 10, [1.0] * 30, itertools.repeat(10.0)):
            there = self.still_there(waiting)
            waiting = [j for j in waiting if j.job_id in there and not _is_written(j.paths)]
            if not waiting:
                break
            time.sleep(seconds)
        return [functools.partial(_result_of, job.paths, job.job_id) for job in started]

    def start(self, task: Any, jobs: list[list[str]], first: int) -> list[Any]:
        """Send the jobs and return submitit's objects for them."""
        import submitit

        parameters: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in self.settings.items()
        }
        folder, timeouts = parameters.pop("submitit_folder"), parameters.pop("max_num_timeout", 0)
        executor = submitit.AutoExecutor(
            folder, cluster=self.cluster, slurm_max_num_timeout=timeouts
        )
        executor.update_parameters(**{f"{self.cluster}_{k}": v for k, v in parameters.items()})
        numbers = range(first, first + len(jobs))
        names = [f"job_id_for_{number}" for number in numbers]
        places, states = ["hydra.sweep.dir"] * len(jobs), [Singleton.get_state()] * len(jobs)
        return executor.map_array(task, jobs, places, numbers, names, states)

    def still_there(self, jobs: list[Any]) -> set[str]:
        """Return the ids of the jobs that wait or run."""
        raise NotImplementedError


class LocalLauncher(_SubmititLauncher):
    """One process for each job on this machine."""

    cluster = "local"

    def start(self, task: Any, jobs: list[list[str]], first: int) -> list[Any]:
        """Start the processes, which leave the terminal's signals to the command."""
        with workers.terminal_signals_blocked():
            return super().start(task, jobs, first)

    def still_there(self, jobs: list[Any]) -> set[str]:
        """Ask the processes."""
        return {job.job_id for job in jobs if job.state == "RUNNING"}


class SlurmLauncher(_SubmititLauncher):
    """One SLURM job for each job; `jobs.json` beside their folders says which run each one carries out."""

    cluster = "slurm"

    def start(self, task: Any, jobs: list[list[str]], first: int) -> list[Any]:
        """Send those that are not in the queue since an earlier command."""
        from submitit import SlurmJob

        book = self.folder / "jobs.json"
        known = _read(book)
        in_queue = self.still_there([])
        runs = [next((o for o in job if o.startswith("run_dir=")), "") for job in jobs]
        folder = self.settings["submitit_folder"]
        found: dict[str, Any] = {
            r: SlurmJob(folder, known[r]) for r in runs if known.get(r) in in_queue
        }
        new = [(run, job) for run, job in zip(runs, jobs, strict=True) if run not in found]
        if new:
            sent = super().start(task, [job for _, job in new], first)
            known |= {run: job.job_id for (run, _), job in zip(new, sent, strict=True) if run}
            write_json(book, known)
        fresh = iter(sent if new else [])
        return [found[run] if run in found else next(fresh) for run in runs]

    def still_there(self, jobs: list[Any]) -> set[str]:
        """Ask squeue; where it fails, as while the controller starts again, they are taken to be there."""
        line = ["squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return {job.job_id for job in jobs}
        return set(done.stdout.split())


def _read(book: Path) -> dict[str, str]:
    try:
        return dict(parse_json(book.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _is_written(paths: Any) -> bool:
    """Tell whether a job has written its result. A listing asks the server of a shared disk, `exists` may not."""
    try:
        return paths.result_pickle.name in os.listdir(paths.result_pickle.parent)  # noqa: PTH208
    except OSError:
        return False


def _result_of(paths: Any, number: str) -> JobReturn:
    """Return what an ended job returned; raises `SweepError` if it left nothing."""
    until = time.monotonic() + _VISIBLE_AFTER
    while not _is_written(paths) and time.monotonic() < until:
        time.sleep(0.2)
    if not _is_written(paths):
        raise SweepError(f"job {number} ended without a result; see {paths.stderr}")
    outcome, value = pickle.loads(paths.result_pickle.read_bytes())
    if outcome != "success":
        raise SweepError(f"job {number}: {value.strip().splitlines()[-1]}; see {paths.stderr}")
    return value


class RayLauncher(_JobLauncher):
    """One Ray task for each job."""

    def __init__(self, ray: DictConfig) -> None:
        self.ray = ray

    def results(self, jobs: list[list[str]], first: int) -> Iterable[Callable[[], Any]]:
        """Start the tasks, wait for all; asked to stop, let them save."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from hydra_plugins.hydra_ray_launcher import _launcher_util as plugin

        with workers.handlers_kept():  # Ray has one of its own for SIGTERM
            plugin.start_ray(self.ray.init)
        tasks = []
        loader: Any = self.parts["hydra_context"].config_loader
        for number, overrides in enumerate(jobs, first):
            config = loader.load_sweep_config(self.config, overrides)
            with open_dict(config):
                config.hydra.job.id, config.hydra.job.num = f"job_id_for_{number}", number
            tasks.append(
                plugin.launch_job_on_ray(
                    self.parts["hydra_context"], self.ray.remote, config, self.parts["task_function"],
                    Singleton.get_state(),
                )
            )  # fmt: skip
        try:
            while len(_ended(tasks)) < len(tasks):
                time.sleep(0.2)
                asked = stopping.received()  # Ray's C code swallows what a handler raises
                if asked is not None:
                    stopping.unwind(asked)
        except BaseException:
            for task in tasks:
                ray.cancel(task)
            until = time.monotonic() + workers.PATIENCE
            while len(_ended(tasks)) < len(tasks) and time.monotonic() < until:
                time.sleep(0.2)
            raise
        return [functools.partial(ray.get, task) for task in tasks]


def _ended(tasks: list[Any]) -> list[Any]:
    import ray

    return ray.wait(tasks, num_returns=len(tasks), timeout=0, fetch_local=False)[0]
