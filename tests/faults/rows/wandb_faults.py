"""Weights & Biases that hangs, fails or is killed: the run's own files are whole and the same, in bounded time."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.child import compose_once, start
from faults.row import Attempts, Scale, row
from faults.training_runs import RUN, RUN_DIR, contents, left_alone
from seq2seq_lab.training.logger.wandb_run import WandbRun
from support.resume_equality import the_same
from support.small_runs import train

LINE = tuple(o for o in RUN if not o.startswith("training/logger"))
LOGGER = (
    "training/logger=wandb",
    "training.logger.wandb.init_timeout=3",
    "training.logger.wandb.finish_timeout=5",
)
ONLINE = (*LOGGER, "training.logger.wandb.mode=online")


def _process_is(code: str) -> Callable[[], object]:
    """Put another program in the place of W&B's process."""

    def install() -> None:
        line = [sys.executable, "-c", code]
        begin = lambda: subprocess.Popen(line, stdin=subprocess.PIPE, start_new_session=True)  # noqa: E731
        WandbRun._start_process = staticmethod(begin)  # type: ignore[method-assign]

    return install


def _killed_early() -> None:
    """Kill W&B's process as soon as it has started."""
    plain: Any = WandbRun._start_process

    def begin() -> Any:
        process = plain()
        os.killpg(process.pid, signal.SIGKILL)
        return process

    WandbRun._start_process = staticmethod(begin)  # type: ignore[method-assign]


def _cannot_start() -> None:
    def begin() -> Any:
        raise OSError(11, "Resource temporarily unavailable")

    WandbRun._start_process = staticmethod(begin)  # type: ignore[method-assign]


def _file_in_the_way() -> None:
    Path("run").mkdir()
    Path("run/wandb").write_text("a file in the way")


FAULTS: dict[str, tuple[tuple[str, ...], Callable[[], object]]] = {
    "it never answers": (LOGGER, _process_is("import time; time.sleep(600)")),
    "it ignores SIGTERM": (LOGGER, _process_is(
        "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")),
    "it ends at once": (LOGGER, _process_is("")),
    "it fails": (LOGGER, _process_is("import sys; sys.exit('no')")),
    "it closes its input": (LOGGER, _process_is("import os, time; os.close(0); time.sleep(600)")),
    "it is killed": (LOGGER, _killed_early),
    "it cannot be started": (LOGGER, _cannot_start),
    "a file is in the way": (LOGGER, _file_in_the_way),
    "offline": (LOGGER, lambda: None),
    "online without a key": (ONLINE, lambda: None),
    "a server that is silent": (ONLINE, lambda: None),
    "no server": (ONLINE, lambda: None),
}  # fmt: skip


def _environment(name: str, home: Path, port: int) -> None:
    for key in [key for key in os.environ if key.startswith("WANDB")]:
        del os.environ[key]
    os.environ["HOME"] = str(home)
    os.environ["WANDB_BASE_URL"] = f"http://127.0.0.1:{port if 'silent' in name else 9}"
    if "key" not in name:
        os.environ["WANDB_API_KEY"] = "0" * 40


def wandb_fails(name: str, folder: Path, attempts: Attempts) -> None:
    """Train with this fault and compare with a run without W&B."""
    alone = left_alone(folder / "alone", *LINE, "training/logger=csv")
    overrides, install = FAULTS[name]
    with contextlib.closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        compose_once(*LINE, *overrides, RUN_DIR)

        def act() -> int:
            _environment(name, folder / "home", server.getsockname()[1])
            install()
            return train(*LINE, *overrides, RUN_DIR)

        with attempts.one():
            begin = time.monotonic()
            outcome = start(act, folder / "run").wait(150)
            assert outcome.code == 0, f"exit {outcome.code}: {outcome.err[-300:]}"
            assert "Traceback" not in outcome.err + outcome.out, outcome.err[-300:]
            seconds = time.monotonic() - begin
            assert seconds < 120, f"took {seconds:.0f} s"
            the_same(contents(folder / "run" / "run"), alone)


@row("wandb")
def wandb(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """One case for each fault."""
    if scale.size != "slice":
        for name in scale.thin(list(FAULTS), len(FAULTS), 0):
            yield name, lambda f, a, n=name: wandb_fails(n, f, a)
