"""Where the memory of a training process is: stage by stage, in a process of its own, up to the end of its run."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.commands import work_overrides, write_work
from benchmark.work import make_pairs
from seq2seq_lab.errors import ResourceError
from seq2seq_lab.files import write_text

PAIRS = 29_000
CHILD = Path(__file__).with_name("memory_stages.py")
COLUMNS = ("resident", "files", "in_use", "kept", "peak")


def write_texts(folder: Path, paths: list[str] | None) -> None:
    """Put two text files of the user's into the folder, or made-up text: `text.*`, and its first lines as `few.*`."""
    if paths is None:
        write_work(folder, make_pairs(PAIRS))
        return
    for side, path in zip(("source", "target"), paths, strict=True):
        text = Path(path).read_text(encoding="utf-8")
        write_text(folder / f"text.{side}", text)
        write_text(folder / f"few.{side}", "".join(text.splitlines(keepends=True)[:100]))


def stages(folder: Path, overrides: list[str], threads: int) -> list[dict[str, Any]]:
    """Run the child in the folder, where the text is; return its lines."""
    lines = folder / "stages.jsonl"
    words = [sys.executable, str(CHILD), str(lines), *work_overrides(folder), "run_dir=run"]
    words += [f"torch_threads={threads}", *overrides]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise ResourceError(f"train.py ended with {done.returncode}: {said[-1]}")
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
            rows = stages(folder, overrides, torch.get_num_threads())
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
