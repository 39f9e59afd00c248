"""Where the memory of a training process is: stage by stage, in a process of its own, up to the end of its run."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.commands import work_overrides, write_work
from benchmark.processes import LIMIT
from benchmark.work import make_pairs
from seq2seq_lab.data.parallel import read_parallel
from seq2seq_lab.errors import ResourceError
from seq2seq_lab.files import write_text

PAIRS = 29_000
CHILD = Path(__file__).with_name("memory_stages.py")
SECONDS_PER_STEP = 3.0
"""Added to the time limit of the child: five times what a step takes on two cores."""
COLUMNS = ("resident", "files", "in_use", "kept", "peak", "modules")


def write_texts(folder: Path, paths: list[str] | None) -> None:
    """Put two text files of the user's into the folder, or made-up text: `text.*`, and its first lines as `few.*`.

    Raises `DataError` where a file is missing, is no text, or has other lines than its partner.
    """
    if paths is None:
        write_work(folder, make_pairs(PAIRS))
        return
    pairs, _ = read_parallel(*paths)
    for side, lines in (
        ("source", [p.source for p in pairs]),
        ("target", [p.target for p in pairs]),
    ):
        write_text(folder / f"text.{side}", "".join(f"{line}\n" for line in lines))
        write_text(folder / f"few.{side}", "".join(f"{line}\n" for line in lines[:100]))


def stages(
    folder: Path, overrides: list[str], threads: int, limit: float = LIMIT
) -> list[dict[str, Any]]:
    """Run the child in the folder, where the text is, for `limit` seconds at most; return its lines."""
    lines = folder / "stages.jsonl"
    words = [sys.executable, str(CHILD), str(lines), *work_overrides(folder), "run_dir=run"]
    words += [f"torch_threads={threads}", *overrides]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired as error:
            raise ResourceError(
                f"train.py has not ended after {limit:.0f} s; give fewer --steps"
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        log_lines = (
            (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        )
        raise ResourceError(f"train.py ended with {code}: {(log_lines or ['nothing'])[-1]}")
    return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]


def memory(arguments: Any, report: Callable[..., Any]) -> dict[str, Any]:  # noqa: ARG001
    """Print MB at each stage of `train.py` on the peers' work, without input feeding and with it."""
    import torch

    found, says = {}, []
    for fed in ("false", "true"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_texts(folder, arguments.text)
            overrides = [
                f"model.decoder.input_feeding={fed}",
                "data.tokenizer.min_frequency=2",
                f"training.trainer.max_steps={arguments.steps}",
            ]
            limit = LIMIT + SECONDS_PER_STEP * arguments.steps
            rows = stages(folder, overrides, torch.get_num_threads(), limit)
        found[f"input_feeding={fed}"] = rows
        says += [
            "",
            f"input_feeding={fed}: MB; files = shared pages of programs; in_use, kept = malloc's",
        ]
        says += ["  ".join(f"{one:>9}" for one in COLUMNS) + "  stage"]
        says += [
            "  ".join(f"{row.get(one, float('nan')):9,.0f}" for one in COLUMNS)
            + f"  {row['stage']}"
            for row in rows
        ]
    return {"memory": found, "says": says}
