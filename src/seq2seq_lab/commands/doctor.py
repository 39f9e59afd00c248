"""Check the correctness properties O1 to O14 and O25 on the model that your overrides compose, in half a minute.

seq2seq-lab doctor model=lstm_attn model/attention=additive decoding=beam
seq2seq-lab doctor experiment=multi30k_de_en --json verdicts.json

The model's own classes and options are built at tiny widths, with random weights in float64; no data is read.
docs/properties.md says what each property means. Exit code 0 if all hold, 1 if one is broken, 2 for a mistake in the
overrides.
"""

import argparse
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.config.collection import first_imports
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.search_path import add_config_dir, with_config_dir
from seq2seq_lab.output import output_file


def parser() -> Parser:
    flags = Parser(
        description=__doc__.partition("\n")[0],
        epilog="Overrides are those of train: model=..., model/attention=..., data.joint=true ...",
    )
    flags.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train")
    add_config_dir(flags)
    flags.add_argument(
        "--models", type=int, default=10, metavar="N", help="random models per property"
    )
    flags.add_argument(
        "--properties", metavar="O1,O2", help="only these properties (default: all of them)"
    )
    flags.add_argument("--json", type=Path, metavar="FILE", help="store the verdicts there too")
    return flags


def line(verdict: Any) -> str:
    error = "" if verdict.error is None else f"{verdict.error:.1e}"
    text = f"{verdict.id:4}{verdict.outcome:15}{verdict.name:50}{error:>8}{verdict.seconds:7.2f} s"
    return errors.printable(f"{text}  {verdict.reason}".rstrip())


def chosen(names: str | None, checks: dict[str, Any]) -> dict[str, Any]:
    if names is None:
        return checks
    wrong = [name for name in names.split(",") if name not in checks]
    if wrong:
        raise errors.ConfigError(
            f"--properties {names}: no property {wrong[0]!r}; there are {', '.join(checks)}"
        )
    return {name: checks[name] for name in names.split(",")}


def main(arguments: argparse.Namespace) -> None:
    arguments.overrides = with_config_dir(arguments.config_dir, arguments.overrides)
    if arguments.models < 1:
        raise errors.ConfigError(f"--models {arguments.models}: must be >= 1; 10 is usual")
    start = time.perf_counter()
    with first_imports():
        import torch

        from seq2seq_lab.doctor.examination import CHECKS, FAIL, examine
        from seq2seq_lab.doctor.patient import admit
        from seq2seq_lab.files import json_text

    torch.set_num_threads(1)  # tiny tensors
    checks = chosen(arguments.properties, CHECKS)
    patient = admit(arguments.overrides, tuple(range(1, arguments.models + 1)))
    widths = ", ".join(f"{old} -> {new}" for old, new in patient.sizes.items())
    text = f"{arguments.models} random models, float64; widths {widths or 'as composed'}"
    print(errors.one_line(text))
    print(errors.printable(f"{'':4}{'verdict':15}{'property':50}{'error':>8}{'time':>9}"))
    # opened first: a name that cannot be written is reported before half a minute of checks
    with output_file(arguments.json or os.devnull, shown=f"--json {arguments.json}") as file:
        verdicts = []
        for verdict in examine(patient, checks):
            verdicts.append(verdict)
            print(errors.printable(line(verdict)), flush=True)
        broken = [verdict.id for verdict in verdicts if verdict.outcome == FAIL]
        seconds = time.perf_counter() - start
        found = {
            "overrides": arguments.overrides,
            "widths": {str(old): new for old, new in patient.sizes.items()},
            "models": arguments.models,
            "broken": broken,
            "seconds": seconds,
            "properties": [asdict(verdict) for verdict in verdicts],
        }
        file.write(json_text(found))
    if broken:
        raise errors.UserError(
            f"{len(broken)} of {len(verdicts)} properties broken: {', '.join(broken)}"
        )
    print(f"no property is broken; {seconds:.0f} s")
