"""Asks the W&B server in a process of its own, in bounded time: who the account is, and to save a study's Report.

As a script it is that process: one JSON request on stdin, one JSON answer on stdout.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from seq2seq_lab.errors import ResourceError, one_line

SECONDS = 60


def ask(request: dict[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
    """Return the server's answer. Raises `ResourceError` with one line: no key, no network, no answer in time."""
    script = Path(__file__).resolve()
    process = subprocess.Popen(
        [sys.executable, "-P", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(json.dumps(request), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ResourceError(f"W&B: no answer within {seconds:g} s; try again later") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if not printed:
        raise ResourceError(f"W&B: its process ended with code {process.returncode}")
    answer: dict[str, Any] = json.loads(printed)
    if "error" in answer:
        raise ResourceError(f"W&B: {answer['error']}")
    return answer


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request."""
    import wandb

    account = str(wandb.Api(timeout=20).default_entity)
    if request["do"] == "account":
        return {"entity": account}
    from seq2seq_lab.training.logger.wandb_study import save

    entity, project = request["entity"] or account, request["project"]
    kept = request["kept"]
    if (kept.get("entity"), kept.get("project")) != (entity, project):
        kept = {}
    saved = save(request["content"], entity, project, kept)
    return {"entity": entity, "project": project, **saved}


def _reason(error: Exception) -> str:
    """Return one line; W&B calls its own process busy when the server gives no answer."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "did not respond in time" in text:
        return f"no answer from {os.environ.get('WANDB_BASE_URL', 'the server')}; try again later"
    return one_line(text)


def main() -> None:
    """Answer one request and leave at once: W&B's exit hooks wait long for a server that does not answer."""
    screen = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # W&B prints on it
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-wandb-") as folder:
        for name in ("WANDB_MODE", "WANDB_DISABLED"):
            os.environ.pop(name, None)  # they are about runs
        for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
            os.environ.setdefault(name, folder)
        try:
            answer = serve(json.loads(sys.stdin.read()))
        except Exception as error:
            answer = {"error": _reason(error)}
        screen.write(json.dumps(answer))
        screen.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
