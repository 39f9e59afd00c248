"""Run folders as training leaves them, made without training: for lists and comparisons of runs."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.scores import hypothesis_rows, score
from support.study_folder import corrupted, make_pairs

CONFIG: dict[str, Any] = {
    "seed": 1,
    "name": "lstm_attn_numbers",
    "run_dir": "outputs/a",
    "model": {
        "dim": 64,
        "encoder": {"dim": 64, "layers": 1},
        "decoder": {"dim": 64, "attention": {"_target_": "lab.Dot", "scale": 1.0}},
    },
    "training": {"optimizer": {"lr": 0.003}, "logger": None},
}
CHOICES = {"model": "lstm_attn", "data": "numbers", "model/attention": "dot"}


@dataclass(frozen=True)
class Made:
    """What a run is made of. `errors` is the share of wrong characters of its translations."""

    errors: float = 0.2
    seed: int = 1
    overrides: tuple[str, ...] = ()
    choices: dict[str, str] = field(default_factory=lambda: dict(CHOICES))
    config: dict[str, Any] = field(default_factory=lambda: CONFIG)
    manifest: dict[str, Any] = field(default_factory=dict)
    sentences: int = 30
    is_finished: bool = True
    pairs_seed: int = 7


def write_run(folder: Path, made: Made | None = None) -> Path:
    """Write the files of a run and return its folder."""
    made = made or Made()
    (folder / "hypotheses").mkdir(parents=True)
    pairs = make_pairs(made.sentences, made.pairs_seed)
    manifest = {
        "name": "lstm_attn_numbers",
        "started": f"2026-11-2{made.seed}T12:00:00+00:00",
        "command": list(made.overrides),
        "seed": made.seed,
        "code": {"commit": "a" * 40, "diff_sha256": None},
        "python": "3.11.7",
        "versions": {"torch": "2.13.0"},
        "data": {"test": f"{made.pairs_seed:064x}"},
        "tokenizers": {"source": "b" * 64},
        "choices": made.choices,
        "overrides": list(made.overrides),
        "sweep": None,
        **made.manifest,
    }
    write(folder / "manifest.json", manifest)
    (folder / "config.yaml").write_text(yaml.safe_dump(made.config), encoding="utf-8")
    report = {"splits": {"test": {"pairs": made.sentences, "dropped": {}}}}
    write(folder / "data_report.json", report)
    if made.is_finished:
        _finish(folder, made, pairs)
    return folder


def _finish(folder: Path, made: Made, pairs: list[Pair]) -> None:
    generator = np.random.default_rng(made.seed)
    texts = [corrupted(pair.target, made.errors, generator) for pair in pairs]
    scores = score(pairs, texts, "zh", with_intervals=True)
    rows = hypothesis_rows(pairs, texts, [0.0] * len(pairs))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "hypotheses" / "test.jsonl").write_text(lines, encoding="utf-8")
    write(folder / "hypotheses" / "signatures.json", scores.signatures)
    write(folder / "hypotheses" / "intervals.json", {"test": scores.intervals})
    numbers = {f"test/{name}": value for name, value in scores.numbers.items()}
    numbers |= {"test/loss": made.errors, "model/parameters": 5000.0}
    write(folder / "result.json", numbers)


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
