"""The ONNX graphs do what the model does, step after step, at sizes that the exporter never saw."""

import sys
from unittest import mock

import jaxtyping
import pytest
import torch

from seq2seq_lab.config.compose import conf_dir
from seq2seq_lab.data.collate import pad_source
from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference import onnx_export as module
from seq2seq_lab.inference.onnx_export import ENCODER, STEP, export_onnx, flatten, unflatten
from seq2seq_lab.inference.stored_model import MANIFEST
from seq2seq_lab.inference.trained import load
from seq2seq_lab.special_tokens import BOS
from support.small_runs import run_command, small, tiny_run

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

CONF = conf_dir() / "model"
NAMED = [f"model={p.stem}" for p in sorted(CONF.glob("*.yaml")) if p.stem[0] != "_"]
ATTENTIONS = [
    f"model/attention={p.stem}"
    for p in sorted((CONF / "attention").glob("*.yaml"))
    if p.stem != "none"
]
OTHERS = [
    "model/order=before model.decoder.input_feeding=true",
    "model/order=between",
    "model/context=every_step_and_output model/bridge=mean",
    "model=lstm model.encoder.reverse_source=true",
    "model/output=copy data.joint=true",
]
REFUSED = {
    "model=transformer",
    "model=rnn_transformer",
    "model/attention=location",
    "model/attention=uniform",
}
"""What the exporter cannot express: positions that count the steps, and shapes that it takes for constants."""
QUICK = {"model=lstm", "model=gru_attn", "model=transformer", "model/attention=additive", OTHERS[0]}
EVERY = [
    pytest.param(one, marks=[] if one in QUICK else pytest.mark.slow)
    for one in (*NAMED, *ATTENTIONS, *OTHERS)
]


def model_of(*overrides: str):
    """Return a model with weights large enough to make its choices differ."""
    model = small("model.dropout=0.3", *overrides).module.model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0)
    return model


@pytest.fixture(autouse=True)
def _no_shape_checks():
    """The exporter traces sizes as tensors, where the checks expect numbers."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(graph, named):
    read = {one.name for one in graph.get_inputs()}
    found = graph.run(None, {n: t.numpy() for n, t in named.items() if n in read})
    return dict(
        zip([one.name for one in graph.get_outputs()], map(torch.tensor, found), strict=True)
    )


@torch.no_grad()
def greedy_by_the_graphs(folder, model) -> None:
    """Five sentences of up to eleven tokens, nine steps: logits, attention and tokens as in the model."""
    model = model.eval()
    generator = torch.Generator().manual_seed(5)
    sizes = (11, 1, 6, 2, 9)
    source, lengths = pad_source(
        [torch.randint(4, 9, (n,), generator=generator).tolist() for n in sizes]
    )
    state = model.initial_state(model.encode(source, lengths))
    given = run(session(folder / ENCODER), {"source": source, "lengths": lengths})
    step = session(folder / STEP)
    token = torch.full((len(sizes),), BOS)
    for _ in range(9):
        logits, state = model.step(token, state)
        found = run(step, {"token": token, **given})
        assert torch.allclose(found["logits"], logits, atol=1e-4)
        assert torch.allclose(found["new.attention"], state.attention, atol=1e-5)
        assert torch.equal(most_likely(found["logits"]), most_likely(logits))
        token = most_likely(logits)
        given = {name.removeprefix("new."): one for name, one in found.items() if name != "logits"}


@pytest.mark.parametrize("choice", EVERY)
def test_the_graphs_decode_like_the_model_or_there_are_none(tmp_path, choice):
    model = model_of(*choice.split())
    if choice in REFUSED:
        with pytest.raises(ConfigError, match="the other files are exported"):
            export_onnx(model, 9, tmp_path)
        assert list(tmp_path.iterdir()) == []
        return
    gaps = export_onnx(model, 9, tmp_path)
    assert set(gaps) == {ENCODER, STEP}
    assert max(gaps.values()) < 1e-4
    greedy_by_the_graphs(tmp_path, model)


def test_planted_other_weights_are_caught(tmp_path):
    export_onnx(model_of(), 9, tmp_path)
    with pytest.raises(AssertionError):
        greedy_by_the_graphs(tmp_path, small().module.model)


def test_a_graph_that_is_off_is_refused_and_removed(tmp_path):
    with (
        mock.patch.object(module, "_gap", return_value=0.5),
        pytest.raises(ConfigError, match=r"is 0\.5 off the model"),
    ):
        export_onnx(model_of(), 9, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_the_runtime_cannot_run_is_reported(tmp_path):
    with (
        mock.patch.object(onnxruntime.InferenceSession, "run", side_effect=RuntimeError("no")),
        pytest.raises(ConfigError, match=r"cannot run encoder.onnx \(no\)"),
    ):
        export_onnx(model_of(), 9, tmp_path)


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_a_missing_library_is_reported(tmp_path, library):
    with (
        mock.patch.dict(sys.modules, {library: None}),
        pytest.raises(ConfigError, match=r"pip install 'seq2seq-lab\[onnx\]'"),
    ):
        export_onnx(model_of(), 9, tmp_path)


def test_a_state_comes_back_from_its_tensors():
    model = model_of()
    state = model.initial_state(model.encode(*pad_source([[4, 5], [6]])))
    names, tensors = zip(*flatten(state), strict=True)
    assert "source.keys.mask" in names
    again = unflatten(state, [tensor.clone() for tensor in tensors])
    assert all(torch.equal(a, b) for (_, a), b in zip(flatten(again), tensors, strict=True))


def test_the_command_writes_graphs_and_checksums(tmp_path):
    done = run_command("export", tiny_run(), "model", "--onnx", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"encoder.onnx: at most" in done.stdout
    assert STEP in (tmp_path / "model" / MANIFEST).read_text()
    greedy_by_the_graphs(tmp_path / "model", load(tmp_path / "model").translator.model)
