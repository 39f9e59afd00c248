"""`python -m seq2seq_lab` is the command `seq2seq-lab`."""

import sys

from seq2seq_lab.commands.dispatch import program

if __name__ == "__main__":
    sys.exit(program())
