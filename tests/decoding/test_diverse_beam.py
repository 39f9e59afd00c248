import math

import pytest
import torch

from seq2seq_lab.decoding import beam as beam_module
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.diverse_beam import DiverseBeam
from seq2seq_lab.special_tokens import BOS, EOS, PAD
from support import model_properties as properties
from support.tiny_models import Choice, make_batch, make_model

CHOICE = Choice(
    "lstm",
    "additive",
    "linear",
    "initial_state",
    "before",
    "deep",
    True,
    "bidirectional",
    (2, 2),
    (6, 5),
)
LONGEST = 4
SETTINGS = {"max_ratio": 0.0, "max_extra": LONGEST}


def decode(model, batch, search, rows=None):
    rows = list(range(len(batch))) if rows is None else rows
    lengths = batch.source_lengths[rows]
    with torch.no_grad():
        memory = model.encode(batch.source[rows, : int(lengths.max())], lengths)
        state = model.initial_state(memory)
        return search(model.step, state, properties.request_of(lengths))


def next_scores(model, batch, row: int, tokens: list[int]) -> list[float]:
    length = batch.source_lengths[row : row + 1]
    given = torch.tensor([[BOS, *tokens]])
    with torch.no_grad():
        logits = model(batch.source[row : row + 1, : int(length)], length, given)
    scores = logits[0, -1].log_softmax(-1).tolist()
    return [-math.inf if i in (PAD, BOS) else s for i, s in enumerate(scores)]


def groups_of_one_by_hand(model, batch, row: int, groups: int, strength: float) -> list[tuple]:
    """Greedy groups in turn: each pays for the tokens that the groups before it took in this step."""
    words: list[list[int]] = [[] for _ in range(groups)]
    scores, done = [0.0] * groups, [False] * groups
    for _ in range(LONGEST):
        taken: dict[int, float] = {}
        for g in range(groups):
            if done[g]:
                continue
            after = next_scores(model, batch, row, words[g])
            keys = [s - taken.get(i, 0.0) for i, s in enumerate(after)]
            best = max(range(len(keys)), key=keys.__getitem__)
            scores[g] += after[best]
            words[g].append(best)
            done[g] = best == EOS
            taken[best] = taken.get(best, 0.0) + strength
    return [(tuple(w), s) for w, s in zip(words, scores, strict=True)]


def equals_the_loop(strength: float, seeds=range(15)) -> None:
    batch = make_batch()
    search = DiverseBeam(beam_size=3, num_groups=3, n_best=3, diversity=strength, **SETTINGS)
    for seed in seeds:
        model = make_model(CHOICE, seed)
        for row, found in enumerate(decode(model, batch, search)):
            mine = {(*o.tokens.tolist(), *([EOS] if o.finished else [])): o.score for o in found}
            by_hand = dict(groups_of_one_by_hand(model, batch, row, 3, strength))
            assert set(mine) == set(by_hand)
            for words, score in by_hand.items():
                properties.assert_equal(mine[words], score)


@pytest.mark.parametrize("strength", [0.3, 2.0])
def test_groups_of_one_equal_a_loop(strength):
    equals_the_loop(strength)


def test_the_first_group_is_a_plain_beam():
    batch = make_batch((4, 1, 2, 7), (2, 6, 4, 1))
    for seed in range(10):
        model = make_model(CHOICE, seed)
        plain = decode(model, batch, Beam(beam_size=2, **SETTINGS))
        every = decode(model, batch, DiverseBeam(beam_size=6, num_groups=3, n_best=6, **SETTINGS))
        for (best,), found in zip(plain, every, strict=True):
            assert best.tokens.tolist() in [one.tokens.tolist() for one in found]


def test_stronger_diversity_gives_more_different_first_words():
    batch, counts = properties.corpus_of(20, seed=7), []
    model = make_model(CHOICE, 3)
    model.decoder.output.bias.data[EOS] -= 9.0
    for strength in (1e-9, 50.0):
        search = DiverseBeam(beam_size=4, num_groups=4, n_best=4, diversity=strength, **SETTINGS)
        found = decode(model, batch, search)
        counts.append(sum(len({tuple(o.tokens[:1].tolist()) for o in f}) for f in found))
    assert counts[0] < counts[1] == 80


def test_no_string_comes_twice_and_the_best_come_first():
    batch = properties.corpus_of(20, seed=7)
    search = DiverseBeam(beam_size=6, num_groups=3, n_best=6, diversity=0.01, **SETTINGS)
    for found in decode(make_model(CHOICE, 3), batch, search):
        strings = [(*o.tokens.tolist(), o.finished) for o in found]
        assert len(set(strings)) == len(strings)
        order = [(o.finished, o.rank) for o in found]
        assert order == sorted(order, reverse=True)


def test_batch_mates_have_no_effect():
    batch, model = properties.corpus_of(9, seed=2), make_model(CHOICE, 3)
    search = DiverseBeam(beam_size=4, num_groups=2, n_best=4, **SETTINGS)
    together = decode(model, batch, search)
    for row in range(9):
        properties.same_hypotheses(decode(model, batch, search, [row])[0], together[row])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_size": 10, "num_groups": 3}, "num_groups=3: must be >= 2 and divide beam_size=10"),
        ({"num_groups": 1}, "num_groups=1"),
        ({"diversity": 0.0}, r"diversity=0.0: must be > 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DiverseBeam(**settings)


def test_planted_cost_in_the_score_is_caught(monkeypatch):
    original = beam_module.continuations
    monkeypatch.setattr(
        beam_module,
        "continuations",
        lambda keys, logits, *rest: original(keys, keys, *rest),
    )
    with pytest.raises(AssertionError):
        equals_the_loop(0.3)
