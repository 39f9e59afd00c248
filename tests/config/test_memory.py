"""A model larger than memory is refused before it is allocated, with its size and the keys to lower."""

import pytest
import torch
from torch import nn

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.memory import available_bytes, check_memory
from seq2seq_lab.errors import ResourceError


def test_a_model_larger_than_memory_is_refused_before_it_is_allocated():
    cfg = compose_config(["data=copy", "model.dim=1000000"])
    with pytest.raises(ResourceError, match=r"weights and needs .* GiB .* lower model.dim"):
        check(cfg)


def test_the_limit_counts_weights_gradients_and_moments():
    with torch.device("meta"):
        model = nn.Linear(10, 10, bias=False)
    check_memory(model, limit=1600)
    check_memory(model, limit=400, copies=1)
    with pytest.raises(ResourceError, match="100 weights"):
        check_memory(model, limit=1599)
    assert available_bytes() > 1 << 20
