"""The benchmark of a GPU: without one it says so, and the whole program runs on the CPU with a small model."""

import types

import pytest

from benchmark import gpu, work
from support.small_runs import run_script


def test_without_a_gpu_one_line_and_exit_code_2():
    ended = run_script("scripts/benchmark.py", "gpu", CUDA_VISIBLE_DEVICES="")
    assert ended.returncode == 2
    (line,) = ended.stderr.decode().splitlines()
    assert "no CUDA device" in line
    assert "--device cpu --steps 2" in line


@pytest.fixture
def _small(monkeypatch):
    for name in ("EMBEDDING", "DIM"):
        monkeypatch.setattr(work, name, 8)
    for name in ("SOURCE_VOCAB", "TARGET_VOCAB"):
        monkeypatch.setattr(work, name, 50)
    monkeypatch.setattr(gpu, "SENTENCES", 20)
    monkeypatch.setattr(gpu, "PROCESSES", (1, 2))


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_the_same_program_runs_on_the_cpu(capsys):
    found = gpu.gpu(types.SimpleNamespace(device="cpu", steps=2), print)["gpu"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found) == 13
    assert found["training, lstm_attn, bf16"]["epoch_seconds"] > 0
    assert 0 < found["training, lstm_attn_input_feed, fp32"]["share_of_product"] < 2
    assert found["2 processes, lstm_attn_input_feed, bf16"]["target_tokens_per_second"] > 0
    assert "goal on an H200: 3 s" in next(line for line in lines if line.startswith("search, beam"))


@pytest.mark.usefixtures("_small")
def test_the_parts_that_need_no_second_process_run_on_the_cpu():
    names = [name for name, _, _ in (*gpu.training("cpu", 1), *gpu.search("cpu"))]
    assert len(names) == 11
    assert [*gpu.graphs("cpu", 1), *gpu.compiled("cpu", 1)] == []


@pytest.mark.usefixtures("_small")
def test_the_seconds_of_an_epoch_follow_from_those_of_its_batches():
    batches = gpu.batches_on("cpu", bucketed=True)[:2]
    seen = []
    speed = gpu.timed(seen.append, batches, 3, 2)
    pairs = sum(len(batch) for batch in seen[2:])
    tokens = sum(batch.num_target_tokens for batch in seen[2:])
    assert len(seen) == 5
    assert speed.epoch * speed.tokens == pytest.approx(gpu.PAIRS * tokens / pairs)
