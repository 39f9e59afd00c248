"""Each check of the doctor fails when a bug is planted that breaks its property."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seq2seq_lab.decoding import greedy
from seq2seq_lab.decoding.beam_state import EndedHypotheses
from seq2seq_lab.doctor.examination import FAIL, PASS
from seq2seq_lab.model import feature_encoder, normalizer, output, state
from seq2seq_lab.model import recurrent_encoder as encoder
from seq2seq_lab.model.attention import Attention, GeneralAttention
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.training import module
from seq2seq_lab.training.loss import TokenCrossEntropy
from seq2seq_lab.training.module import Seq2SeqModule
from seq2seq_lab.training.scheduled_sampling import unit
from support.doctor_findings import IDS, found, patient_of


@dataclass(frozen=True)
class Bug:
    property: str
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
    def init(self, longest, rules):
        original(self, longest, replace(rules, divisor=lambda n: rules.divisor(n) ** 2))

    original = EndedHypotheses.__init__
    patch.setattr(EndedHypotheses, "__init__", init)


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
    from seq2seq_lab.model.recurrent_decoder import RecurrentDecoder

    def cut(self, weights, embedded, state):
        logits, state = original(self, weights, embedded, state)
        return logits, replace(state, hidden=state.hidden.detach())

    original = RecurrentDecoder._step
    patch.setattr(RecurrentDecoder, "_step", cut)


def inverted_ratio(patch):
    original = unit.bernoulli
    patch.setattr(unit, "bernoulli", lambda shape, ratio, g: original(shape, 1 - ratio, g))


def one_draw_per_batch(patch):
    original = unit.bernoulli
    patch.setattr(unit, "bernoulli", lambda shape, *rest: original((1, 1), *rest).expand(shape))


def one_draw_per_token_of_a_sequence(patch):
    patch.setattr(unit.Sequence, "__call__", unit.Token.__call__)


def ratio_in_validation(patch):
    def evaluate(self, batch, split):
        sampling = self.scheduled_sampling
        ratio = sampling.schedule(0, 0)
        logits = sampling(self.model, batch, ratio, self.sampling_generator)
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
    patch.setattr(encoder, "pack", lambda embedded, _: embedded)
    patch.setattr(encoder, "unpack", lambda outputs, _: outputs)


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


def text_read_after_its_features(patch):
    patch.setattr(feature_encoder, "shifted", lambda values, by, fill: values)


def features_under_the_padding(patch):
    def all_real(lengths, width):
        return torch.ones(len(lengths), width, dtype=torch.bool)

    patch.setattr(feature_encoder, "mask_from_lengths", all_real)


def features_without_summary(patch):
    def forward(self, ids, lengths):
        memory = original(self, ids, lengths)
        return replace(memory, hidden=0 * memory.hidden.detach())

    original = feature_encoder.SetEncoder.forward
    patch.setattr(feature_encoder.SetEncoder, "forward", forward)


def smoothed_perplexity(patch):
    patch.setattr(module, "UNSMOOTHED", TokenCrossEntropy(0.3))


def smoothing_over_the_others(patch):
    original = TokenCrossEntropy.forward

    def others(self, logits, targets):
        size = logits.shape[-1]
        wrong = TokenCrossEntropy(self.label_smoothing * size / (size - 1))
        return original(wrong, logits, targets)

    patch.setattr(TokenCrossEntropy, "forward", others)


def mean_of_batch_means(patch):
    patch.setattr(Seq2SeqModule, "on_before_optimizer_step", lambda self, optimizer: None)


FEATURES = ("model/feature_encoder=set", "data/tokenizer@data.source_tokenizer=features")


def copied_from_the_next_position(patch):
    original = output.copy_mass
    patch.setattr(
        output, "copy_mass", lambda weights, tokens, n: original(weights.roll(1, -1), tokens, n)
    )


def gate_left_out_of_copying(patch):
    original = output.copy_mass
    patch.setattr(output, "copy_mass", lambda *given: 0.5 * original(*given))


COPYING = ("model=lstm_attn", "model/output=copy", "data.joint=true")
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
    Bug("O5", features_under_the_padding, FEATURES),
    Bug("O6", cut_gradient),
    Bug("O7", inverted_ratio),
    Bug("O8", inverted_ratio),
    Bug("O8", one_draw_per_batch),
    Bug("O8", one_draw_per_batch, ("model=gru", "training/scheduled_sampling/unit=sequence")),
    Bug(
        "O8",
        one_draw_per_token_of_a_sequence,
        ("model=gru", "training/scheduled_sampling/unit=sequence"),
    ),
    Bug("O8", ratio_in_validation),
    Bug("O9", mask_after_softmax),
    Bug("O9", accepts_nothing_to_read),
    Bug("O10", wrong_formula),
    Bug("O11", backward_from_the_padding, TWO_WAYS),
    Bug("O11", layers_and_directions_mixed, TWO_WAYS),
    Bug("O11", text_read_after_its_features, FEATURES),
    Bug("O12", forgotten_parameter),
    Bug("O12", features_without_summary, ("model=lstm", *FEATURES)),
    Bug("O13", smoothed_perplexity),
    Bug("O13", smoothing_over_the_others, ("model=gru", "training.loss.label_smoothing=0.1")),
    Bug("O14", mean_of_batch_means),
    Bug("O25", copied_from_the_next_position, COPYING),
    Bug("O25", gate_left_out_of_copying, (*COPYING[1:], "model=transformer")),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.property}-{bug.plant.__name__}")
def test_planted_bug_breaks_its_property(bug, monkeypatch):
    patient = patient_of(*bug.overrides)
    assert found(replace(patient, seeds=(1,)), bug.property) == {bug.property: PASS}
    bug.plant(monkeypatch)
    assert found(patient, bug.property)[bug.property].startswith(FAIL)


def test_every_property_of_the_doctor_has_a_planted_bug():
    assert {bug.property for bug in BUGS} == set(IDS)
