"""A stored run for scripts/rederive.py: its texts, and each metric's sums and score made from them again.

BLEU, chrF and exact match are counted from the texts. Any other metric that stored two counts for each sentence
(hypotheses/<split>_counts.jsonl) is 100 times the ratio of their sums. A metric with a signature and no formula here
is not derived, and `Run.is_unknown` says so.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np


def printable(text: str) -> str:
    """Return the text on one line, with all that could steer a terminal made visible."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def exact_matches(hypotheses: list[str], references: list[str]) -> np.ndarray:
    return np.array([[float(h == r), 1.0] for h, r in zip(hypotheses, references, strict=True)])


def ratio(sums: np.ndarray) -> float:
    return 100.0 * float(sums[0]) / float(sums[1]) if sums[1] else float("nan")


def scorer(name: str, signatures: dict) -> tuple[Callable, Callable] | None:
    """Return (texts to rows of sums, one sum to a score); None for a metric that has no formula here.

    Sums are scored in their own type: sacreBLEU's resampling works with float32.
    """
    from sacrebleu.metrics import BLEU, CHRF

    if name == "exact_match":
        return exact_matches, ratio
    if name == "chrf":
        metric = CHRF()
    elif name in ("bleu", "bleu_tok_lc") and name in signatures:
        tokenize = signatures[name].split("tok:")[1].split("|")[0]
        metric = BLEU(tokenize=tokenize, lowercase="case:lc" in signatures[name], force=True)
    else:
        return None
    return (
        lambda hyps, refs: np.array(metric._extract_corpus_statistics(hyps, [refs]), dtype=float),
        lambda sums: metric._compute_score_from_stats(sums).score,
    )


def quarters(sources: list[str]) -> list[list[int]]:
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    bins = min(4, len(order))
    return [order[len(order) * k // bins : len(order) * (k + 1) // bins] for k in range(bins)]


def read_lines(path: Path) -> list[dict]:
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    return [parse(line, path) for line in lines if line]


def parse(text: str, path: Path) -> dict:
    """Return a JSON object of a stored file."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise TypeError(f"{path}: not a JSON object")
    return found


class Run:
    """A finished run, as stored."""

    def __init__(self, folder: Path, row: dict):
        self.name, self.arm, self.seed = row["run"], row["arm"], int(row["seed"])
        path = folder / "result.json"
        self.result = parse(path.read_text(encoding="utf-8"), path)
        path = folder / "hypotheses" / "signatures.json"
        self.signatures = parse(path.read_text(encoding="utf-8"), path) if path.exists() else {}
        stored = folder / "hypotheses"
        self.texts = {split: read_lines(stored / f"{split}.jsonl") for split in ("val", "test")}
        self.counts = {split: read_lines(stored / f"{split}_counts.jsonl") for split in self.texts}
        self.derived: dict = {}

    def is_unknown(self, name: str) -> bool:
        """Tell whether texts determine a metric by a formula that is not here."""
        return name in self.signatures and scorer(name, self.signatures) is None

    def derive(self, split: str, name: str) -> tuple[np.ndarray, Callable] | None:
        """Return the sums of a metric (sentences, width) and its score; None if no text determines it."""
        if (split, name) not in self.derived:
            self.derived[split, name] = self._derive(split, name)
        return self.derived[split, name]

    def _derive(self, split: str, name: str) -> tuple[np.ndarray, Callable] | None:
        rows, functions = self.texts.get(split), scorer(name, self.signatures)
        if rows and functions:
            texts = [r["hypothesis"] for r in rows], [r["reference"] for r in rows]
            return functions[0](*texts), functions[1]
        counts = self.counts.get(split)
        if rows and counts and name in counts[0]:
            found = np.array([row[name] for row in counts], dtype=float)
            return (found, ratio) if len(found) == len(rows) else None
        return None

    def value(self, key: str):
        """Return the number of a key, from texts or counts where they determine it."""
        split, _, name = key.partition("/")
        base, _, quarter = name.partition("_length_q")
        if (found := self.derive(split, base)) is None:
            return self.result.get(key)
        sums, score = found
        if quarter:
            sums = sums[quarters([r["source"] for r in self.texts[split]])[int(quarter) - 1]]
        return score(sums.sum(0))
