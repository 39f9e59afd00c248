"""Measure speed on this machine: ratios from one interleaved run, never bare numbers.

python scripts/benchmark.py train               # training: our models against the tutorial loop and the matrix product
python scripts/benchmark.py scheduled_sampling  # scheduled sampling: parallel and sequential against teacher forcing
python scripts/benchmark.py packed              # several seeds as one program against processes of one thread
python scripts/benchmark.py overhead            # what Lightning, callbacks and loggers cost
python scripts/benchmark.py checkpoints         # what one save costs, and its share of training
python scripts/benchmark.py neighbour --rounds 4   # speed beside a busy process, by how threads wait: 3 minutes
python scripts/benchmark.py peers --joeynmt PYTHON --opennmt PYTHON   # whole commands, with start-up and memory
python scripts/benchmark.py peer_decoding --joeynmt PYTHON --opennmt PYTHON
python scripts/benchmark.py memory --steps 60   # MB of train.py, stage by stage; --text SOURCE TARGET: on your text
python scripts/benchmark.py many_lines RUN --count 100000   # translate with beam 5: the search's share of the time
python scripts/benchmark.py start --rounds 3 --against CHECKOUT   # seconds of help, translate, first step, doctor
python scripts/benchmark.py decode              # greedy and beam 5, rows per second
python scripts/benchmark.py scale --figure scale.svg   # cost by sentences, length, vocabulary and runs: 5 minutes
python scripts/benchmark.py gpu                 # all of it on a GPU: epoch seconds, graphs, search, several runs
python scripts/benchmark.py train --text SOURCE TARGET   # the same on real text; so can every other one but overhead
python scripts/benchmark.py agreement RUN FILE FILE   # how often parallel sampling gives the inputs of sequential
"""

import argparse
import os
import sys
from typing import Any

from seq2seq_lab import errors, stopping

if __name__ == "__main__":
    stopping.listen_from_now_on()

from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.output import output_file

MEASURES = {
    "train": "measure",
    "scheduled_sampling": "measure",
    "decode": "measure",
    "agreement": "measure",
    "many_lines": "many_lines",
    "packed": "packed",
    "overhead": "framework",
    "neighbour": "neighbour",
    "checkpoints": "framework",
    "gpu": "gpu",
    "memory": "memory",
    "peers": "peers",
    "peer_decoding": "peer_decoding",
    "scale": "scale",
    "start": "start",
}


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=tuple(MEASURES))
    parser.add_argument("run", nargs="?", help="agreement, many_lines: a run folder or checkpoint")
    parser.add_argument("source", nargs="?", help="agreement: source text, one sentence per line")
    parser.add_argument("target", nargs="?", help="agreement: target text, one sentence per line")
    parser.add_argument("--threads", type=int, default=0, help="0 = what torch takes")
    parser.add_argument("--rounds", type=int, default=6, help="blocks per competitor")
    parser.add_argument("--steps", type=int, help="batches per block: 4, gpu 100")
    parser.add_argument("--count", type=int, default=10_000, help="many_lines: so many lines")
    parser.add_argument("--joeynmt", help="train, peers: the python of an environment with joeynmt")
    parser.add_argument("--opennmt", help="train, peers: the python of one with OpenNMT-py")
    parser.add_argument("--device", help="cpu, cuda ...; cpu, for gpu cuda")
    parser.add_argument(
        "--text",
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="measure on these two files, one sentence per line, instead of on made-up words",
    )
    parser.add_argument(
        "--spin",
        type=int,
        nargs="+",
        help="neighbour: these GOMP_SPINCOUNT as well, in rows of their own",
    )
    for axis in ("sentences", "lengths", "vocabularies", "studies"):
        parser.add_argument(f"--{axis}", type=int, nargs="*", help="scale: sizes; none: leave out")
    parser.add_argument("--results", help="scale: keep each point here, and measure only new ones")
    parser.add_argument("--figure", help="scale: draw here, .svg or .png")
    parser.add_argument("--against", help="start: another checkout, measured beside this one")
    parser.add_argument("--json", help="write the figures here as well")
    arguments = parser.parse_args()
    is_gpu = arguments.what == "gpu"
    arguments.device = arguments.device or ("cuda" if is_gpu else "cpu")
    arguments.steps = (100 if is_gpu else 4) if arguments.steps is None else arguments.steps
    return arguments


def show(title: str, rows: list[tuple[str, ...]], head: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for i, name in enumerate(head):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def report(title: str, rates: dict[str, Any], base: str, unit: str) -> dict[str, float]:
    """Print rates and ratios; return the median ratios to `base`."""
    from benchmark.timing import ratio

    rows, ratios = [], {}
    for name, rate in rates.items():
        relative = ratio(rate, rates[base])
        ratios[name] = relative.median
        rows.append(
            (
                name,
                f"{rate.median:,.0f}",
                f"{rate.low:,.0f}..{rate.high:,.0f}",
                f"{relative.median:.2f}",
                f"{relative.low:.2f}..{relative.high:.2f}",
            )
        )
    show(title, rows, ("", unit, "quartiles", f"ratio to {base}", "quartiles"))
    return ratios


def run_measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure, and print what the tables do not say."""
    from importlib import import_module

    module = import_module(f"benchmark.{MEASURES[name]}")
    found = getattr(module, name)(arguments, report)
    print("\n".join(found.pop("says", [])))
    return found


def main() -> None:
    arguments = parse()
    if min(arguments.rounds, arguments.steps) < 1:
        raise errors.ConfigError("--rounds and --steps: must be >= 1")
    if arguments.what == "agreement" and not arguments.target:
        raise errors.ConfigError(
            "agreement: give a run folder and two text files, RUN SOURCE TARGET"
        )
    import torch

    from benchmark.gpu import refuse_without
    from seq2seq_lab.files import json_text
    from seq2seq_lab.inference.trained import check_device, input_files

    if arguments.what == "gpu":
        refuse_without(arguments.device)
    check_device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    inputs = [
        file for file in (arguments.source, arguments.target, *(arguments.text or ())) if file
    ]
    inputs += input_files(arguments.run) if arguments.run else []
    with output_file(
        arguments.json or os.devnull, inputs, shown=f"--json {arguments.json}"
    ) as file:
        file.write(json_text(measured(arguments)))


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    from benchmark import measure

    found = run_measure(arguments.what, arguments)
    if arguments.what == "train" and (arguments.joeynmt or arguments.opennmt):
        found |= run_measure("peers", arguments)
    found["machine"] = measure.machine(arguments.device)
    print("; ".join(f"{name}: {value}" for name, value in found["machine"].items()))
    return found


if __name__ == "__main__":
    sys.exit(errors.run(main))
