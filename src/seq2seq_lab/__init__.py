"""Encoder-decoder sequence models as a framework for experiments."""

from seq2seq_lab import threads

threads.wait_passively()  # before anybody imports torch
