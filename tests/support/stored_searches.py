"""Searches of the made-up runs of `study_folder`, as they lie on disk: outputs changed in a known way."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.files import json_lines, json_text, write_folder
from seq2seq_lab.metrics.length_ratio import length_ratio
from seq2seq_lab.metrics.scores import hypothesis_rows, score
from support.small_runs import rows

GREEDY = {"_target_": "seq2seq_lab.decoding.greedy.Greedy", "max_ratio": 3.0}
"""What the made-up runs have in their config."""


def beam(size: int, **settings: Any) -> dict[str, Any]:
    """Return a decoding node."""
    node = {"_target_": "seq2seq_lab.decoding.beam.Beam", "beam_size": size, "n_best": 1}
    penalty = {"_target_": "seq2seq_lab.decoding.length_penalty.PowerPenalty", "alpha": 0.0}
    return {**node, "length_penalty": penalty, **settings}


def write_search(
    run: Path, name: str, number: int, decoding: dict[str, Any], change: Callable[[str], str]
) -> Path:
    """Write a search whose outputs are those of the run, changed; return its folder."""
    stored = rows(run / "hypotheses" / "test.jsonl")
    pairs = [Pair(row["source"], row["reference"]) for row in stored]
    texts = [change(row["hypothesis"]) for row in stored]
    scores = score(pairs, texts, "zh")
    numbers = {f"test/{key}": value for key, value in scores.numbers.items()}
    numbers["test/length_ratio"] = length_ratio(texts, [pair.target for pair in pairs], "zh")
    numbers |= {"test/mean_score": -1.0, "test/decoding_seconds": 1.0 + number}
    files = {
        "test.jsonl": json_lines(hypothesis_rows(pairs, texts, [-1.0] * len(texts))),
        "test_counts.jsonl": json_lines(scores.counts),
        "signatures.json": json_text(scores.signatures),
        "result.json": json_text(numbers),
    }
    sums = {n: hashlib.sha256(text.encode()).hexdigest() for n, text in files.items()}
    about = {"number": number, "overrides": [], "decoding": decoding, "model": "a", "sha256": sums}
    folder = run / "searches" / name
    folder.parent.mkdir(exist_ok=True)
    write_folder(folder, {**files, "search.json": json_text(about)})
    return folder
