"""A stored run for scripts/rederive.py: its texts, and each metric's sums and score made from them again.

BLEU, chrF, chrF++, TER, error rates, edit distance, token accuracy, exact match and the F1 of words by their frequency
in training are counted from the texts, against all references of a sentence. A score that a file gave to the report is
the mean over sentences of report/scores.jsonl. Any other metric that stored two counts for each sentence
(hypotheses/<split>_counts.jsonl) is 100 times the ratio of their sums. A metric with a signature and no formula here
is not derived, and `Run.is_unknown` says so.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import zip_longest
from pathlib import Path

import numpy as np

FREQUENT = "word_f1_seen_"


def printable(text: str) -> str:
    """Return the text on one line, with all that could steer a terminal made visible."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def ratio(sums: np.ndarray) -> float:
    return 100.0 * mean(sums)


def mean(sums: np.ndarray) -> float:
    if sums[1]:
        return float(sums[0]) / float(sums[1])
    return math.copysign(math.inf, sums[0]) if sums[0] else math.nan


def distance(one, other) -> int:
    """Return the edit distance, row by row: an insertion costs its place in the row, so a running minimum takes it."""
    numbers = {symbol: i for i, symbol in enumerate(other)}
    codes = np.array([numbers[symbol] for symbol in other], dtype=int)
    places = np.arange(len(other) + 1)
    costs = places
    for symbol in one:
        kept = np.minimum(costs[1:] + 1, costs[:-1] + (codes != numbers.get(symbol, -1)))
        costs = np.minimum.accumulate(np.append(costs[0] + 1, kept) - places) + places
    return int(costs[-1])


@lru_cache(maxsize=10_000)
def characters(hypothesis: str, reference: str) -> int:
    return distance(hypothesis, reference)


COUNTED: dict[str, tuple[Callable, Callable, bool]] = {
    "exact_match": (lambda h, r: (h == r, 1), ratio, False),
    "cer": (lambda h, r: (characters(h, r), len(r)), ratio, True),
    "edit_distance": (lambda h, r: (characters(h, r), 1), mean, True),
    "wer": (lambda h, r: (distance(h.split(), r.split()), len(r.split())), ratio, True),
    "token_accuracy": (
        lambda h, r: (
            sum(a == b for a, b in zip(h.split(), r.split(), strict=False)),
            len(r.split()),
        ),
        ratio,
        False,
    ),
}
"""The two numbers of a pair of texts, the score of their sums, and whether less is better."""


def counted(name: str, hypotheses: list[str], references: list[list[str]]) -> np.ndarray:
    """Return the numbers of each sentence against the reference under which it scores best."""
    count, score, is_error = COUNTED[name]

    def cost(numbers: tuple) -> float:
        found = score(np.array(numbers, dtype=float))
        found = 0.0 if math.isnan(found) else found
        return found if is_error else -found

    rows = [
        min((count(h, r) for r in several), key=cost)
        for h, several in zip(hypotheses, references, strict=True)
    ]
    return np.array(rows, dtype=float)


def f1_of_bin(name: str, hypotheses: list[str], references: list[list[str]], known: dict):
    """Return twice the right words, and the words of both sides, that training has seen so often."""
    first, _, last = name.removeprefix(FREQUENT).partition("_")
    low = int(first)
    high = math.inf if last == "or_more" else int(last or first)
    rows = []
    for hypothesis, several in zip(hypotheses, references, strict=True):
        ours, theirs = (
            Counter(w for w in words(text, known) if low <= known["counts"].get(w, 0) <= high)
            for text in (hypothesis, several[0])
        )
        rows.append([2 * (ours & theirs).total(), ours.total() + theirs.total()])
    return np.array(rows, dtype=float)


def words(text: str, known: dict) -> list[str]:
    return [c for c in text if not c.isspace()] if known["by_character"] else text.split()


def scorer(name: str, signatures: dict) -> tuple[Callable, Callable] | None:
    """Return (texts to rows of sums, one sum to a score); None for a metric that has no formula here.

    Sums are scored in their own type: sacreBLEU's resampling works with float32.
    """
    from sacrebleu.metrics import BLEU, CHRF, TER

    if name in COUNTED:
        return partial(counted, name), COUNTED[name][1]
    if name in ("chrf", "chrfpp"):
        metric = CHRF(word_order=2 if name == "chrfpp" else 0)
    elif name == "ter" and name in signatures:
        asian = "asian:yes" in signatures[name]
        metric = TER(normalized="norm:yes" in signatures[name], asian_support=asian)
    elif name in ("bleu", "bleu_tok_lc") and name in signatures:
        tokenize = signatures[name].split("tok:")[1].split("|")[0]
        metric = BLEU(tokenize=tokenize, lowercase="case:lc" in signatures[name], force=True)
    else:
        return None
    return (
        lambda hyps, refs: np.array(
            metric._extract_corpus_statistics(hyps, list(zip_longest(*refs))), dtype=float
        ),
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


def outside_scores(path: Path, run: str) -> dict[str, np.ndarray]:
    """Return the scores of a run's sentences, each with a 1, by the name of the metric."""
    found: dict[str, dict[int, float]] = {}
    for row in read_lines(path):
        if row["run"] == run:
            found.setdefault(row["metric"], {})[row["id"]] = row["score"]
    return {
        name: np.array([[rows[i], 1.0] for i in range(len(rows))]) for name, rows in found.items()
    }


class Run:
    """A finished run, as stored below the folder `runs`, or a further search of its model (RUN/SEARCH)."""

    def __init__(self, runs: Path, row: dict):
        self.name, self.arm, self.seed = row["run"], row["arm"], int(row["seed"])
        self.search = row.get("search", "")
        self.model, _, further = self.name.partition("/")
        folder = runs / self.model / "searches" / further if further else runs / self.model
        path = folder / "result.json"
        self.result = parse(path.read_text(encoding="utf-8"), path)
        stored = folder if further else folder / "hypotheses"
        path = stored / "signatures.json"
        self.signatures = parse(path.read_text(encoding="utf-8"), path) if path.exists() else {}
        self.texts = {split: read_lines(stored / f"{split}.jsonl") for split in ("val", "test")}
        self.counts = {split: read_lines(stored / f"{split}_counts.jsonl") for split in self.texts}
        path = stored / "word_counts.json"
        self.words = parse(path.read_text(encoding="utf-8"), path) if path.exists() else {}
        self.outside = outside_scores(runs.parent / "report" / "scores.jsonl", self.name)
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
            return functions[0](*self.both(split)), functions[1]
        if rows and name.startswith(FREQUENT) and split == "test" and self.words:
            return f1_of_bin(name, *self.both(split), self.words), ratio
        if rows and name in self.outside:
            return self.outside[name], mean
        counts = self.counts.get(split)
        if rows and counts and name in counts[0]:
            found = np.array([row[name] for row in counts], dtype=float)
            return (found, ratio) if len(found) == len(rows) else None
        return None

    def both(self, split: str) -> tuple[list[str], list[list[str]]]:
        """Return the hypotheses, and the references of each."""
        rows = self.texts[split]
        return [r["hypothesis"] for r in rows], [
            r.get("references", [r["reference"]]) for r in rows
        ]

    def value(self, key: str):
        """Return the number of a key, from texts or counts where they determine it."""
        split, _, name = key.partition("/")
        base, _, quarter = name.partition("_length_q")
        by_target, base = base.endswith("_target"), base.removesuffix("_target")
        if (found := self.derive(split, base)) is None:
            is_ratio = name == "length_ratio" and bool(self.texts.get(split))
            return self.length_ratio(split) if is_ratio else self.result.get(key)
        sums, score = found
        if quarter:
            side = "reference" if by_target else "source"
            sums = sums[quarters([r[side] for r in self.texts[split]])[int(quarter) - 1]]
        return score(sums.sum(0))

    def length_ratio(self, split: str) -> float:
        """Return the words of the outputs to those of the (first) references, characters where BLEU counts those."""
        tokenizer = self.signatures.get("bleu", "").partition("tok:")[2].partition("|")[0]
        known = {"by_character": tokenizer in ("zh", "char")}
        ours, theirs = (
            sum(len(words(row[side], known)) for row in self.texts[split])
            for side in ("hypothesis", "reference")
        )
        return ours / theirs


def same_models(one: list[Run], other: list[Run]) -> bool:
    """Tell whether the runs of two arms are searches of the same models, seed by seed."""
    return [run.model for run in one] == [run.model for run in other]
