"""Sends offline W&B runs by `wandb sync`, and writes where they can be seen into their manifests."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from seq2seq_lab.errors import ResourceError, UserError, one_line
from seq2seq_lab.files import is_held
from seq2seq_lab.report.wandb_place import id_of, is_sent, run_dir_of
from seq2seq_lab.training.logger.wandb_request import ask
from seq2seq_lab.training.logger.wandb_session import store_run
from seq2seq_lab.training.run_folder import add_to_manifest

_AT = re.compile(r"View run .* at (?P<url>https?://\S+/runs/(?P<id>\S+))")
_ERROR = re.compile(r"\b(error|failed)\b", re.IGNORECASE)


def send(runs: Sequence[Path], options: Sequence[str], seconds: float) -> dict[Path, str]:
    """Send the offline runs that were not sent before, and return the addresses of those that were sent now.

    Raises `ResourceError` without an account or an answer, and `UserError` if one of them did not arrive.
    """
    new = [run for run in runs if not is_sent(run)]
    if not new:
        return {}
    ask({"do": "account"})
    urls: dict[Path, str] = {}
    by_id = {id_of(run): run for run in new}
    last = ""
    for line in _printed(["--yes", *options, *map(str, new)], seconds):
        last = line if _ERROR.search(line) else last
        found = _AT.search(line)
        if found and found["id"] in by_id:
            run = by_id[found["id"]]
            urls[run] = found["url"]
            _store(run, found["url"])
            say(f"{run_dir_of(run).name}: {found['url']}")
    lost = [run for run in new if not is_sent(run)]
    if lost:
        reason = f" ({last.removeprefix('wandb: ')})" if last else ""
        raise UserError(
            f"{len(lost)} of {len(new)} W&B runs did not arrive, the first of them {lost[0]}{reason}; "
            "the same command sends what is missing"
        )
    return urls


def _store(run: Path, url: str) -> None:
    """Write down where a run can be seen: with its W&B files, and in its manifest if it has one."""
    store_run(run.parent, id=id_of(run), url=url)
    add_to_manifest(run_dir_of(run), {"wandb": {"id": id_of(run), "url": url}})


def _printed(arguments: list[str], seconds: float) -> Iterator[str]:
    """Run `wandb sync` and yield its lines. Raises `ResourceError` when it takes longer than so many seconds."""
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-wandb-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "wandb", "sync", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={"WANDB_DIR": folder, **os.environ},  # for its own log
            start_new_session=True,
        )
        late = threading.Event()

        def end() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            for line in process.stdout or ():
                yield one_line(line.strip())
            process.wait()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
    if late.is_set():
        raise ResourceError(
            f"wandb sync: not finished within {seconds:g} s; the same command sends what is missing"
        )


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def at_rest(runs: Sequence[Path]) -> list[Path]:
    """Return the runs that no process works on; `wandb sync` would take a half-written one for all there is."""
    busy = [run for run in runs if is_held(run_dir_of(run) / ".lock")]
    for run in busy:
        say(f"{run_dir_of(run).name}: still runs, so it is left out")
    return [run for run in runs if run not in busy]


def say(text: str) -> None:
    """Print one line beside the results."""
    print(one_line(text), file=sys.stderr)  # noqa: T201
