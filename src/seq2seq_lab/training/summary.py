"""What a finished run prints: its metrics, three test translations, the files of its folder, the next command."""

import json
import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seq2seq_lab.errors import one_line
from seq2seq_lab.inference.checkpoint_file import MEAN
from seq2seq_lab.metrics.table import METRICS


def print_summary(run_dir: Path, numbers: dict[str, float]) -> None:
    """Print the tables to standard output."""
    console = Console(highlight=False, soft_wrap=not Console().is_terminal)
    console.print(_metrics(numbers, is_mean=(run_dir / MEAN).is_file()))
    samples = _samples(run_dir / "hypotheses" / "test.jsonl")
    if samples is not None:
        console.print(samples)
    console.print(_places(run_dir))


def _metrics(numbers: dict[str, float], *, is_mean: bool) -> Table:
    title = "The mean of the last checkpoints" if is_mean else "The best checkpoint"
    table = Table("metric", "val", "test", title=title)
    labels = {row.name: row.label for row in METRICS.values()}
    for name, label in (labels | {"perplexity": "perplexity (teacher-forced)"}).items():
        cells = [numbers.get(f"{split}/{name}") for split in ("val", "test")]
        table.add_row(label, *("-" if v is None else f"{v:.2f}" for v in cells))
    quarters = [f"exact_match_length_q{i}" for i in range(1, 5)]
    by_quarter = [
        " ".join(f"{numbers[f'{split}/{q}']:.1f}" for q in quarters if f"{split}/{q}" in numbers)
        for split in ("val", "test")
    ]
    table.add_row("exact match % by source-length quarter", *by_quarter)
    return table


def _samples(path: Path) -> Table | None:
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for _, line in zip(range(3), lines, strict=False)]
    table = Table(title="Test translations", show_lines=True)
    for name in ("source", "reference", "hypothesis"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_clean(row[name])) for name in ("source", "reference", "hypothesis")))
    return table


def _clean(text: str) -> str:
    """Keep control characters of the corpus away from the terminal."""
    shown = "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", " ")
    )
    return shown if len(shown) <= 200 else shown[:199] + "…"


def _places(run_dir: Path) -> Text:
    lines = {
        "results": "result.json",
        "metrics over time": "metrics.csv",
        "every hypothesis": "hypotheses/test.jsonl",
        "attention pictures": "attention/",
        "checkpoint": "checkpoints/best.ckpt",
        "mean of the last": MEAN,
        "W&B files": "wandb/",
        "TensorBoard files": "tensorboard/",
    }
    text = Text(f"Run folder: {one_line(run_dir)}\n")
    for label, name in lines.items():
        place = run_dir / name
        filled = any(place.iterdir()) if place.is_dir() else place.exists()
        if filled:
            text.append(f"  {label + ':':20s}{name}\n")
    text.append(f'Translate:  seq2seq-lab translate {shlex.quote(one_line(run_dir))} --text "..."')
    return text
