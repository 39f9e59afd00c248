"""Average checkpoints of one run: the mean of each weight, as one checkpoint that translates like any other.

python train.py +training/callback=recent_checkpoints    # the last five beside best.ckpt and last.ckpt;
                                                         # training.callback.recent_checkpoints.save_top_k=8: eight
python scripts/average.py outputs/<name>/<run> --last 5 --output average.ckpt
python scripts/average.py a.ckpt b.ckpt c.ckpt --output average.ckpt

Training cannot resume from it: optimizer and schedule are not averaged.
"""

import argparse
import sys
from pathlib import Path

from seq2seq_lab import errors, stopping

if __name__ == "__main__":
    stopping.listen_from_now_on()

from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.output import refuse_same_file


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "checkpoints", nargs="+", help="checkpoint files, or one run folder with --last"
    )
    parser.add_argument("--last", type=int, metavar="N", help="the N checkpoints with most steps")
    parser.add_argument("-o", "--output", required=True, help="the file to write")
    arguments = parser.parse_intermixed_args()
    if arguments.last is not None and arguments.last < 1:
        raise errors.ConfigError(f"--last {arguments.last}: must be >= 1")
    if arguments.last is not None and len(arguments.checkpoints) > 1:
        raise errors.ConfigError("--last: needs one run folder; name files without it")
    return arguments


def main() -> None:
    arguments = parse()
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


if __name__ == "__main__":
    sys.exit(errors.run(main))
