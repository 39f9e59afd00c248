"""Average checkpoints of one run: the mean of each weight, as one checkpoint that translates like any other.

seq2seq-lab train +training/callback=recent_checkpoints    # the last five beside best.ckpt and last.ckpt;
                                                         # training.callback.recent_checkpoints.save_top_k=8: eight
seq2seq-lab average outputs/<name>/<run> --last 5 --output average.ckpt
seq2seq-lab average a.ckpt b.ckpt c.ckpt --output average.ckpt

Training cannot resume from it: optimizer and schedule are not averaged.
"""

import argparse
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.output import refuse_same_file


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument(
        "checkpoints", nargs="+", help="checkpoint files, or one run folder with --last"
    )
    flags.add_argument("--last", type=int, metavar="N", help="the N checkpoints with most steps")
    flags.add_argument("-o", "--output", required=True, help="the file to write")
    return flags


def check(arguments: argparse.Namespace) -> None:
    if arguments.last is not None and arguments.last < 1:
        raise errors.ConfigError(f"--last {arguments.last}: must be >= 1")
    if arguments.last is not None and len(arguments.checkpoints) > 1:
        raise errors.ConfigError("--last: needs one run folder; name files without it")


def main(arguments: argparse.Namespace) -> None:
    check(arguments)
    given = [Path(name) for name in arguments.checkpoints]
    output = Path(arguments.output).expanduser().resolve()  # a link stays a link
    for path in given:
        if not path.exists():
            raise errors.CheckpointError(f"{path}: no such checkpoint or run folder")
        if path.is_dir() and arguments.last is None:
            raise errors.ConfigError(f"{path}: a folder; add --last N for its last checkpoints")
    from seq2seq_lab.inference.averaging import average, check_output, last_checkpoints
    from seq2seq_lab.inference.trained import input_files

    paths = given if arguments.last is None else last_checkpoints(given[0], arguments.last)
    shown = f"--output {arguments.output}"
    if any(output.exists() and path.samefile(output) for path in paths):
        raise errors.ConfigError(f"{shown}: is one of the checkpoints; choose another file")
    refuse_same_file(
        output, [file for path in [*given, *paths] for file in input_files(path)], shown
    )
    check_output(output, shown)
    checkpoint = average(paths)
    from seq2seq_lab.training.checkpoint_io import AtomicCheckpointIO

    contents = checkpoint.pop("seq2seq_lab")
    AtomicCheckpointIO(contents).save_checkpoint(checkpoint, output)
    steps = ", ".join(map(str, checkpoint["averaged_steps"]))
    print(
        errors.one_line(f"mean of {len(paths)} checkpoints (steps {steps}) in {arguments.output}")
    )
