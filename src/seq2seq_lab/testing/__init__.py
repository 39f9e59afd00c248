"""The properties of this package's parts as plain functions, for the tests of parts of one's own.

`check_attention(MyAttention)`, `check_corpus(MyCorpus, num_train=40)` and so on raise an `AssertionError` that names
the property, the largest error and what to look at. They need no test runner. docs/testing.md lists them.
"""

from seq2seq_lab.testing.attention import check_attention
from seq2seq_lab.testing.bridge import check_bridge
from seq2seq_lab.testing.callback import check_callback
from seq2seq_lab.testing.cell import check_cell
from seq2seq_lab.testing.configs import check_configs
from seq2seq_lab.testing.context import check_context
from seq2seq_lab.testing.corpus import check_corpus
from seq2seq_lab.testing.loss import check_loss
from seq2seq_lab.testing.metric import check_metric
from seq2seq_lab.testing.model import check_model
from seq2seq_lab.testing.readout import check_readout
from seq2seq_lab.testing.schedule import check_schedule
from seq2seq_lab.testing.tokenizer import check_tokenizer

__all__ = [
    "check_attention",
    "check_bridge",
    "check_callback",
    "check_cell",
    "check_configs",
    "check_context",
    "check_corpus",
    "check_loss",
    "check_metric",
    "check_model",
    "check_readout",
    "check_schedule",
    "check_tokenizer",
]
