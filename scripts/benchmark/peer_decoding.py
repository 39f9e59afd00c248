"""Decoding by our `seq2seq-lab translate` against the peers' own decoding commands: decoder rows per second.

Every program first trains a few steps, to have a checkpoint to load. When a barely trained model stops is chance,
so all outputs are held to exactly 20 tokens; rows (sentence x beam x step) are counted from outside.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark import count_rows
from benchmark.commands import joeynmt, open_nmt, work_overrides, write_work
from benchmark.timing import Rate
from benchmark.work import pairs_for
from seq2seq_lab.errors import ResourceError
from seq2seq_lab.files import write_text

PAIRS, SENTENCES, STEPS, LENGTH = 4000, 512, 20, 20
COUNTER = str(Path(count_rows.__file__))
ROWS = r"\d+ rows, ([\d.]+) rows/s"
"""What the counter says last."""


@dataclass(frozen=True)
class Program:
    """A decoder's name, the folder that it works in, its environment's Python, what to count and its words per beam."""

    name: str
    folder: Path
    python: str
    place: str
    words: dict[int, list[str]]


def carry_out(name: str, words: list[str], folder: Path, threads: int) -> str:
    """Run a command to its end and return what it printed."""
    # peers of torch before 2.6 load their own checkpoints as whole pickles
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads), "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"
    }  # fmt: skip
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True)
    output = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    if done.returncode:
        lines = [line for line in output.splitlines() if line and not re.fullmatch(ROWS, line)]
        last = lines[-1] if lines else "nothing"
        raise ResourceError(f"{name}: exit code {done.returncode}, it said: {last}")
    return output


def our_program(text: Path, folder: Path, threads: int) -> Program:
    """Train a few steps with `train.py`, decode with `translate.py`."""
    root = Path.cwd()
    run = folder / "run"
    words = [sys.executable, str(root / "train.py"), *work_overrides(text), f"run_dir={run}"]
    words += ["model.decoder.input_feeding=true", f"training.trainer.max_steps={STEPS}"]
    carry_out("ours", [*words, "training/logger=csv"], folder, threads)
    cut = [f"decoding.{key}={LENGTH}" for key in ("max_extra", "min_length")]
    cut.append("decoding.max_ratio=0.0")
    decode = ["seq2seq_lab", "translate", str(run), str(text / "words.source")]
    beams = {
        1: [*decode, "decoding=greedy", *cut],
        5: [*decode, "decoding=beam", "decoding.beam_size=5", *cut],
    }
    place = "seq2seq_lab.model.kernel.packed_decoder:PackedDecoder:step"
    return Program("ours, input feeding", folder, sys.executable, place, beams)


def joeynmt_program(python: Path, text: Path, folder: Path, threads: int) -> Program:
    """Train joeynmt a few steps; its `test` mode decodes."""
    command = joeynmt(python, text, "luong")
    config = json.loads(command.files["joey.yaml"].replace("{every}", str(STEPS)))
    config["training"] |= {"updates": STEPS, "validation_freq": STEPS}
    config["testing"] |= {"batch_size": 64, "batch_type": "sentence"}
    config["testing"] |= {f"{side}_output_length": LENGTH for side in ("min", "max")}
    config["data"]["test"] = str(text / "words")
    for beam in (1, 5):
        config["testing"]["beam_size"] = beam
        write_text(folder / f"beam{beam}.yaml", json.dumps(config))
    start = [str(python), "-m", "joeynmt", "train", "beam1.yaml", "--skip-test"]
    carry_out(command.name, start, folder, threads)
    place = "joeynmt.decoders:RecurrentDecoder:_forward_step"
    words = {beam: ["joeynmt", "test", f"beam{beam}.yaml"] for beam in (1, 5)}
    return Program("joeynmt, input feeding", folder, str(python), place, words)


def open_nmt_program(python: Path, text: Path, folder: Path, threads: int) -> Program:
    """Train OpenNMT-py a few steps; its `translate` decodes."""
    command = open_nmt(python, text, "general", input_feeding=True)
    config = json.loads(command.files["onmt.yaml"].replace("{every}", str(STEPS)))
    config |= {"train_steps": STEPS, "save_checkpoint_steps": STEPS}
    write_text(folder / "onmt.yaml", json.dumps(config))
    start = [str(python), "-m", "onmt.bin.train", "-config", "onmt.yaml"]
    carry_out(command.name, start, folder, threads)
    decode = [
        "onmt.bin.translate",
        "-model",
        f"model_step_{STEPS}.pt",
        "-src",
        str(text / "words.source"),
    ]
    decode += ["-output", "out", "-batch_size", "64", "-max_length", str(LENGTH)]
    decode += ["-min_length", str(LENGTH), "-beam_size"]
    place = "onmt.decoders.decoder:InputFeedRNNDecoder:_run_forward_pass"
    words = {beam: [*decode, str(beam)] for beam in (1, 5)}
    return Program("OpenNMT-py, input feeding", folder, str(python), place, words)


def peer_decoding(arguments: Any, report: Any) -> dict[str, Any]:
    """Decode in turn, greedy and with five beams; return the rows per second and the ratios."""
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        text = Path(name)
        write_work(text, pairs_for(arguments, PAIRS))
        for side in ("source", "target"):
            lines = (text / f"text.{side}").read_text(encoding="utf-8").splitlines()[:SENTENCES]
            write_text(text / f"words.{side}", "\n".join(lines) + "\n")
        makers = {"ours": our_program}
        if arguments.joeynmt:
            makers["joeynmt"] = lambda *rest: joeynmt_program(
                Path(arguments.joeynmt).absolute(), *rest
            )
        if arguments.opennmt:
            makers["onmt"] = lambda *rest: open_nmt_program(
                Path(arguments.opennmt).absolute(), *rest
            )
        programs = []
        for key, make in makers.items():
            (text / key).mkdir()
            programs.append(make(text, text / key, threads))
        return {
            f"beam {beam}": _compare(programs, beam, arguments.rounds, threads, report)
            for beam in (1, 5)
        }


def _compare(
    programs: list[Program], beam: int, rounds: int, threads: int, report: Any
) -> dict[str, float]:
    speeds: dict[str, list[float]] = {one.name: [] for one in programs}
    for turn in range(rounds):
        for one in programs if turn % 2 == 0 else programs[::-1]:
            words = [one.python, COUNTER, one.place, *one.words[beam]]
            output = carry_out(one.name, words, one.folder, threads)
            found = re.search(ROWS, output)
            if not found or not float(found[1]):
                raise ResourceError(f"{one.name}: decoded no rows, it said: {output[-200:]}")
            speeds[one.name].append(float(found[1]))
    rates = {one: Rate.of(found) for one, found in speeds.items()}
    ratios = report(f"Decoding commands, beam {beam}", rates, programs[0].name, "rows/s")
    return {name: 1 / ratio for name, ratio in ratios.items()}
