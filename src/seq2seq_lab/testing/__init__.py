"""The properties of this package's parts as plain functions, for the tests of parts of one's own.

`check_attention(MyAttention)`, `check_corpus(MyCorpus, num_train=40)` and so on raise an `AssertionError` that names
the property, the largest error and what to look at. They need no test runner. docs/testing.md lists them.
"""

from seq2seq_lab.testing.attention import check_attention
from seq2seq_lab.testing.callback import check_callback
from seq2seq_lab.testing.configs import check_configs
from seq2seq_lab.testing.corpus import check_corpus
from seq2seq_lab.testing.metric import check_metric
from seq2seq_lab.testing.model import check_model

__all__ = [
    "check_attention", "check_callback", "check_configs", "check_corpus", "check_metric", "check_model",
]  # fmt: skip
