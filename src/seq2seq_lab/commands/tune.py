"""Search hyperparameters on the validation split, each trial a run of its own; the same command resumes the search.

seq2seq-lab tune widths --trials 20 model=lstm 'training.optimizer.lr=log(1e-4,1e-2)' 'model.dim=choice(64,128)'
seq2seq-lab tune depths --metric val/loss 'model.num_layers=int(1,3)' 'model.dropout=uniform(0,0.5)' seed=2

Keys written with log, uniform, int or choice are searched (Optuna's TPE), all others are fixed. The metric is one of
validation, never of test. Trials lie in outputs/tuning/NAME/trials; finished ones are not run again. Standard output
has the best overrides, ready to paste. Needs the extra `tune`.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from seq2seq_lab import errors, stopping
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.search_path import add_config_dir, with_config_dir
from seq2seq_lab.extras import missing_extra


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("name", help="of the search; its folder is outputs/tuning/NAME")
    flags.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train")
    flags.add_argument("--trials", type=int, default=20, metavar="N", help="in all")
    add_config_dir(flags)
    flags.add_argument("--metric", help="val/... (default: data.monitor)")
    flags.add_argument("--seed", type=int, default=1, help="of the sampler")
    return flags


def check_flags(arguments: argparse.Namespace) -> None:
    arguments.overrides = with_config_dir(arguments.config_dir, arguments.overrides)
    if arguments.trials < 1:
        raise errors.ConfigError(f"--trials {arguments.trials}: must be >= 1")
    if not 0 <= arguments.seed < 2**31:
        raise errors.ConfigError(f"--seed {arguments.seed}: must be from 0 to {2**31 - 1:,}")
    if not re.fullmatch(r"[\w.-]{1,100}", arguments.name) or arguments.name.strip(".") == "":
        raise errors.ConfigError(
            f"{arguments.name}: the name of the search comes first, a folder name"
        )
    missing = missing_extra("tune")
    if missing is not None:
        raise errors.ResourceError(missing)


def train(flags: list[str], overrides: list[str]) -> int:
    """Train in a process of its own; its summary is not shown."""
    from seq2seq_lab.config.job_command import run_command

    return stopping.call(run_command(flags, overrides), stdout=subprocess.DEVNULL)


def main(arguments: argparse.Namespace) -> None:
    check_flags(arguments)
    from seq2seq_lab.config.check import check
    from seq2seq_lab.config.compose import compose_config
    from seq2seq_lab.files import locked
    from seq2seq_lab.study import tuning

    space, fixed = tuning.parse_space(arguments.overrides)
    if arguments.metric is not None:
        tuning.check_metric(arguments.metric)
    first = [f"{one.key}={one.lowest()}" for one in space]

    def run(overrides: list[str], _: Path) -> int:
        return train(arguments.extension, overrides)

    composed = compose_config([*fixed, *first])
    check(composed)
    folder = (Path("outputs") / "tuning" / arguments.name).resolve()
    with locked(folder / ".lock", "wait for it, or choose another NAME"):
        metric = arguments.metric or composed.data.monitor
        search = tuning.Search(folder, space, fixed, metric, arguments.seed)
        while search.count() < arguments.trials:
            print(errors.one_line(search.step(run)), file=sys.stderr, flush=True)
        overrides, value = search.best()
    text = f"best {metric} {value:g} of {search.count()} trials in {folder}"
    print(errors.one_line(text), file=sys.stderr)
    print(errors.for_stream(" ".join(overrides), sys.stdout))
