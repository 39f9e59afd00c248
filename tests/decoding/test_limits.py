import math
from functools import cache

import pytest
import torch
from torch import Tensor

from seq2seq_lab.decoding import limits as limits_module
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request
from seq2seq_lab.decoding.limits import Limits, SearchSettings, most_likely, repeated
from seq2seq_lab.decoding.sample import Sample
from seq2seq_lab.special_tokens import BOS, EOS, PAD, UNK
from support import model_properties as properties
from support.tiny_models import Choice, make_batch, make_model

# named, not the first of the design, which changes with every new part; it reads and repeats its output
PARTS = ("gru", "additive", "linear", "every_step_and_output", "after", "deep")
CHOICE = Choice(*PARTS, False, "reversed", (1, 1), (6, 6))
KINDS = pytest.mark.parametrize("kind", [Greedy, Beam, Sample])
VOCAB = 13


def produced(one: Hypothesis) -> list[int]:
    return [*one.tokens.tolist(), *([EOS] if one.finished else [])]


def outputs(search, prefixes: list[list[int]] | None = None, seeds=range(6)) -> list[list[int]]:
    """Return what the best hypotheses of a few random models hold, with the end token."""
    batch, found = make_batch((4, 1, 2), (2, 6, 4)), []
    lengths = batch.source_lengths
    for seed in seeds:
        model = make_model(CHOICE, seed)
        with torch.no_grad():
            state = model.initial_state(model.encode(batch.source, lengths))
            request = Request(lengths, torch.arange(3), prefixes or [[], [], []])
            found += [produced(one[0]) for one in search(model.step, state, request)]
    return found


def repeats(tokens: list[int], size: int) -> bool:
    grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return len(set(grams)) < len(grams)


@KINDS
def test_the_minimum_counts_the_end_token(kind):
    free = outputs(kind(max_ratio=0.0, max_extra=7))
    assert min(map(len, free)) < 5
    assert {len(one) for one in outputs(kind(max_ratio=0.0, max_extra=7, min_length=5))} <= {
        5,
        6,
        7,
    }


@KINDS
def test_the_minimum_grows_with_the_own_source_alone(kind):
    found = outputs(kind(max_ratio=2.0, max_extra=2, min_ratio=1.0))
    lengths = [5, 2, 3] * 6
    assert all(len(one) >= n for one, n in zip(found, lengths, strict=True))


@cache
def free_outputs(kind) -> list[list[int]]:
    """Return the outputs without a rule, for tests that plant nothing."""
    return outputs(kind(max_ratio=0.0, max_extra=12))


@KINDS
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_n_gram_comes_twice(kind, size):
    settings = {"max_ratio": 0.0, "max_extra": 12}
    assert any(repeats(one, size) for one in free_outputs(kind))
    assert not any(repeats(one, size) for one in outputs(kind(**settings, no_repeat_ngram=size)))


@KINDS
def test_unknown_is_not_written_where_it_is_not_allowed(kind):
    settings = {"max_ratio": 0.0, "max_extra": 12}
    assert any(UNK in one for one in outputs(kind(**settings), seeds=range(12)))
    assert not any(UNK in one for one in outputs(kind(**settings, allow_unknown=False)))


@KINDS
def test_pad_and_bos_are_never_written(kind):
    batch = make_batch()

    def step(token, state):
        logits, state = model.step(token, state)
        logits[:, [PAD, BOS]] += 100.0
        return logits, state

    model = make_model(CHOICE)
    with torch.no_grad():
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        found = kind()(step, state, properties.request_of(batch.source_lengths))
    assert not {PAD, BOS} & {token for (one, *_) in found for token in one.tokens.tolist()}


@KINDS
def test_an_output_starts_with_its_own_prefix(kind):
    prefixes = [[7, 8, UNK], [], [9]]
    found = outputs(kind(max_ratio=0.0, max_extra=6, allow_unknown=False), prefixes)
    assert all(one[: len(p)] == p for one, p in zip(found, prefixes * 6, strict=True))


def test_a_forced_prefix_keeps_its_log_probability():
    batch, prefixes = make_batch(), [[7, 8, UNK, 7, 8], [5], [9, 9]]
    model = make_model(CHOICE)
    search = Greedy(allow_unknown=False, no_repeat_ngram=2)
    with torch.no_grad():
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        found = search(model.step, state, Request(batch.source_lengths, torch.arange(3), prefixes))
    for row, (one,) in enumerate(found):
        length = batch.source_lengths[row : row + 1]
        given = torch.tensor([[BOS, *produced(one)]])
        with torch.no_grad():
            logits = model(batch.source[row : row + 1, : int(length)], length, given[:, :-1])
        forced = logits.log_softmax(-1)[0].gather(1, given[0, 1:].unsqueeze(1)).sum()
        properties.assert_equal(one.score, float(forced))


def test_a_prefix_longer_than_the_limit_still_fits_with_an_end_token():
    found = outputs(Greedy(max_ratio=0.0, max_extra=1), [[7] * 5, [], []])
    assert {len(one) for one in found[::3]} == {6}


# one step by hand


def limits_of(count: int = 2, **changes) -> Limits:
    zeros = torch.zeros(count, dtype=torch.long)
    parts = {"maximum": zeros + 9, "minimum": zeros, "prefix": zeros.view(-1, 1)[:, :0]}
    return Limits(**parts | changes)


def banned(limits: Limits, history: Tensor) -> list[set[int]]:
    logits = limits.apply_(torch.zeros(len(history), 6), history)
    return [{i for i, v in enumerate(row) if v == -math.inf} for row in logits.tolist()]


def test_each_sentence_has_its_own_rules_for_all_its_hypotheses():
    limits = limits_of(minimum=torch.tensor([3, 1]), prefix=torch.tensor([[PAD], [5]]))
    found = banned(limits, torch.zeros(4, 0, dtype=torch.long))
    assert found == [{PAD, BOS, EOS}] * 2 + [{0, 1, 2, 3, 4}] * 2


def test_repeated_finds_what_would_complete_a_known_gram():
    history = torch.tensor([[4, 5, 4, 5, 4], [1, 2, 3, 4, 5]])
    rows, tokens = repeated(history, 3)
    assert (rows.tolist(), tokens.tolist()) == ([0], [5])
    assert repeated(history[:, :1], 3)[0].tolist() == []


def test_a_row_that_the_rules_leave_nothing_may_end():
    history = torch.tensor([[3, 4, 5]])
    limits = limits_of(1, no_repeat_ngram=1, minimum=torch.tensor([9]))
    assert banned(limits, history) == [{0, 1, 3, 4, 5}]


def test_most_likely_is_the_choice_of_a_search_without_rules():
    logits = torch.randn(50, VOCAB)
    free = limits_of(50).apply_(logits.clone(), torch.zeros(50, 0, dtype=torch.long))
    assert torch.equal(most_likely(logits), free.argmax(-1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_ratio": -0.5}, "max_ratio=-0.5: must be >= 0"),
        ({"max_extra": 0}, "max_extra=0: must be >= 1"),
        ({"min_length": -1}, "min_length=-1: must be >= 0"),
        ({"no_repeat_ngram": -2}, "no_repeat_ngram=-2: must be >= 0"),
        ({"min_ratio": 4.0}, "min_ratio=4.0: must be <= max_ratio=3.0"),
        ({"replace_unknown": True, "allow_unknown": False}, "nothing is unknown"),
    ],
)
def test_rules_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SearchSettings(**settings)


# planted bugs


def test_planted_minimum_off_by_one_is_caught(monkeypatch):
    original = Limits.apply_

    def late(self, logits, history):
        return original(self, logits, torch.nn.functional.pad(history, (0, 1)))

    monkeypatch.setattr(Limits, "apply_", late)
    with pytest.raises(AssertionError):
        test_the_minimum_counts_the_end_token(Greedy)


def test_planted_n_gram_that_is_forgotten_is_caught(monkeypatch):
    monkeypatch.setattr(limits_module, "repeated", lambda h, size: repeated(h[:, -size:], size))
    with pytest.raises(AssertionError):
        test_no_n_gram_comes_twice(Greedy, 2)
