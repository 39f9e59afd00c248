"""A SLURM of one machine: sbatch, srun, squeue, scancel, scontrol requeue and sacct as far as submitit uses them.

`install(folder)` writes the commands into a folder for PATH. A job script is a real process; the queue lies in the
folder's `queue/`, a task's state in `queue/JOB/TASK.state`. Each sbatch starts a process that starts the tasks of its
array, two at a time, and kills what lives on after scancel. `stop(folder)` ends all that it started.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sacct")
KILL_WAIT = 15.0
"""Seconds from scancel's SIGTERM to SIGKILL; SLURM's own default is 30."""
LONGEST = 600.0
"""Seconds after which a queue ends by itself, whatever the test did."""


def install(folder: Path) -> Path:
    """Write the commands and return the folder with them, to be put first in PATH."""
    (folder / "bin").mkdir(parents=True)
    (folder / "queue").mkdir()
    for name in COMMANDS:
        file = folder / "bin" / name
        words = [sys.executable, "-S", "-E", __file__, str(folder / "queue"), name]
        file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        file.chmod(0o755)
    return folder / "bin"


def stop(folder: Path, seconds: float = 10.0) -> None:
    """Let the schedulers kill their tasks and end; what is left then is killed here."""
    from support.sessions import kill_session, living  # not there for the commands

    (folder / "closed").touch()
    end = time.monotonic() + seconds
    while True:
        left = {session for _, session, text in living() if f"{folder / 'queue'}" in text}
        if not left or time.monotonic() > end:
            break
        time.sleep(0.05)
    for number in left - {os.getsid(0)}:
        kill_session(number)


def state_of(job: Path, task: str) -> str:
    return (job / f"{task}.state").read_text()


def set_state(job: Path, task: str, state: str) -> None:
    new = job / f".{task}.{os.getpid()}"
    new.write_text(state)
    new.rename(job / f"{task}.state")


def option(text: str, name: str, default: str = "") -> str:
    found = re.search(rf"^#SBATCH --{name}=(.*)$", text, re.MULTILINE)
    return shlex.split(found[1])[0] if found else default


def sbatch(queue: Path, arguments: list[str]) -> int:
    text = Path(arguments[-1]).read_text()
    number = 100 + len(list(queue.iterdir()))
    job = queue / str(number)
    job.mkdir()
    (job / "script").write_text(text)
    array = re.fullmatch(r"0-(\d+)%\d+", option(text, "array"))
    tasks = [str(n) for n in range(int(array[1]) + 1)] if array else ["alone"]
    for task in tasks:
        set_state(job, task, "PENDING")
    line = [sys.executable, "-S", "-E", __file__, str(queue), "schedule", str(number)]
    nothing = subprocess.DEVNULL  # the caller reads this process's output to its end
    subprocess.Popen(line, start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing)
    print(f"Submitted batch job {number}")
    return 0


def start(job: Path, task: str, restarts: int) -> subprocess.Popen:
    """Start the script of a task, as slurmd does: a session of its own, output appended."""
    facts = {"SLURM_JOB_ID": f"{job.name}{'' if task == 'alone' else f'{int(task):03}'}", "SLURM_JOB_NUM_NODES": "1",
             "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "node1", "SLURM_RESTART_COUNT": str(restarts)}  # fmt: skip
    if task != "alone":
        facts |= {"SLURM_ARRAY_JOB_ID": job.name, "SLURM_ARRAY_TASK_ID": task}
    environment = {**os.environ, **facts, "SLURM_STAND_IN_TASK": str(job / task)}
    set_state(job, task, "RUNNING")
    with (job / f"{task}.out").open("ab") as output:
        return subprocess.Popen(
            ["bash", str(job / "script")], env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def schedule(queue: Path, arguments: list[str]) -> int:
    """Start the waiting tasks, note how each ends, and start a requeued one again."""
    job = queue / arguments[0]
    tasks = sorted((p.stem for p in job.glob("*.state")), key=lambda t: (len(t), t))
    running: dict[str, subprocess.Popen] = {}
    restarts = dict.fromkeys(tasks, 0)
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and not (queue.parent / "closed").exists():
        waiting = [t for t in tasks if t not in running and state_of(job, t) == "PENDING"]
        for task in waiting[: 2 - len(running)]:
            running[task] = start(job, task, restarts[task])
        for task, process in list(running.items()):
            cancelled = job / f"{task}.cancelled"
            if cancelled.exists() and time.time() - cancelled.stat().st_mtime > KILL_WAIT:
                os.killpg(process.pid, signal.SIGKILL)
            if process.poll() is None:
                continue
            del running[task]
            state = "COMPLETED" if process.returncode == 0 else "FAILED"
            state = "CANCELLED" if cancelled.exists() else state
            if (job / f"{task}.requeue").exists():
                (job / f"{task}.requeue").unlink()
                restarts[task] += 1
                state = "PENDING"
            cancelled.unlink(missing_ok=True)
            set_state(job, task, state)
        if not running and not waiting:
            return 0
        time.sleep(0.05)
    for process in running.values():
        os.killpg(process.pid, signal.SIGKILL)
    return 1


def srun(queue: Path, arguments: list[str]) -> int:
    """Become the command, with its output where --output and --error say; scancel signals this process."""
    words, places = list(arguments), {}
    while words[0].startswith("--"):
        name = words.pop(0)
        if name in {"--output", "--error"}:
            places[name] = words.pop(0)
    job, _, task = os.environ["SLURM_STAND_IN_TASK"].rpartition("/")
    number = Path(job).name
    whole = number if task == "alone" else f"{number}_{task}"
    for name, descriptor in (("--output", 1), ("--error", 2)):
        place = places.get(name, places["--output"])
        for mark, value in (("%A", number), ("%a", task), ("%j", whole), ("%t", "0")):
            place = place.replace(mark, value)
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
    Path(job, f"{task}.pid").write_text(str(os.getpid()))
    os.environ |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    os.execvp(words[0], words)


def names(queue: Path) -> list[tuple[str, Path, str]]:
    """Return (JOB_TASK or JOB, folder, task) of all tasks."""
    found = []
    for file in sorted(queue.glob("*/*.state")):
        whole = file.parent.name if file.stem == "alone" else f"{file.parent.name}_{file.stem}"
        found.append((whole, file.parent, file.stem))
    return found


def squeue(queue: Path, arguments: list[str]) -> int:
    if not {"--noheader", "--array", "--format=%i"} <= set(arguments):
        sys.exit(f"squeue: unknown arguments {arguments}")
    for whole, job, task in names(queue):
        if state_of(job, task) in {"PENDING", "RUNNING"}:
            print(whole)
    return 0


def sacct(queue: Path, arguments: list[str]) -> int:
    print("JobID|State|NodeList")
    for whole, job, task in names(queue):
        print(f"{whole}|{state_of(job, task)}|node1")
    return 0


def signalled(job: Path, task: str, numbers: list[int]) -> None:
    file = job / f"{task}.pid"
    for number in numbers if file.exists() else []:
        try:
            os.kill(int(file.read_text()), number)
        except ProcessLookupError:
            return


def scancel(queue: Path, arguments: list[str]) -> int:
    """Cancel JOB or JOB_TASK, or send it `--signal NAME`."""
    words = list(arguments)
    number = 0
    if "--signal" in words:
        place = words.index("--signal")
        number = signal.Signals[f"SIG{words[place + 1].removeprefix('SIG')}"]
        del words[place : place + 2]
    for whole, job, task in names(queue):
        if words[0] not in {whole, job.name}:
            continue
        if number:
            signalled(job, task, [number])
        elif state_of(job, task) == "PENDING":
            set_state(job, task, "CANCELLED")
        elif state_of(job, task) == "RUNNING":
            (job / f"{task}.cancelled").touch()
            signalled(job, task, [signal.SIGCONT, signal.SIGTERM])
    return 0


def scontrol(queue: Path, arguments: list[str]) -> int:
    """`requeue JOB_TASK`: end the task and start it again."""
    for whole, job, task in names(queue):
        if arguments == ["requeue", whole]:
            (job / f"{task}.requeue").touch()
            (job / f"{task}.cancelled").touch()
            signalled(job, task, [signal.SIGCONT, signal.SIGTERM])
    return 0


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[2]](Path(sys.argv[1]), sys.argv[3:]))
