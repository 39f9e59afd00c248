"""Builds the folder of a study as real runs leave it, with made-up translations whose quality is known."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.scores import hypothesis_rows, score
from seq2seq_lab.metrics.word_rarity import Frequencies

DIGITS = "零一二三四五六七八九十百千万"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "hundred", "thousand",
         "myriad"]  # fmt: skip
TRAINING_COUNTS = {char: 3**i for i, char in enumerate(DIGITS[1:-1])}
"""1, 3, 9 ... times; the first and the last digit are unknown."""
RATIOS = ("1", "0.75", "0.5", "0.25", "0")


@dataclass(frozen=True)
class Plan:
    """How a study looks. `errors` is the share of wrong characters of each arm, `seed_spread` how it varies by seed."""

    errors: dict[str, float] = field(
        default_factory=lambda: {"none": 0.30, "uniform": 0.28, "dot": 0.08, "additive": 0.06}
    )
    seeds: tuple[int, ...] = (1, 2, 3)
    sentences: int = 40
    key: str = "model/attention"
    metric: str = "test/exact_match"
    seed_spread: float = 0.02
    failed: tuple[tuple[str, int], ...] = ()
    missing: tuple[tuple[str, int], ...] = ()
    several_references: bool = False
    prediction: dict | None = None


def make_pairs(sentences: int, seed: int = 7) -> list[Pair]:
    generator = np.random.default_rng(seed)
    rows = [
        generator.integers(len(DIGITS), size=generator.integers(1, 13)) for _ in range(sentences)
    ]
    return [Pair(" ".join(WORDS[i] for i in row), "".join(DIGITS[i] for i in row)) for row in rows]


def corrupted(text: str, share: float, generator: np.random.Generator) -> str:
    """Return the text with wrong characters, more of them the further it goes."""
    wrong = generator.random(len(text)) < share * (1 + np.arange(len(text)) / 8)
    return "".join(
        str(generator.choice(list(DIGITS))) if w else c for c, w in zip(text, wrong, strict=True)
    )


def write_study(place: Path, plan: Plan | None = None) -> Path:
    """Write the study and return its folder."""
    plan = plan or Plan()
    place.mkdir(parents=True, exist_ok=True)
    runs, events = [], []
    for arm, share in plan.errors.items():
        for seed in plan.seeds:
            label = f"{plan.key.split('/')[-1].split('.')[-1]}={arm}"
            digest = hashlib.sha256(f"{arm}{seed}".encode()).hexdigest()
            name = f"{label}-s{seed}-{digest[:8]}"
            overrides = [f"{plan.key}={arm}", f"seed={seed}"]
            runs.append({"run": name, "arm": label, "factors": {plan.key: arm}, "seed": seed,
                          "overrides": overrides, "content_hash": digest})  # fmt: skip
            if (arm, seed) in plan.missing:
                continue
            common = {
                "run": name,
                "attempt": 1,
                "content_hash": digest,
                "time": "2026-11-21T12:00:00+00:00",
            }
            events.append({**common, "event": "started"})
            if (arm, seed) in plan.failed:
                reason = "NotFiniteError: loss is nan at step 7 <b>lower</b> training.optimizer.lr"
                events.append({**common, "event": "failed", "reason": reason, "seconds": 3.0})
                continue
            write_run(place / "runs" / name, plan, arm, seed, share, digest)
            events.append({**common, "event": "done", "seconds": 100.0 + seed})
    study = {"name": place.name, "factors": {plan.key: list(plan.errors)}, "seed_key": "seed",
             "seeds": list(plan.seeds), "fixed": [], "metric": plan.metric, "runs": runs,
             "prediction": plan.prediction}  # fmt: skip
    (place / "study.json").write_text(json.dumps(study), encoding="utf-8")
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (place / "ledger.jsonl").write_text(lines + '{"event": "done", "ru', encoding="utf-8")  # torn
    return place


def write_run(folder: Path, plan: Plan, arm: str, seed: int, share: float, digest: str) -> None:
    for name in ("hypotheses", "attention", "exposure_bias"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([seed, *arm.encode()])
    share = max(share + generator.normal(0, plan.seed_spread), 0.0)
    numbers = {"model/parameters": 5000.0 + 100 * len(arm), "train/epochs": 3.0, "train/loss": 0.5,
               "train/tokens_per_second": 4000.0 + seed}  # fmt: skip
    for split in ("val", "test"):
        pairs = make_pairs(plan.sentences, {"val": 6, "test": 7}[split])
        texts = [corrupted(p.target, share, generator) for p in pairs]
        if plan.several_references:
            other = np.random.default_rng(11)
            pairs = [
                replace(p, further=tuple(corrupted(p.target, 0.3, other) for _ in range(i % 3)))
                for i, p in enumerate(pairs)
            ]
        known = Frequencies(TRAINING_COUNTS, by_character=True).of_texts(
            [p.target for p in pairs] + texts
        )
        scores = score(pairs, texts, "zh", frequencies=known if split == "test" else None)
        rows = hypothesis_rows(pairs, texts, [-float(len(t)) for t in texts])
        _lines(folder / "hypotheses" / f"{split}.jsonl", rows)
        _lines(folder / "hypotheses" / f"{split}_counts.jsonl", scores.counts)
        numbers |= {f"{split}/{key}": value for key, value in scores.numbers.items()}
        losses = {r: 1.0 + share * (3.0 - 2.0 * float(r)) for r in RATIOS}
        numbers |= {f"{split}/loss_at_ratio_{r}": value for r, value in losses.items()}
        numbers |= {
            f"{split}/loss": losses["1"],
            f"{split}/exposure_bias": losses["0"] - losses["1"],
        }
        curve = {r: [value + 0.05 * i for i in range(9)] for r, value in losses.items()}
        content = {"pairs_at_position": [40, 38, 36, 30, 26, 22, 20, 9, 3], "loss": curve}
        _json(folder / "exposure_bias" / f"{split}.json", content)
    if arm not in {"none", "uniform"}:
        numbers |= {"attention/entropy": 0.4 + share, "attention/monotonicity": 0.9}
    _json(folder / "hypotheses" / "signatures.json", scores.signatures)
    _json(folder / "hypotheses" / "word_counts.json", asdict(known))
    _json(folder / "result.json", dict(sorted(numbers.items())))
    _facts(folder, arm, seed, plan.prediction)
    _history(folder / "metrics.csv", numbers)
    recorded = ["config.yaml", "result.json", "hypotheses/test.jsonl", "hypotheses/val.jsonl",
                "hypotheses/signatures.json"]  # fmt: skip
    sums = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in recorded}
    _json(folder / "done.json", {"content_hash": digest, "seconds": 100.0 + seed, "sha256": sums})


def _facts(folder: Path, arm: str, seed: int, prediction: dict | None) -> None:
    """Write what tells where the numbers come from, and two attention pictures."""
    from PIL import Image

    manifest = {"name": "lstm_attn_numbers", "config_hash": "1b4a42e6", "started": "2026-11-21T12:00:00+00:00",
                "command": [f"seed={seed}"], "seed": seed, "python": "3.11.7",
                "code": {"commit": "a4ee995d1bc9f2f050edd59299fa67356f5d6b6e", "diff_sha256": None},
                "versions": {"torch": "2.13.0+cpu", "sacrebleu": "2.6.0"},
                "data": {"train": "e2bbe3fa", "val": "6b435c10", "test": "b3f7c07b"},
                "tokenizers": {"source": "2c5aeab3", "target": "77a3567d"},
                "hardware": {"processor": "AMD EPYC", "cores": 2 + (arm == "dot"), "gpus": []}}  # fmt: skip
    _json(folder / "manifest.json", manifest)
    _json(folder / "data_report.json", {"splits": {"train": {"target": {"tokens": 947}}}})
    text = "decoding:\n  _target_: seq2seq_lab.decoding.greedy.Greedy\n  max_ratio: 3.0\nseed: 1\n"
    text += f"prediction: {json.dumps(prediction)}\n"
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    if arm != "none":
        for number in (1, 2):
            pixels = np.random.default_rng(number).integers(0, 255, (60, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "attention" / f"{number}.png")


def _history(path: Path, numbers: dict[str, float]) -> None:
    """Write metrics.csv as Lightning does: training and validation rows, and the best checkpoint's row at the end."""
    keys = ["val/exact_match", "val/bleu", "val/loss"]
    lines = [",".join(["step", "train/loss", "epoch", *keys])]
    for epoch in range(3):
        lines.append(f"{10 * epoch},{1 / (epoch + 1)},{epoch},,,")
        found = [str(numbers[key] * (epoch + 1) / 3) for key in keys]
        lines.append(",".join([str(10 * epoch), "", str(epoch), *found]))
    lines.append(",".join(["30", "", "3", *(str(numbers[key]) for key in keys)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")


def _lines(path: Path, rows: list[dict]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
