"""Encoder-decoder sequence models as a framework for experiments."""

import os

if os.environ.get(
    "SEQ2SEQ_LAB_EXTENSIONS"
):  # a child process: what it is sent may be of an extension
    from seq2seq_lab.config.extension_registry import find_passed

    find_passed()
