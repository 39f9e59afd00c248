"""Many run folders from one real run, and how long `seq2seq-lab runs` needs to list them.

    python scripts/benchmark/run_folders.py RUN FOLDER --count 1000
    time seq2seq-lab runs FOLDER

Each copy has its own seed, scores and start; checkpoints and pictures are left out.
"""

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

COPIED = ("config.yaml", "manifest.json", "result.json", "hypotheses", "data_report.json")


def write_runs(run: Path, folder: Path, count: int) -> None:
    """Write the copies as FOLDER/NAME/TIME_HASH, as training does."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    began = datetime.datetime.fromisoformat(manifest["started"])
    for number in range(count):
        started = began + datetime.timedelta(minutes=number)
        copy = folder / manifest["name"] / f"{started:%Y-%m-%d_%H-%M-%S}_{number:08x}"
        copy.mkdir(parents=True)
        for name in COPIED:
            source = run / name
            if source.is_dir():
                shutil.copytree(source, copy / name)
            elif source.exists():
                shutil.copy(source, copy / name)
        overrides = [*manifest.get("overrides", []), f"seed={number}"]
        own = {"started": started.isoformat(), "seed": number, "overrides": overrides}
        (copy / "manifest.json").write_text(json.dumps({**manifest, **own}), encoding="utf-8")
        scores = {key: value + number / 100 for key, value in result.items() if "bleu" in key}
        (copy / "result.json").write_text(json.dumps({**result, **scores}), encoding="utf-8")


def main() -> None:
    """Write the folders and print the seconds of three lists, each by a process of its own."""
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("run", type=Path, help="a finished run")
    flags.add_argument("folder", type=Path, help="a new folder")
    flags.add_argument("--count", type=int, default=1000)
    arguments = flags.parse_args()
    write_runs(arguments.run, arguments.folder, arguments.count)
    line = [sys.executable, "-m", "seq2seq_lab", "runs", str(arguments.folder)]
    for further in ([], ["--sort", "test/bleu"], ["--where", "training.optimizer.lr<1"]):
        began = time.perf_counter()
        subprocess.run([*line, *further], check=True, capture_output=True)
        seconds = time.perf_counter() - began
        print(f"{seconds:.2f} s  runs FOLDER {' '.join(further)}")


if __name__ == "__main__":
    main()
