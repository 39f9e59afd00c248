"""Properties O1 and O2: a beam of one is greedy search, and a beam of full width finds what enumeration finds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import product
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.length_penalty import GnmtPenalty, NoPenalty, PowerPenalty
from seq2seq_lab.decoding.limits import SearchSettings
from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.doctor.batches import rows_of
from seq2seq_lab.doctor.searching import request_of, same_hypotheses, search_all
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import BOS, EOS, NUM_SPECIAL_TOKENS

LONGEST = 4
WORDS = range(NUM_SPECIAL_TOKENS, NUM_SPECIAL_TOKENS + 3)
STRINGS = sum(len(WORDS) ** n for n in range(LONGEST + 1))


def beam_of_one_is_greedy(model: EncoderDecoder, batch: Batch, search: Any) -> float:
    """O1: tokens, scores and attention of a beam of one = those of greedy search, under the composed limits."""
    names = [f.name for f in fields(SearchSettings)]
    limits = {name: getattr(search, name) for name in names if hasattr(search, name)}
    narrow = search_all(model, batch, Beam(beam_size=1, **limits))
    return same_hypotheses(narrow, search_all(model, batch, Greedy(**limits)), "beam of one")


@dataclass(frozen=True)
class String:
    """One of all strings with its teacher-forced score."""

    tokens: tuple[int, ...]
    score: float
    finished: bool

    def rank(self, divisor: Callable[[int], float]) -> float:
        """Return the score under a length penalty."""
        return self.score / divisor(len(self.tokens) + self.finished)


def narrowed(logits: Tensor) -> Tensor:
    """Return the logits with -inf for all but the few words and the end token."""
    few = torch.full_like(logits, -math.inf)
    few[..., [EOS, *WORDS]] = logits[..., [EOS, *WORDS]]
    return few


@torch.no_grad()
def every_string(model: EncoderDecoder, one: Batch) -> list[String]:
    """Score all strings of the words: those that end in time, and those cut at the limit."""
    full = list(product(WORDS, repeat=LONGEST))
    given = torch.tensor([(BOS, *words) for words in full])
    count = len(full)
    lengths = one.source_lengths.expand(count)
    logits = model(one.source.expand(count, -1), lengths, given[:, :-1])
    logs = narrowed(logits).log_softmax(-1)
    words = logs.gather(2, given[:, 1:].unsqueeze(2)).squeeze(2).cumsum(dim=1).tolist()
    ends = logs[:, :, EOS].tolist()
    strings: dict[tuple[tuple[int, ...], bool], float] = {}
    for row, tokens in enumerate(full):
        for n in range(LONGEST):
            before = words[row][n - 1] if n else 0.0
            strings[tokens[:n], True] = before + ends[row][n]
        strings[tokens, False] = words[row][-1]
    return [String(tokens, score, done) for (tokens, done), score in strings.items()]


def full_beam_is_enumeration(model: EncoderDecoder, batch: Batch, search: Any) -> float:
    """O2: a beam of full width returns the best string, and all strings in order, under each length penalty."""
    composed = getattr(search, "length_penalty", None)
    penalties = [
        NoPenalty(),
        GnmtPenalty(0.6),
        PowerPenalty(1.0),
        *([composed] if composed else []),
    ]
    one, worst = rows_of(batch, [0]), 0.0
    every = every_string(model, one)

    read = model.stepper()

    def step(token: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = read(token, state)
        return narrowed(logits), state

    for penalty, n_best in product(penalties, (1, STRINGS)):
        beam = Beam(
            beam_size=STRINGS,
            n_best=n_best,
            length_penalty=penalty,
            max_ratio=0.0,
            max_extra=LONGEST,
        )
        with torch.no_grad():
            state = model.initial_state(model.encode(one.source, one.source_lengths))
            found = beam(step, state, request_of(one.source_lengths))[0]
        by_rank = [((s.finished, s.rank(penalty.divisor)), s) for s in every]
        strings = [s for _, s in sorted(by_rank, key=itemgetter(0), reverse=True)][:n_best]
        tokens = [(tuple(f.tokens.tolist()), f.finished) for f in found]
        what = f"{n_best} best with {type(penalty).__name__}"
        same = tokens == [(s.tokens, s.finished) for s in strings]
        demand(same, f"{what}: not the strings of the enumeration in its order")
        worst = max(worst, agree([f.score for f in found], [s.score for s in strings], what))
    return worst
