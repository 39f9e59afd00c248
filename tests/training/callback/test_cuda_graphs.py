"""The callback records on a CUDA device only, says why not elsewhere, and leaves the decoder as it was."""

import types

import pytest
import torch

from seq2seq_lab.model.kernel.graph import RecordedLoop
from seq2seq_lab.training.callback.cuda_graphs import CudaGraphs
from support.small_runs import small, trainer, weights_hash

FED = "model.decoder.input_feeding=true"


def started(decoder, device="cuda", processes=1, batches=1):
    """Start the callback for a trainer with these settings."""
    engine = types.SimpleNamespace(
        world_size=processes, accumulate_grad_batches=batches, is_global_zero=True
    )
    module = types.SimpleNamespace(
        device=torch.device(device), model=types.SimpleNamespace(decoder=decoder)
    )
    callback = CudaGraphs(rows=2)
    callback.on_fit_start(engine, module)
    return callback


def test_on_the_cpu_a_note_and_the_same_weights(tmp_path, capsys):
    hashes = []
    for callbacks in ([], [CudaGraphs()]):
        parts = small(FED)
        trainer(tmp_path, callbacks=callbacks, max_epochs=1).fit(
            parts.module, datamodule=parts.data
        )
        hashes.append(weights_hash(parts.module))
    assert hashes[0] == hashes[1]
    assert capsys.readouterr().err == "note: no CUDA graphs: training runs on the cpu\n"


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"processes": 2}, "in 2 processes"),
        ({"batches": 4}, "accumulate_grad_batches is above 1"),
        ({"fed": False}, "all steps are one call already"),
    ],
)
def test_a_note_says_why_not(capsys, settings, note):
    fed = settings.pop("fed", True)
    decoder = small(*[FED] * fed).module.model.decoder
    started(decoder, **settings)
    assert note in capsys.readouterr().err
    assert "readouts" not in vars(decoder)


def test_the_decoder_gets_its_own_loop_back():
    decoder = small(FED).module.model.decoder
    callback = started(decoder)
    assert isinstance(decoder.readouts, RecordedLoop)
    assert decoder.readouts.rows == 2
    callback.teardown(None, None, "fit")
    assert "readouts" not in vars(decoder)
    callback.teardown(None, None, "test")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_a_gpu_records_and_stays_finite(tmp_path):
    parts = small(FED)
    recorded = CudaGraphs()
    engine = trainer(tmp_path, callbacks=[recorded], max_epochs=3, accelerator="gpu")
    engine.fit(parts.module, datamodule=parts.data)
    assert float(engine.callback_metrics["train/loss"]) < 10
