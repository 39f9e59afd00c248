"""One point of `benchmark.py scale`, in a process of its own: `scale_point write|measure FOLDER JSON`.

Sentences are made of two halves out of a few thousand, so that nearly all of ten million differ and are quickly
written, and their vocabulary has a known size. The model is `lstm_attn` at the sizes of `work.py`.
"""

import json
import math
import subprocess
import sys
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

HALVES = 4096
SOURCE, TARGET = "text.source", "text.target"
STEPS = 5


def write_text(folder: Path, point: dict[str, Any]) -> None:
    """Write two files of so many lines, words and words per line (a third more or less)."""
    import numpy as np

    draw = np.random.default_rng(1)
    count = max(HALVES, point["vocabulary"], math.isqrt(point["pairs"]) + 1)
    half = point["length"] / 2
    for name in (SOURCE, TARGET):
        spread = draw.integers(max(1, round(half * 2 / 3)), round(half * 4 / 3) + 1, count)
        halves = [
            " ".join(f"w{i}" for i in draw.integers(point["vocabulary"], size=n)) for n in spread
        ]
        with (folder / name).open("w", encoding="utf-8") as file:
            for start in range(0, point["pairs"], count):
                second = halves[start // count]
                rows = min(count, point["pairs"] - start)
                file.writelines(f"{halves[i]} {second}\n" for i in range(rows))


def write_run(folder: Path) -> None:
    """Train the run whose copies make a study."""
    train = Path(__file__).parents[2] / "train.py"
    line = ["debug=tiny", "training/logger=csv", "model=gru_attn", f"run_dir={folder / 'run'}"]
    subprocess.run([sys.executable, train, *line], check=True, capture_output=True)


def own_memory() -> float:
    """Return MB that this process holds now and that no file holds."""
    return _status("RssAnon")


def _status(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return float(line.split()[1]) / 1024


def training(folder: Path, point: dict[str, Any]) -> dict[str, float]:
    """Set the data up, make the first batch, train a few steps."""
    from benchmark import work
    from seq2seq_lab.data.batching import BySentences
    from seq2seq_lab.data.length_filter import LengthFilter
    from seq2seq_lab.data.text_files import TextFiles
    from seq2seq_lab.data.tokenizer.word import WordTokenizer
    from seq2seq_lab.training.datamodule import Seq2SeqDataModule

    corpus = TextFiles("und", "und", [str(folder / SOURCE), str(folder / TARGET)])
    data = Seq2SeqDataModule(
        corpus, WordTokenizer(), BySentences(point["batch"]), LengthFilter(10**6, 10**6)
    )
    clocks = [time.process_time()]
    data.setup()
    clocks.append(time.process_time())
    batches = iter(data.train_dataloader())
    first = next(batches)
    clocks.append(time.process_time())
    own = own_memory()
    sizes = len(data.source_tokenizer), len(data.target_tokenizer)
    trainer = work.Trainer(work.make_model("lstm_attn", vocabularies=sizes), work.forced_loss)
    trainer(first)
    began, tokens = time.process_time(), 0
    for batch in islice(batches, STEPS):
        trainer(batch)
        tokens += batch.num_target_tokens
    seconds = time.process_time() - began
    return {
        "setup_s": clocks[1] - clocks[0],
        "order_s": clocks[2] - clocks[1],
        "step_s": 1000 * seconds / tokens,
        "peak_mb": _status("VmHWM"),
        "own_mb": max(own, own_memory()),
    }


def study(folder: Path, point: dict[str, Any]) -> dict[str, float]:
    """Ask for the status of a study, and write its report twice."""
    from benchmark.scale_studies import write_study
    from seq2seq_lab.report.page import write_report
    from seq2seq_lab.study.matrix import Study
    from seq2seq_lab.study.plan import states

    place = folder / "study"
    write_study(folder / "run", place, point["size"])
    clocks = [time.process_time()]
    for work in (lambda: states(Study.load(place)), lambda: write_report(place)) * 2:
        work()
        clocks.append(time.process_time())
    seconds = [after - before for before, after in pairwise(clocks)]
    return {
        "status_s": seconds[2],
        "report_s": seconds[1],
        "again_s": seconds[3],
        "peak_mb": _status("VmHWM"),
    }


def main() -> None:
    what, folder, point = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    is_study = point["axis"] == "studies"
    if what == "write":
        write_run(folder) if is_study else write_text(folder, point)
    else:
        print(json.dumps((study if is_study else training)(folder, point)))


if __name__ == "__main__":
    main()
