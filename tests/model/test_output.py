"""The copy mechanism: its formula, its gradients, what it refuses, and that nothing fast goes past it."""

import math
from dataclasses import replace

import pytest
import torch

from seq2seq_lab.batch import pick
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.doctor.agreement import PropertyBroken
from seq2seq_lab.doctor.copying import generate_only, output_is_the_mixture
from seq2seq_lab.doctor.patient import admit
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model import output as module
from seq2seq_lab.model.ensemble import Ensemble
from seq2seq_lab.model.kernel.graph import reason_against
from seq2seq_lab.model.output import CopyOutput, GenerateOutput, copy_mass, log_add
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.loss import TokenCrossEntropy, negative_log_likelihood
from seq2seq_lab.training.training_loss import teacher_forced_loss

COPY = ("model/output=copy", "data.joint=true")
MODELS = [
    ("model=lstm_attn",),
    ("model=gru_attn", "model/order=before", "model/attention=additive"),
    ("model=lstm_attn", "model/attention=coverage", "model.decoder.input_feeding=true"),
    ("model=rnn_attn", "model/attention=local_p", "model/normalizer=sparsemax"),
    ("model=gru_attn", "model/attention=multi_head", "model/order=before"),
    ("model=bilstm_attn", "model/attention=uniform"),
    ("model=lstm_attn", "model.encoder.reverse_source=true"),
    ("model=transformer",),
    ("model=rnn_transformer",),
    ("model=transformer_rnn",),
]


def patient_of(*overrides, seeds=(1,)):
    return admit([*COPY, *overrides], seeds)


def copying(*overrides):
    patient = patient_of(*(overrides or MODELS[0]))
    return patient.model(1), patient.batch(1)


@pytest.mark.parametrize("overrides", MODELS, ids=lambda names: " ".join(names))
def test_the_output_is_the_mixture_that_a_loop_over_floats_gives(overrides):
    assert output_is_the_mixture(*copying(*overrides)) < 1e-10


def test_two_positions_with_one_word_add_up():
    """p = 1/2 softmax + 1/2 copy: the gate is 0, all logits are equal, word 3 stands at two positions."""
    copy = CopyOutput(2).double()
    torch.nn.init.zeros_(copy.gate.weight)
    torch.nn.init.zeros_(copy.gate.bias)
    attention = torch.tensor([[0.2, 0.5, 0.3, 0.0]], dtype=torch.float64)
    tokens = torch.tensor([[3, 1, 3, 0]])
    logits = torch.zeros(1, 5, dtype=torch.float64)
    found = copy(logits, torch.ones(1, 2, dtype=torch.float64), attention, tokens).exp()
    assert found[0].tolist() == pytest.approx([0.1, 0.1 + 0.25, 0.1, 0.1 + 0.25, 0.1], abs=1e-15)


def overwritten(attention, tokens, vocab):
    return attention.new_zeros(*attention.shape[:-1], vocab).scatter(-1, tokens, attention)


def next_position(attention, tokens, vocab):
    return copy_mass(attention, tokens.roll(1, dims=-1), vocab)


def unweighted(attention, tokens, vocab):
    return copy_mass(torch.ones_like(attention) / attention.shape[-1], tokens, vocab)


@pytest.mark.parametrize("bug", [overwritten, next_position, unweighted])
def test_planted_bugs_in_the_copied_mass_are_caught(bug, monkeypatch):
    model, batch = copying()
    batch = replace(batch, source=batch.source.clone())
    batch.source[0, 1] = batch.source[0, 0]  # a word that stands twice
    assert output_is_the_mixture(model, batch) < 1e-10
    model, _ = copying()
    monkeypatch.setattr(module, "copy_mass", bug)
    with pytest.raises(PropertyBroken):
        output_is_the_mixture(model, batch)


def test_planted_gate_the_wrong_way_round_is_caught(monkeypatch):
    model, batch = copying()
    forward = CopyOutput.forward

    def inverted(self, logits, readout, attention, tokens):
        return forward(self, logits, -readout, attention, tokens)

    monkeypatch.setattr(CopyOutput, "forward", inverted)
    with pytest.raises(PropertyBroken, match="mixture"):
        output_is_the_mixture(model, batch)


def test_the_sum_in_log_space_is_torchs_with_its_gradients():
    a, b = torch.tensor([[0.0, 1.0, -1e4, 0.5, -3.0], [0.0, 1e4, -1e4, -2.0, 9.0]]).double()
    found, expected = [], []
    for function, into in ((log_add, found), (torch.logaddexp, expected)):
        pair = a.clone().requires_grad_(), b.clone().requires_grad_()
        values = function(*pair)
        into.extend([values.detach(), *torch.autograd.grad(values.sum(), pair)])
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-14)


def test_gradients_equal_finite_differences():
    copy = CopyOutput(3).double()
    tokens = torch.tensor([[4, 2, 4, 1, 0], [3, 3, 3, 2, 6]])
    given = [torch.randn(2, n, dtype=torch.float64, requires_grad=True) for n in (7, 3, 5)]

    def function(logits, readout, scores, *_parameters):
        weights = scores.softmax(dim=-1)
        return copy(logits, readout, weights, tokens)

    assert torch.autograd.gradcheck(function, (*given, *copy.parameters()))


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_float32_stays_finite_with_weights_of_zero_and_extreme_scores(size):
    copy = CopyOutput(1)
    torch.nn.init.ones_(copy.gate.weight)
    for sign in (1.0, -1.0):
        logits = (torch.arange(5.0) * size).unsqueeze(0).requires_grad_()
        readout = torch.tensor([[sign * size]], requires_grad=True)
        attention = torch.tensor([[0.0, 1e-45, 1.0]], requires_grad=True)
        found = copy(logits, readout, attention, torch.tensor([[1, 2, 3]]))
        assert found.isfinite().all()
        assert float(found.detach().exp().sum()) == pytest.approx(1.0, abs=1e-5)
        negative_log_likelihood(found, torch.tensor([3])).backward()
        assert logits.grad.isfinite().all()
        assert readout.grad.isfinite().all()
        assert attention.grad.isfinite().all()


def test_half_precision_gives_float32_probabilities():
    for overrides in (MODELS[0], MODELS[7]):
        model, batch = copying(*overrides)
        expected = model(batch.source, batch.source_lengths, batch.target_input)
        found = model.bfloat16()(batch.source, batch.source_lengths, batch.target_input)
        assert found.dtype is torch.float32
        sums = found.exp().sum(dim=-1)
        assert torch.allclose(sums, torch.ones_like(sums), atol=0.01)  # the weights are halves
        assert torch.allclose(found.exp(), expected.exp().float(), atol=0.2)


def test_the_fused_loss_does_not_go_past_the_copy_mechanism():
    for overrides in (MODELS[0], MODELS[7]):
        model, batch = copying(*overrides)
        found = teacher_forced_loss(model, batch, TokenCrossEntropy(0.1))
        logits = model(batch.source, batch.source_lengths, batch.target_input)
        expected = torch.nn.functional.cross_entropy(
            pick(logits, batch.places), batch.targets, label_smoothing=0.1, reduction="sum"
        )
        assert float(found) == pytest.approx(float(expected), abs=1e-10)
        generate_only(model)
        assert not math.isclose(
            float(teacher_forced_loss(model, batch, TokenCrossEntropy(0.1))), float(expected)
        )


def test_an_ensemble_may_hold_copying_and_other_models():
    batch = patient_of().batch(1)
    members = [
        copying(*MODELS[0])[0],
        admit(["model=transformer", "data.joint=true"], (1,)).model(2),
    ]
    request = Request(
        batch.source_lengths, torch.arange(len(batch)), [[] for _ in range(len(batch))]
    )
    whole = Ensemble(members)
    with torch.no_grad():
        state = whole.initial_state(whole.encode(batch.source, batch.source_lengths))
        _, state = whole.step(batch.target_input[:, 0], state)
        each = [m(batch.source, batch.source_lengths, batch.target_input)[:, 0] for m in members]
        state = whole.initial_state(whole.encode(batch.source, batch.source_lengths))
        found = whole.step(batch.target_input[:, 0], state)[0].exp()
        mean = sum(one.softmax(dim=-1) for one in each) / 2
        assert torch.allclose(found, mean, atol=1e-10)
        hypotheses = Beam(beam_size=3, max_ratio=1.0, max_extra=3)(
            whole.stepper(), whole.initial_state(whole.encode(batch.source, batch.source_lengths)), request
        )  # fmt: skip
    assert len(hypotheses) == len(batch)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model/output=copy",), "needs data.joint=true"),
        ((*COPY, "model/attention=none"), "without attention.*model/attention=additive"),
        ((*COPY, "model=lstm"), "without attention"),
        ((*COPY, "model/output=paste"), "paste"),
    ],
)
def test_what_cannot_copy_is_refused_before_data_are_read(overrides, message):
    with pytest.raises(ConfigError, match=message):
        check(compose_config(list(overrides)))


def test_an_encoder_without_source_ids_is_refused():
    for overrides in (MODELS[0], MODELS[7]):
        model, batch = copying(*overrides)
        memory = model.encode(batch.source, batch.source_lengths)
        with pytest.raises(ValueError, match="gives no source ids"):
            model.initial_state(replace(memory, tokens=None))


def test_several_seeds_at_once_and_recorded_loops_are_refused():
    model, _ = copying(*MODELS[1])
    with pytest.raises(NotImplementedError, match="CopyOutput has no form for several seeds"):
        Seedwise([model, model])
    assert "copy" in (reason_against(model.decoder) or "")
    for kind in (CopyOutput, GenerateOutput):
        with pytest.raises(ValueError, match="dim=0"):
            kind(0)
