"""Prove the correctness laws on the model that your overrides compose: a verdict for each, in half a minute.

python scripts/doctor.py model=lstm_attn model/attention=additive decoding=beam
python scripts/doctor.py experiment=multi30k_de_en --json verdicts.json

The model's own classes and options are built at tiny widths, with random weights in float64; no data is read.
Exit code 0 if no law is broken, 1 if one is, 2 for a mistake in the overrides.
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser


def parse() -> argparse.Namespace:
    parser = Parser(
        description=__doc__.partition("\n")[0],
        epilog="Overrides are those of train.py: model=..., model/attention=..., data.joint=true ...",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py")
    parser.add_argument("--models", type=int, default=10, metavar="N", help="random models per law")
    parser.add_argument("--laws", metavar="O1,O2", help="only these laws (default: O1 to O14)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="store the verdicts there too")
    return parser.parse_intermixed_args()


def line(verdict: Any) -> str:
    error = "" if verdict.error is None else f"{verdict.error:.1e}"
    text = (
        f"{verdict.id:4}{verdict.outcome:15}{verdict.sentence:52}{error:>8}{verdict.seconds:7.2f} s"
    )
    return f"{text}  {verdict.reason}".rstrip()


def chosen(names: str | None, laws: tuple) -> tuple:
    if names is None:
        return laws
    known = {law.id: law for law in laws}
    wrong = [name for name in names.split(",") if name not in known]
    if wrong:
        raise errors.ConfigError(
            f"--laws {names}: no law {wrong[0]!r}; there are {', '.join(known)}"
        )
    return tuple(known[name] for name in names.split(","))


def main() -> None:
    arguments = parse()
    if arguments.models < 1:
        raise errors.ConfigError(f"--models {arguments.models}: must be >= 1; 10 is usual")
    start = time.perf_counter()
    import torch

    from seq2seq_lab.doctor.examination import FAIL, LAWS, examine
    from seq2seq_lab.doctor.patient import admit
    from seq2seq_lab.files import write_json

    torch.set_num_threads(1)  # tiny tensors
    laws = chosen(arguments.laws, LAWS)
    patient = admit(arguments.overrides, tuple(range(1, arguments.models + 1)))
    widths = ", ".join(f"{old} -> {new}" for old, new in patient.sizes.items())
    print(f"{arguments.models} random models, float64; widths {widths or 'as composed'}")
    print(f"{'law':4}{'verdict':15}{'':52}{'error':>8}{'time':>9}")
    verdicts = []
    for verdict in examine(patient, laws):
        verdicts.append(verdict)
        print(line(verdict), flush=True)
    broken = [verdict.id for verdict in verdicts if verdict.outcome == FAIL]
    seconds = time.perf_counter() - start
    if arguments.json is not None:
        found = {
            "overrides": arguments.overrides,
            "widths": {str(old): new for old, new in patient.sizes.items()},
            "models": arguments.models,
            "broken": broken,
            "seconds": seconds,
            "laws": [asdict(verdict) for verdict in verdicts],
        }
        write_json(arguments.json, found)
    if broken:
        raise errors.UserError(f"{len(broken)} of {len(verdicts)} laws broken: {', '.join(broken)}")
    print(f"no law is broken; {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(errors.run(main))
