"""Train, evaluate and translate: the same as `seq2seq-lab train`; the run on one page is `commands/train.py`."""

import sys

from seq2seq_lab.commands.dispatch import program

if __name__ == "__main__":
    sys.exit(program("train"))
