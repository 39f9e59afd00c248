"""Exact hard attention: the sum over all alignments, its posterior, and what it takes as input."""

from dataclasses import replace
from math import log

import pytest
import torch

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.doctor.agreement import PropertyBroken
from seq2seq_lab.doctor.batches import rows_of
from seq2seq_lab.doctor.examination import FAIL
from seq2seq_lab.doctor.paths import by_steps
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model import hard_attention_decoder as module
from seq2seq_lab.model.hard_attention_decoder import log_likelihood
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.model.transition import MonotonicTransition, Transition
from seq2seq_lab.training.loss import TokenCrossEntropy, negative_log_likelihood
from seq2seq_lab.training.scheduled_sampling.sampled_token import Mixture, StraightThroughGumbel
from seq2seq_lab.training.scheduled_sampling.sequential import sequential_logits
from seq2seq_lab.training.training_loss import teacher_forced_loss
from support.doctor_findings import found, patient_of
from support.hard_attention import equals_enumeration, model_of, tiny_batch

RULES = {
    "monotonic": [],
    "jump 1": ["model.decoder.transition.max_jump=1"],
    "free": ["model/transition=free"],
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rule", RULES)
def test_the_probability_is_the_sum_over_all_alignments(rule, seed):
    equals_enumeration(model_of(*RULES[rule], seed=seed), tiny_batch(seed))


def test_a_gru_too():
    equals_enumeration(model_of("model/cell=gru"), tiny_batch())


def one_step_back(patch):
    def allowed(self, width, mask):
        position = torch.arange(width)
        return (position.unsqueeze(0) >= position.unsqueeze(1) - 1).unsqueeze(0)

    patch.setattr(MonotonicTransition, "allowed", allowed)


def mask_after_softmax(patch):
    def call(self, scores, mask):
        allowed = self.allowed(scores.shape[2], mask) & mask.unsqueeze(1)
        moves = scores.unsqueeze(2).expand(-1, -1, scores.shape[2], -1).log_softmax(-1)
        return moves.masked_fill(~allowed.unsqueeze(1), -1e30)

    patch.setattr(Transition, "__call__", call)


def no_posterior(patch):
    patch.setattr(module, "posterior", lambda prior, likelihood: prior)


def posterior_of_the_emission_alone(patch):
    patch.setattr(module, "posterior", lambda prior, likelihood: likelihood.log_softmax(-1))


def best_alignment_alone(patch):
    def best(posterior, transition):
        return (posterior.unsqueeze(-1) + transition).amax(dim=-2).log_softmax(-1)

    patch.setattr(module, "advance", best)


def mean_of_logarithms(patch):
    def geometric(prior, emission):
        return (prior.exp().unsqueeze(-1) * emission).sum(dim=-2)

    patch.setattr(module, "marginal", geometric)


BUGS = [
    one_step_back,
    mask_after_softmax,
    no_posterior,
    posterior_of_the_emission_alone,
    best_alignment_alone,
    mean_of_logarithms,
]


@pytest.mark.parametrize("plant", BUGS)
def test_enumeration_finds_a_planted_bug(plant, monkeypatch):
    model = model_of()
    plant(monkeypatch)
    with pytest.raises(PropertyBroken):
        equals_enumeration(model, tiny_batch())


def test_the_probabilities_of_all_strings_sum_to_one():
    """Of all strings of two tokens: what the first token tells about the alignment enters the second step."""
    model, one = model_of(), rows_of(tiny_batch(), [0])
    rows = 13
    with torch.no_grad():
        source = one.source.expand(rows, -1)
        first = torch.ones(rows, 1, dtype=torch.long)
        given = torch.cat([first, torch.arange(rows).unsqueeze(1)], dim=1)
        logs = model(source, one.source_lengths.expand(rows), given)
    both = logs[0, 0].unsqueeze(1) + logs[:, 1]
    assert both.exp().sum().item() == pytest.approx(1.0, abs=1e-12)


def test_attention_is_the_same_in_a_step_and_in_all_steps():
    model, batch = model_of(), tiny_batch()
    whole = model.attention_weights(batch.source, batch.source_lengths, batch.target_input)
    torch.testing.assert_close(by_steps(model, batch)[1], whole[:, 0], rtol=0, atol=1e-12)


def test_no_alignment_goes_back():
    """Where a token can only come from the last position, the following ones do too: the mass before it is 0."""
    prior = torch.tensor([[0.3, 0.7]], dtype=torch.float64).log()
    seen = module.posterior(prior, torch.tensor([[-1e30, 0.0]], dtype=torch.float64))
    scores = torch.tensor([[[9.0, -9.0]]], dtype=torch.float64)
    rule = MonotonicTransition()(scores, torch.ones(1, 2, dtype=torch.bool))
    assert module.advance(seen, rule[:, 0]).exp().tolist() == [[0.0, 1.0]]


def emission_and_weights() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    size = {"dtype": torch.float64, "generator": generator}
    emission = torch.randn(2, 1, 3, 7, **size).log_softmax(-1)
    return emission, torch.rand(2, 1, 7, **size).softmax(-1)


def test_the_likelihood_of_a_mixture_is_the_mean():
    emission, weights = emission_and_weights()
    log_of = log_likelihood(emission, weights)
    for row in range(2):
        expected = [
            log(sum(w * p for w, p in zip(weights[row, 0].tolist(), one, strict=True)))
            for one in emission[row, 0].exp().tolist()
        ]
        shift = log_of[row, 0, 0].item() - expected[0]
        assert log_of[row, 0].tolist() == pytest.approx([e + shift for e in expected], abs=1e-12)


def test_weights_of_zero_have_a_gradient():
    """That of log sum_v w_v p_v, which is p_v / p of the token that is there."""
    emission, _ = emission_and_weights()
    weights = torch.nn.functional.one_hot(torch.tensor([[2], [5]]), 7).double().requires_grad_()
    log_likelihood(emission, weights)[..., 1].sum().backward()
    for row, token in enumerate((2, 5)):
        one = emission[row, 0, 1].exp()
        torch.testing.assert_close(weights.grad[row, 0], one / one[token])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_token_that_is_impossible_everywhere_leaves_finite_numbers(kind):
    emission = torch.tensor([[[[0.0, -2e4], [0.0, -1e4]]]], dtype=kind, requires_grad=True)
    reached = module.posterior(
        torch.tensor([[0.5, 0.5]], dtype=kind).log(),
        log_likelihood(emission, torch.tensor([[[0.0, 1.0]]], dtype=kind))[:, 0],
    )
    assert reached.exp()[0].tolist() == pytest.approx([0.0, 1.0], abs=1e-30)
    reached.sum().backward()
    assert emission.grad.isfinite().all()


@pytest.mark.parametrize("sampled", [Mixture(), StraightThroughGumbel()])
def test_scheduled_sampling_with_weights_trains_everything(sampled):
    model, batch = model_of(), tiny_batch()
    generator = torch.Generator().manual_seed(1)
    never = torch.zeros_like(batch.target_mask)
    logits = sequential_logits(model, batch, never, sampled, generator)
    negative_log_likelihood(logits, batch.targets).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_one_hot_weights_are_the_token():
    model, batch = model_of(), tiny_batch()
    tokens = batch.target_input[:, 1]
    weights = torch.nn.functional.one_hot(tokens, 13).double()
    embedded = model.decoder.embed(tokens.unsqueeze(1))[:, 0]
    torch.testing.assert_close(model.decoder.mix(weights), embedded)


OTHERS = [
    ["model/transition=free", "model/attention=additive"],
    ["model/context=every_step", "model/bridge=mean", "decoding=beam"],
    ["training/scheduled_sampling=parallel", "model.tie_output=true", "model.embedding_dim=128"],
]
MORE = [
    ["model/attention=uniform", "model/cell=gru", "model.decoder.transition.max_jump=1"],
    ["model/attention=dot", "model.num_layers=2", "model/readout=deep", "model.locked_dropout=0.2"],
]


@pytest.mark.parametrize(
    "overrides",
    [*OTHERS, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE)],
    ids=" ".join,
)
def test_the_doctor_finds_nothing_with_other_parts(overrides):
    patient = replace(patient_of("model=hard_monotonic", *overrides), seeds=(1,))
    wrong = {name: text for name, text in found(patient).items() if text.startswith(FAIL)}
    assert not wrong


def test_the_doctor_finds_nothing():
    verdicts = found(patient_of("model=hard_monotonic"))
    assert verdicts.pop("O25") == "not applicable this model does not copy"
    assert set(verdicts.values()) == {"PASS"}


def test_the_loss_is_that_of_the_log_probabilities():
    """The fused output layer knows one vector per token, which this decoder does not have."""
    model, batch = model_of(), tiny_batch()
    logs = model(batch.source, batch.source_lengths, batch.target_input)
    expected = -sum(
        logs[row, step, batch.target_output[row, step]]
        for row, step in batch.target_mask.nonzero().tolist()
    )
    torch.testing.assert_close(teacher_forced_loss(model, batch, TokenCrossEntropy()), expected)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["model/readout=state"], "model/readout=state_context or deep"),
        (["model/attention=none"], "NoAttention with hard attention: only the scores of one"),
        (["model/attention=coverage"], "CoverageAttention with hard attention"),
        (["model/attention=local_p"], "use model/attention=general, dot"),
        (["model/attention=multi_head"], "MultiHeadAttention with hard attention"),
        (["model/normalizer=sparsemax"], "the chosen model has no such part"),
        (["model/order=before"], "the chosen model has no such part"),
        (["model.decoder.transition.max_jump=0"], "max_jump=0: must be >= 1"),
    ],
)
def test_what_makes_no_transitions_is_refused_before_data_are_read(overrides, reason):
    with pytest.raises(ConfigError, match=reason):
        check(compose_config(["model=hard_monotonic", *overrides]))


def test_several_seeds_at_once_are_refused():
    with pytest.raises(NotImplementedError, match="HardAttentionDecoder has no form for several"):
        Seedwise([model_of(seed=1)])
