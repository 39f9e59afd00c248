"""Full-width beam search against enumeration of every string."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from seq2seq_lab.decoding import beam as beam_module
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.beam_state import EndedHypotheses
from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.decoding.length_penalty import GnmtPenalty, NoPenalty, PowerPenalty
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import BOS, EOS, NUM_SPECIAL_TOKENS
from support import model_properties as properties
from support.tiny_models import covering_choices, make_batch, make_model
from support.tiny_transformers import make_any, transformer_choices

CHOICES = (*transformer_choices(), *covering_choices())
ATTENDING = next(c for c in covering_choices() if c.attention == "additive")
LONGEST = 5
WORDS = range(NUM_SPECIAL_TOKENS, NUM_SPECIAL_TOKENS + 5)
STRINGS = sum(len(WORDS) ** n for n in range(LONGEST + 1))
PENALTIES = {"0": NoPenalty(), "0.6": GnmtPenalty(0.6), "1": PowerPenalty(1.0)}


def narrowed(logits: Tensor) -> Tensor:
    """Return the logits with five words and the end token left."""
    kept = torch.full_like(logits, -math.inf)
    kept[..., [EOS, *WORDS]] = logits[..., [EOS, *WORDS]]
    return kept


@dataclass(frozen=True)
class String:
    """One of the 3,906 strings with its score from the parallel road."""

    tokens: tuple[int, ...]
    score: float
    finished: bool

    def rank(self, divisor: Callable[[int], float]) -> float:
        return self.score / divisor(len(self.tokens) + self.finished)


def every_string(model: EncoderDecoder, source: Tensor, length: Tensor) -> list[String]:
    """Score all strings of up to five words: those that end in time, and those cut at the limit."""
    full = list(product(WORDS, repeat=LONGEST))
    given = torch.tensor([(BOS, *words) for words in full])
    count = len(full)
    with torch.no_grad():
        logits = model(source.expand(count, -1), length.expand(count), given[:, :-1])
    logs = narrowed(logits).log_softmax(-1)
    words = logs.gather(2, given[:, 1:].unsqueeze(2)).squeeze(2).cumsum(dim=1).tolist()
    ends = logs[:, :, EOS].tolist()
    strings = {}
    for row, tokens in enumerate(full):
        for n in range(LONGEST):
            before = words[row][n - 1] if n else 0.0
            strings[tokens[:n], True] = before + ends[row][n]
        strings[tokens, False] = words[row][-1]
    return [String(tokens, score, done) for (tokens, done), score in strings.items()]


def search_of(model: EncoderDecoder, batch, search, row: int = 0) -> list[Hypothesis]:
    length = batch.source_lengths[row : row + 1]
    source = batch.source[row : row + 1, : int(length)]

    def step(token, state):
        logits, state = model.step(token, state)
        return narrowed(logits), state

    with torch.no_grad():
        state = model.initial_state(model.encode(source, length))
        return search(step, state, properties.request_of(length))[0]


def full_width(n_best: int, penalty, **settings) -> Beam:
    return Beam(
        beam_size=STRINGS,
        n_best=n_best,
        length_penalty=penalty,
        max_ratio=0.0,
        max_extra=LONGEST,
        **settings,
    )


def beam_equals_enumeration(seed: int, n_best: int = 20, penalties=PENALTIES) -> None:
    model, batch = make_any(CHOICES[seed % len(CHOICES)], seed=500 + seed), make_batch()
    row = seed % 3
    length = batch.source_lengths[row : row + 1]
    strings = every_string(model, batch.source[row : row + 1, : int(length)], length)
    assert len(strings) == STRINGS == 3906
    scores = {(s.tokens, s.finished): s.score for s in strings}
    for penalty in penalties.values():
        strings.sort(key=lambda s: (s.finished, s.rank(penalty.divisor)), reverse=True)
        found = search_of(model, batch, full_width(n_best, penalty), row)
        properties.assert_equal([f.score for f in found], [s.score for s in strings[:n_best]])
        ranks = [s.rank(penalty.divisor) for s in strings[:n_best]]
        properties.assert_equal([f.rank for f in found], ranks)
        # by its own score, since strings may tie: a decoder that does not read its output knows no order of words
        own = [scores[tuple(f.tokens.tolist()), f.finished] for f in found]
        properties.assert_equal([f.score for f in found], own)
        assert len({(*f.tokens.tolist(), f.finished) for f in found}) == n_best
        assert [f.finished for f in found] == [s.finished for s in strings[:n_best]]


TWENTIES = [pytest.param(n, marks=[pytest.mark.slow] if n % 60 else []) for n in range(0, 200, 20)]


@pytest.mark.parametrize("start", TWENTIES)
def test_full_width_beam_equals_enumeration_on_200_models(start):
    """`make test` runs 80 of them: Transformers first, then some of every part of the list; `make slow` the others."""
    for seed in range(start, start + 20):
        name = list(PENALTIES)[seed % 3]
        beam_equals_enumeration(seed, penalties={name: PENALTIES[name]})


@pytest.mark.slow
def test_full_width_beam_equals_enumeration_with_every_penalty_on_200_models():
    for seed in range(200):
        beam_equals_enumeration(seed)


def test_all_3906_strings_come_out_in_order():
    for seed in range(3):
        beam_equals_enumeration(seed, n_best=STRINGS)


# planted bugs


def test_planted_length_penalty_twice_is_caught(monkeypatch):
    divisor = GnmtPenalty.divisor
    monkeypatch.setattr(GnmtPenalty, "divisor", lambda self, n: divisor(self, n) ** 2)
    penalties = {"0.6": GnmtPenalty(0.6)}
    monkeypatch.setattr(
        String, "rank", lambda s, _: s.score / divisor(penalties["0.6"], len(s.tokens) + s.finished)
    )
    properties.fails_on_some_seed(lambda seed: beam_equals_enumeration(seed, penalties=penalties))


def test_planted_state_that_is_not_reordered_is_caught(monkeypatch):
    kind = type(make_model(ATTENDING).initial_state(_memory(make_model(ATTENDING))))
    original = kind.reorder

    def in_place(self, rows):
        kept = torch.arange(len(rows)).clamp(max=self.attention.shape[0] - 1)
        return original(self, kept)

    monkeypatch.setattr(kind, "reorder", in_place)
    recurrent = range(len(transformer_choices()), len(transformer_choices()) + 9)
    properties.fails_on_some_seed(beam_equals_enumeration, recurrent)


def _memory(model):
    batch = make_batch()
    return model.encode(batch.source, batch.source_lengths)


def test_planted_end_that_is_not_frozen_is_caught(monkeypatch):
    monkeypatch.setattr(beam_module, "EOS", -1)
    properties.fails_on_some_seed(beam_equals_enumeration, range(3))


def test_planted_unsorted_n_best_is_caught(monkeypatch):
    best = EndedHypotheses._different
    monkeypatch.setattr(EndedHypotheses, "_different", lambda self, *a: best(self, *a)[::-1])
    properties.fails_on_some_seed(beam_equals_enumeration, range(3))


def test_planted_stop_at_the_first_end_is_caught(monkeypatch):
    monkeypatch.setattr(EndedHypotheses, "is_done", lambda self, s, *_: self.finished[s] > 0)
    properties.fails_on_some_seed(beam_equals_enumeration, range(3))
