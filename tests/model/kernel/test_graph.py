"""A decoder's loop from recorded graphs equals the plain loop, whatever the padding up to the bucket."""

import copy
from dataclasses import replace

import pytest
import torch

from seq2seq_lab.model.kernel import graph
from seq2seq_lab.model.kernel.graph import RecordedLoop, reason_against, up_to_bucket
from seq2seq_lab.training.loss import negative_log_likelihood
from support.static_graph import Recorder
from support.tiny_models import Choice, covering_choices, make_batch, make_model

LENGTHS = [((3, 5, 2), (4, 2, 6)), ((6, 1), (1, 3)), ((9, 4, 5), (3, 3, 5)), ((2, 1, 3), (3, 5, 5))]
"""The first, second and last fall into one bucket of 4 rows, 8 source and 8 target positions."""
FED = Choice(
    "lstm", "additive", "linear", "initial_state", "after", "state_context", True, "bidirectional", (1, 1), (6, 6)
)  # fmt: skip


def with_loops():
    """Return combinations in which any two options meet and something feeds back; without random numbers."""
    quiet = [
        replace(c, stack="layer_norm") if c.stack in ("locked", "all") else c
        for c in covering_choices(1)
    ]
    loops = [c for c in dict.fromkeys(quiet) if reason_against(make_model(c).decoder) is None]
    return [
        c if i % 6 == 0 else pytest.param(c, marks=pytest.mark.slow) for i, c in enumerate(loops)
    ]


def losses_and_gradients(model, lengths=LENGTHS, device="cpu"):
    """Return of each batch its loss and the gradients of all parameters."""
    found = []
    for seed, (sources, targets) in enumerate(lengths):
        batch = make_batch(sources, targets, seed).to(torch.device(device))
        model.zero_grad(set_to_none=True)
        logits = model(batch.source, batch.source_lengths, batch.target_input, batch.places)
        loss = negative_log_likelihood(logits, batch.targets)
        loss.backward()
        gradients = {
            name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
        found.append({"loss": loss.detach(), **gradients})
    return found


def recorded(model, **settings):
    """Let the model's decoder run through recorded loops, on the CPU; return what was recorded."""
    recorder = settings.setdefault("record", Recorder())
    model.decoder.readouts = RecordedLoop(model.decoder, 4, 8, **settings)
    return recorder


def check_equal(model, recorder):
    plain = losses_and_gradients(copy.deepcopy(model).train())
    recorded(model.train(), record=recorder)
    torch.testing.assert_close(losses_and_gradients(model), plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("choice", with_loops(), ids=str)
def test_replays_equal_the_plain_loop(choice):
    recorder = Recorder()
    check_equal(make_model(choice), recorder)
    assert [tape.replays for tape in recorder.tapes] == [3, 1]


class WithoutRefill(Recorder):
    """A recorder that replays the first batch for ever: the planted bug."""

    def __call__(self, module, samples, **settings):
        replay = super().__call__(module, samples, **settings)
        self.tapes[-1].refill = lambda inputs: None
        return replay


def test_a_replay_of_old_inputs_is_found():
    with pytest.raises(AssertionError):
        check_equal(make_model(FED), WithoutRefill())


def test_padding_that_counts_as_source_is_found(monkeypatch):
    def without_mask(embedded, memory, *sizes, padded=graph.padded):
        inputs = list(padded(embedded, memory, *sizes))
        inputs[2] = torch.ones_like(inputs[2])
        return tuple(inputs)

    monkeypatch.setattr(graph, "padded", without_mask)
    with pytest.raises(AssertionError):
        check_equal(make_model(FED), Recorder())


def test_evaluation_and_sizes_beyond_the_limit_run_without_a_graph():
    model = make_model(FED)
    recorder = recorded(model, most=1)
    with torch.no_grad():
        losses = [model.train(), model.eval()]
        batch = make_batch()
        for one in losses:
            one(batch.source, batch.source_lengths, batch.target_input, batch.places)
    assert recorder.tapes == []
    plain = losses_and_gradients(make_model(FED).train())
    torch.testing.assert_close(losses_and_gradients(model.train()), plain, rtol=1e-10, atol=1e-10)
    assert [tape.replays for tape in recorder.tapes] == [3]


def test_weights_that_moved_are_recorded_anew():
    model = make_model(FED).train()
    recorder = recorded(model)
    losses_and_gradients(model, LENGTHS[:1])
    output = model.decoder.cells[0].weight_ih_l0
    output.data = output.data.clone()
    losses_and_gradients(model, LENGTHS[:2])
    assert [tape.replays for tape in recorder.tapes] == [1, 2]


def test_sizes_and_reasons():
    assert [up_to_bucket(n, 8) for n in (1, 8, 9)] == [8, 8, 16]
    assert reason_against(make_model(FED).decoder) is None
    assert "one call" in reason_against(make_model(replace(FED, input_feeding=False)).decoder)
    with pytest.raises(ValueError, match="rows=0"):
        RecordedLoop(make_model(FED).decoder, rows=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: graphs are its own")
@pytest.mark.parametrize("choice", with_loops(), ids=str)
def test_graphs_of_a_gpu_equal_the_plain_loop(choice):
    model = make_model(choice).train().cuda()
    plain = losses_and_gradients(copy.deepcopy(model), device="cuda")
    model.decoder.readouts = RecordedLoop(model.decoder, 4, 8)
    for _ in range(2):  # the second time every graph is known
        found = losses_and_gradients(model, device="cuda")
        torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-9)
