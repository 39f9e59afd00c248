"""The default run on a simulated device without float64 (Apple's MPS); no such machine was at hand."""

import json

import pytest
import torch

from seq2seq_lab import float64
from support.device_without_float64 import simulated
from support.small_runs import TINY_RUN, tiny_run, train


def test_a_run_needs_no_float64_on_its_device_and_gives_the_same_numbers(tmp_path):
    with simulated() as device:
        assert train(*TINY_RUN, "training/logger=csv", f"run_dir={tmp_path}") == 0
    assert device.there > 1000
    there, here = (json.loads((run / "result.json").read_text()) for run in (tmp_path, tiny_run()))
    speeds = {name for name in here if "per_second" in name}
    assert {k: there[k] for k in here.keys() - speeds} == {k: here[k] for k in here.keys() - speeds}


@pytest.mark.slow
def test_nor_does_a_run_that_samples_and_accumulates(tmp_path):
    with simulated():
        code = train(
            *TINY_RUN, "training/logger=csv", "training/scheduled_sampling/sampled_token=sample",
            "training/scheduled_sampling/schedule=linear", "training.trainer.accumulate_grad_batches=2",
            "training.trainer.max_epochs=1", "decoding=sample", f"run_dir={tmp_path}",
        )  # fmt: skip
    assert code == 0


def test_the_simulated_device_refuses_what_mps_refuses_and_a_tensor_comes_home():
    weight = torch.nn.Parameter(torch.ones(2))
    with simulated():
        product = weight * torch.ones(2)
        for refused in (product.double, weight.double):
            with pytest.raises(TypeError, match="no float64"):
                refused()
        with pytest.raises(TypeError, match="no float64"):
            torch.zeros(2, dtype=torch.float64, device=torch.device("cpu"))
        assert product.cpu().double().dtype == torch.float64
        assert float64.in_float64(product.detach()).tolist() == [1.0, 1.0]
        product.sum().backward()


def test_only_a_device_without_float64_sends_its_numbers_to_the_processor():
    assert float64.home(torch.device("mps")).type == "cpu"
    assert float64.home(torch.device("cuda", 1)) == torch.device("cuda", 1)
