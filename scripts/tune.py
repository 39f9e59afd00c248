"""Search hyperparameters on the validation split, each trial a run of its own; the same command resumes the search.

python scripts/tune.py widths --trials 20 model=lstm 'training.optimizer.lr=log(1e-4,1e-2)' 'model.dim=choice(64,128)'
python scripts/tune.py depths --metric val/loss 'model.num_layers=int(1,3)' 'model.dropout=uniform(0,0.5)' seed=2

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

if __name__ == "__main__":
    stopping.listen_from_now_on()

from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.search_path import add_config_dir, with_config_dir
from seq2seq_lab.extras import missing_extra

TRAIN = Path(__file__).resolve().parents[1] / "train.py"


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the search; its folder is outputs/tuning/NAME")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py")
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="in all")
    add_config_dir(parser)
    parser.add_argument("--metric", help="val/... (default: data.monitor)")
    parser.add_argument("--seed", type=int, default=1, help="of the sampler")
    arguments = parser.parse_intermixed_args()
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
    return arguments


def train(overrides: list[str], run_dir: Path) -> int:  # noqa: ARG001
    """Run train.py in a process of its own; its summary is not shown."""
    line = [sys.executable, str(TRAIN), *overrides]
    return stopping.call(line, stdout=subprocess.DEVNULL)


def main() -> None:
    arguments = parse()
    from seq2seq_lab.config.check import check
    from seq2seq_lab.config.compose import compose_config
    from seq2seq_lab.files import locked
    from seq2seq_lab.study import tuning

    space, fixed = tuning.parse_space(arguments.overrides)
    if arguments.metric is not None:
        tuning.check_metric(arguments.metric)
    first = [f"{one.key}={one.lowest()}" for one in space]
    composed = compose_config([*fixed, *first])
    check(composed)
    folder = (Path("outputs") / "tuning" / arguments.name).resolve()
    with locked(folder / ".lock", "wait for it, or choose another NAME"):
        metric = arguments.metric or composed.data.monitor
        search = tuning.Search(folder, space, fixed, metric, arguments.seed)
        while search.count() < arguments.trials:
            print(errors.one_line(search.step(train)), file=sys.stderr, flush=True)
        overrides, value = search.best()
    text = f"best {metric} {value:g} of {search.count()} trials in {folder}"
    print(errors.one_line(text), file=sys.stderr)
    print(errors.for_stream(" ".join(overrides), sys.stdout))


if __name__ == "__main__":
    sys.exit(errors.run(main))
