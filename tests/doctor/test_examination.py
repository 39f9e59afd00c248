"""The doctor: every named model is sound, and each law turns red when a bug is planted that breaks it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seq2seq_lab import config
from seq2seq_lab.decoding import greedy
from seq2seq_lab.decoding.closing import Closing
from seq2seq_lab.doctor.examination import FAIL, LAWS, NOT_APPLICABLE, PASS, Law, examine
from seq2seq_lab.doctor.patient import Patient, admit
from seq2seq_lab.model import encoder, normalizer, state
from seq2seq_lab.model.attention import Attention, GeneralAttention
from seq2seq_lab.model.encoder import RecurrentEncoder
from seq2seq_lab.training import coins, module
from seq2seq_lab.training.loss import TokenCrossEntropy
from seq2seq_lab.training.module import Seq2SeqModule

IDS = [f"O{number}" for number in range(1, 15)]


def named_models() -> list[str]:
    """Return the files of conf/model that compose to a complete model."""
    names = sorted(path.stem for path in (config.conf_dir() / "model").glob("*.yaml"))
    return [name for name in names if "_target_" in config.compose([f"model={name}"])["model"]]


patient_of = functools.cache(lambda *overrides: admit(list(overrides), (1, 2, 3)))


def found(patient: Patient, *ids: str) -> dict[str, str]:
    """Return the outcome and reason of these laws, or of all."""
    laws = [law for law in LAWS if not ids or law.id in ids]
    return {v.id: f"{v.outcome} {v.reason}".strip() for v in examine(patient, tuple(laws))}


def test_the_laws_are_o1_to_o14():
    assert [law.id for law in LAWS] == IDS


@pytest.mark.parametrize("name", named_models())
def test_every_named_model_is_sound(name):
    outcomes = found(replace(patient_of(f"model={name}"), seeds=(1,)))
    silent = {i for i, told in outcomes.items() if told != PASS}
    assert all(outcomes[i].startswith(NOT_APPLICABLE) for i in silent), outcomes
    assert silent in (set(), {"O9", "O10"})  # these speak of attention only


@pytest.mark.parametrize(
    "overrides",
    [
        ("decoding=beam", "decoding/length_penalty=gnmt", "decoding.n_best=3"),
        ("decoding=diverse_beam",),
        ("decoding=sample", "decoding.n_best=2"),
        ("data.joint=true", "model.tie_output=true", "model.tie_source=true", "model.dim=64"),
        ("model=bilstm_attn", "model.num_layers=2", "model/order=before", "model.dropout=0.5"),
        ("model.num_layers=2", "model.residual=true", "model.layer_norm=true"),
        ("model.locked_dropout=0.4", "model/attention=multi_head", "model/normalizer=sparsemax"),
    ],
    ids=" ".join,
)
def test_other_ways_to_decode_tie_and_stack_are_sound(overrides):
    patient = replace(patient_of("model=lstm_attn", *overrides), seeds=(1,))
    outcomes = found(patient, *IDS[:7], "O9", "O10", "O11", "O12")
    assert set(outcomes.values()) == {PASS}, outcomes


@pytest.mark.parametrize("feeding", ["sequential", "parallel"])
@pytest.mark.parametrize(
    ("coins", "fed_token"),
    [
        ("sequence", "argmax"),
        pytest.param("batch", "sample", marks=pytest.mark.slow),
        pytest.param("token", "mixture", marks=pytest.mark.slow),
    ],
)
def test_every_feeding_is_sound_and_own_choices_but_the_likeliest_are_left_out(
    feeding, coins, fed_token
):
    parts = {"feeding": feeding, "coins": coins, "fed_token": fed_token}
    patient = patient_of("model=lstm_attn", *(f"training/{k}={v}" for k, v in parts.items()))
    outcomes = found(replace(patient, seeds=(1,)), "O6", "O7", "O8")
    assert (outcomes["O6"], outcomes["O8"]) == (PASS, PASS), outcomes
    own = f"{NOT_APPLICABLE} this feeding draws or mixes what it feeds"
    assert outcomes["O7"] == (PASS if fed_token == "argmax" else own)


def test_a_decoder_that_does_not_read_its_output_has_no_coins_to_count():
    patient = patient_of("model=gru", "model/context=every_step")
    told = f"{NOT_APPLICABLE} this decoder does not read its own output"
    assert found(patient, "O8") == {"O8": told}


def test_a_law_that_crashes_is_broken():
    def crash(patient: Patient) -> float:
        raise IndexError("out of\nrange")

    (verdict,) = examine(patient_of("model=gru"), (Law("O99", "nothing", crash),))
    assert (verdict.outcome, verdict.reason) == (FAIL, "IndexError: out of range")
    assert verdict.error is None


def test_widths_that_a_constructor_refuses_stay_as_composed(monkeypatch):
    from seq2seq_lab.doctor import patient as patient_module

    monkeypatch.setattr(
        patient_module, "shrink", lambda node: {**node, "dropout": 2, "tie_output": True}
    )
    kept = admit(["model=gru_attn", "model.dim=10"], (1,))
    assert (kept.sizes, kept.node["dim"]) == ({}, 10)


# planted bugs: each law has one at least


@dataclass(frozen=True)
class Bug:
    law: str
    plant: Callable[[pytest.MonkeyPatch], None]
    overrides: tuple[str, ...] = ("model=lstm_attn",)


def greedy_of_the_longest(patch):
    def longest(step, state, limits):
        return original(step, state, replace(limits, maximum=limits.maximum * 0 + 31))

    original = greedy.greedy
    patch.setattr(greedy, "greedy", longest)


def state_not_reordered(patch):
    def first_rows(self, rows):
        return original(self, torch.arange(len(rows)) % self.attention.shape[0])

    original = state.DecoderState.reorder
    patch.setattr(state.DecoderState, "reorder", first_rows)


def penalty_twice(patch):
    def init(self, count, rules):
        original(self, count, replace(rules, divisor=lambda n: rules.divisor(n) ** 2))

    original = Closing.__init__
    patch.setattr(Closing, "__init__", init)


def score_without_end(patch):
    def shorter(choices, count):
        return original([(r, t, s.masked_fill(t == 2, 0.0), a) for r, t, s, a in choices], count)

    original = greedy.collect
    patch.setattr(greedy, "collect", shorter)


def dropout_in_decoding(patch):
    original = F.dropout
    patch.setattr(F, "dropout", lambda x, p=0.5, training=True, inplace=False: original(x, p))


def no_mask(patch):
    patch.setattr(normalizer, "only_real", lambda scores, mask: scores)


def mask_after_softmax(patch):
    def after(self, scores, mask):
        return torch.softmax(scores, dim=-1).masked_fill(~mask.unsqueeze(1), 0.0)

    patch.setattr(normalizer.Normalizer, "__call__", after)


def cut_gradient(patch):
    from seq2seq_lab.model.decoder import RecurrentDecoder

    def cut(self, embedded, state):
        logits, state = original(self, embedded, state)
        return logits, replace(state, hidden=state.hidden.detach())

    original = RecurrentDecoder.step_embedded
    patch.setattr(RecurrentDecoder, "step_embedded", cut)


def inverted_ratio(patch):
    original = coins.throw
    patch.setattr(coins, "throw", lambda shape, ratio, g: original(shape, 1 - ratio, g))


def one_coin_per_batch(patch):
    original = coins.throw
    patch.setattr(coins, "throw", lambda shape, *rest: original((1, 1), *rest).expand(shape))


def coins_of_a_sentence_apart(patch):
    patch.setattr(coins.Sequence, "__call__", coins.Token.__call__)


def ratio_in_validation(patch):
    def evaluate(self, batch, split):
        logits = self.feeding(self.model, batch, self.teacher_forcing(0, 0), self.coins)
        targets = batch.target_output[batch.target_mask]
        self._add(split, F.cross_entropy(logits, targets, reduction="sum"), len(targets))

    patch.setattr(Seq2SeqModule, "_evaluate", evaluate)


def accepts_nothing_to_read(patch):
    def prepare(self, memory):
        values = memory.states.masked_fill(~memory.mask.unsqueeze(-1), 0.0)
        return state.AttentionKeys(self.keys(values), values, memory.mask)

    patch.setattr(Attention, "prepare", prepare)


def wrong_formula(patch):
    original = GeneralAttention.score
    patch.setattr(GeneralAttention, "score", lambda self, q, k: 2 * original(self, q, k))


def backward_from_the_padding(patch):
    patch.setattr(encoder, "pack_padded_sequence", lambda inputs, *_, **__: inputs)
    patch.setattr(encoder, "pad_packed_sequence", lambda outputs, **_: (outputs, None))


def layers_and_directions_mixed(patch):
    def mixed(self, state):
        return state.unflatten(1, (self.directions, self.num_layers)).transpose(1, 2).flatten(2)

    patch.setattr(RecurrentEncoder, "_join_directions", mixed)


def forgotten_parameter(patch):
    def init(self, *sizes, **settings):
        original(self, *sizes, **settings)
        self.forgotten = nn.Parameter(torch.zeros(3))

    original = GeneralAttention.__init__
    patch.setattr(GeneralAttention, "__init__", init)


def smoothed_perplexity(patch):
    patch.setattr(module, "negative_log_likelihood", TokenCrossEntropy(0.3))


def smoothing_over_the_others(patch):
    original = TokenCrossEntropy.forward

    def others(self, logits, targets):
        size = logits.shape[-1]
        wrong = TokenCrossEntropy(self.label_smoothing * size / (size - 1))
        return original(wrong, logits, targets)

    patch.setattr(TokenCrossEntropy, "forward", others)


def mean_of_batch_means(patch):
    patch.setattr(Seq2SeqModule, "on_before_optimizer_step", lambda self, optimizer: None)


TWO_WAYS = ("model=bilstm_attn", "model.num_layers=2")
BUGS = [
    Bug("O1", greedy_of_the_longest),
    Bug("O2", state_not_reordered),
    Bug("O2", penalty_twice),
    Bug("O3", score_without_end),
    Bug("O4", dropout_in_decoding),
    Bug("O4", state_not_reordered, ("model=lstm_attn", "decoding=beam")),
    Bug("O5", no_mask),
    Bug("O5", backward_from_the_padding, TWO_WAYS),
    Bug("O6", cut_gradient),
    Bug("O7", inverted_ratio),
    Bug("O8", inverted_ratio),
    Bug("O8", one_coin_per_batch),
    Bug("O8", one_coin_per_batch, ("model=gru", "training/coins=sequence")),
    Bug("O8", coins_of_a_sentence_apart, ("model=gru", "training/coins=sequence")),
    Bug("O8", ratio_in_validation),
    Bug("O9", mask_after_softmax),
    Bug("O9", accepts_nothing_to_read),
    Bug("O10", wrong_formula),
    Bug("O11", backward_from_the_padding, TWO_WAYS),
    Bug("O11", layers_and_directions_mixed, TWO_WAYS),
    Bug("O12", forgotten_parameter),
    Bug("O13", smoothed_perplexity),
    Bug("O13", smoothing_over_the_others, ("model=gru", "training.loss.label_smoothing=0.1")),
    Bug("O14", mean_of_batch_means),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.law}-{bug.plant.__name__}")
def test_planted_bug_turns_its_law_red(bug, monkeypatch):
    patient = patient_of(*bug.overrides)
    assert found(patient, bug.law) == {bug.law: PASS}
    bug.plant(monkeypatch)
    assert found(patient, bug.law)[bug.law].startswith(FAIL)


def test_every_law_has_a_planted_bug():
    assert {bug.law for bug in BUGS} == set(IDS)
