"""Find the width at which one model costs as much as another: kinds compared at equal cost.

seq2seq-lab equal-cost model=lstm_attn --like model=lstm
seq2seq-lab equal-cost model=transformer --like model=lstm_attn --by flops
seq2seq-lab train $(seq2seq-lab equal-cost model=lstm --key model.encoder.dim --like model=lstm_attn)

Standard output has the overrides, ready to paste; standard error says what they cost. FLOPs are those of a
teacher-forced forward pass per target token at the data's mean lengths, counted by torch. The data are read for the
vocabularies, unless --vocabularies and --lengths give these sizes.
"""

import argparse
import sys

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.search_path import add_config_dir, with_config_dir


def parser() -> Parser:
    flags = Parser(
        description=__doc__.partition("\n")[0],
        epilog="Overrides are those of train, and hold for the data as well.",
    )
    flags.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="the model to be sized")
    flags.add_argument(
        "--like", nargs="+", required=True, metavar="KEY=VALUE", help="the model to be matched"
    )
    add_config_dir(flags)
    flags.add_argument("--by", choices=("parameters", "flops"), default="parameters")
    flags.add_argument("--key", default="model.dim", help="the integer key to be found")
    flags.add_argument(
        "--vocabularies", nargs=2, type=int, metavar=("SOURCE", "TARGET"), help="read no data"
    )
    flags.add_argument(
        "--lengths", nargs=2, type=int, metavar=("SOURCE", "TARGET"), default=(14, 14),
        help="with --vocabularies: tokens per sentence, for --by flops",
    )  # fmt: skip
    return flags


def check(arguments: argparse.Namespace) -> None:
    arguments.overrides = with_config_dir(arguments.config_dir, arguments.overrides)
    arguments.like = with_config_dir(arguments.config_dir, arguments.like)
    for name in ("vocabularies", "lengths"):
        given = getattr(arguments, name)
        if given is not None and min(given) < 1:
            raise errors.ConfigError(f"--{name} {given[0]} {given[1]}: must be >= 1")


def main(arguments: argparse.Namespace) -> None:
    check(arguments)
    from seq2seq_lab.study.equal_cost import LARGEST, Candidate, Sizes, closest_width

    sizes = None
    if arguments.vocabularies is not None:
        sizes = Sizes(tuple(arguments.vocabularies), tuple(arguments.lengths))
    key, by = arguments.key, arguments.by
    model = Candidate(arguments.like, by, sizes)
    target = model.cost()
    other = Candidate(arguments.overrides, by, model.sizes if same_data(arguments) else sizes)
    width = closest_width(lambda width: other.cost_at(key, width), target, LARGEST)
    cost = other.cost_at(key, width)
    assert cost is not None  # a width that was found can be built
    unit = "parameters" if by == "parameters" else "FLOPs per target token, forward"
    text = f"{' '.join(arguments.like)}: {target:,.0f} {unit}"
    print(errors.one_line(text), file=sys.stderr)
    text = f"{key}={width}: {cost:,.0f} ({100 * (cost / target - 1):+.2f} %)"
    print(errors.one_line(text), file=sys.stderr)
    print(errors.for_stream(" ".join([*arguments.overrides, f"{key}={width}"]), sys.stdout))


def same_data(arguments: argparse.Namespace) -> bool:
    """Return whether both command lines name the same data, so that these are read once."""
    both = [
        [o for o in given if o.lstrip("+~").startswith(("data", "experiment", "debug"))]
        for given in (arguments.overrides, arguments.like)
    ]
    return both[0] == both[1]
