"""Run a stored run again from its config and say whether the same comes out: bit-equal, within interval or different.

seq2seq-lab reproduce outputs/<name>/<run>
seq2seq-lab reproduce outputs/<name>/<run> --metric test/chrf --output again/

bit-equal: all numbers of result.json (but speeds) and the bytes of all hypotheses. within interval: the metric lies in
the stored run's 95 % bootstrap interval over test sentences. Exit code 0 for both, 1 for different. Differing versions,
code, data and hardware are printed on standard error. The new run trains as the first did, without Weights & Biases.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from seq2seq_lab import errors, stopping
from seq2seq_lab.config.command_line import Parser


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("run", type=Path, help="the folder of a finished run")
    flags.add_argument("--output", type=Path, help="new run folder (default: RUN_reproduced)")
    flags.add_argument("--metric", default="test/bleu", help="judged by its interval")
    return flags


def train(flags: list[str], threads: int) -> int:
    """Train in a process of its own, on as many threads as the stored run had."""
    from seq2seq_lab.config.job_command import run_command

    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    line = run_command([], flags)
    return stopping.call(line, env=environment, stdout=subprocess.DEVNULL)


def new_folder(run: Path, output: Path | None) -> Path:
    if output is not None:
        return output.resolve()
    name = f"{run.resolve().name}_reproduced"
    taken = {path.name for path in run.resolve().parent.iterdir()}
    free = next(n for n in [name, *(f"{name}-{i}" for i in range(2, 10**6))] if n not in taken)
    return run.resolve().parent / free


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.study import reproduction

    run = arguments.run
    manifest = reproduction.read_run(run)
    reproduction.interval(run, arguments.metric)  # refuse a wrong metric before hours of training
    folder = new_folder(run, arguments.output)
    if folder.is_relative_to(run.resolve()):
        raise errors.ConfigError(
            f"--output {folder}: lies in the stored run {run}; choose another folder"
        )
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-job-") as job:
        flags = reproduction.write_job(run, Path(job), folder)
        threads = reproduction.stored_threads(manifest)
        code = train([*arguments.extension, *flags], threads)
    if code:
        raise errors.UserError(f"the run could not be made again: training ended with code {code}")
    for line in reproduction.differences(manifest, reproduction.read_run(folder)):
        print(errors.one_line(f"warning: {line}"), file=sys.stderr)
    verdict = reproduction.compare(run, folder, arguments.metric)
    for line in (f"stored: {run}", f"new:    {folder}", *verdict.lines):
        print(errors.one_line(line))
    print(errors.one_line(verdict.outcome))
    if verdict.outcome == reproduction.DIFFERENT:
        sys.exit(1)
