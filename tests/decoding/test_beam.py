"""Beam search against greedy search, against forced scores and against itself in another batch."""

import math

import pytest
import torch

from seq2seq_lab.decoding import beam as beam_module
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.decoding.length_penalty import AveragePenalty, GnmtPenalty, NoPenalty, PowerPenalty
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import BOS, EOS
from support import model_properties as properties
from support.tiny_models import Choice, covering_choices, make_batch, make_model
from support.tiny_transformers import make_any, transformer_choices

CHOICES = (*transformer_choices(), *covering_choices())
# named, not the first of the design, which changes with every new part; its outputs are of many lengths
PARTS = ("rnn", "additive", "last", "initial_state", "before", "state")
ATTENDING = Choice(*PARTS, True, "bidirectional", (2, 2), (6, 6))
DEAF = next(c for c in covering_choices() if c.attention == "none")
PENALTIES = [NoPenalty(), GnmtPenalty(0.6), PowerPenalty(1.0)]


# O1, O3, O4, O18


def same(one: Hypothesis, other: Hypothesis) -> None:
    assert one.tokens.tolist() == other.tokens.tolist()
    assert one.finished == other.finished
    properties.assert_equal(one.score, other.score)
    properties.assert_equal(one.token_scores, other.token_scores)
    properties.assert_equal(one.attention, other.attention)


SETTINGS = {"max_ratio": 1.0, "max_extra": 3}


def decode(model: EncoderDecoder, batch, search) -> list[list[Hypothesis]]:
    with torch.no_grad():
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        return search(model.step, state, properties.request_of(batch.source_lengths))


def beam_of_one_equals_greedy(seed: int) -> None:
    model = make_any(CHOICES[seed % len(CHOICES)], seed=300 + seed)
    batch = make_batch((4, 1, 2, 7, 4), (2, 6, 4, 1, 3), seed=seed)
    penalty = PENALTIES[seed % 3]
    narrow = decode(model, batch, Beam(beam_size=1, length_penalty=penalty, **SETTINGS))
    for (one,), (other,) in zip(narrow, decode(model, batch, Greedy(**SETTINGS)), strict=True):
        same(one, other)


@pytest.mark.parametrize(
    "start", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_beam_of_one_equals_greedy_on_200_models(start):
    """`make test` runs every third of them, which meets every third part of the list; `make slow` the others."""
    for seed in range(start, 200, 3):
        beam_of_one_equals_greedy(seed)


def scores_are_forced_scores(model, batch, search) -> None:
    """O3: the score of every hypothesis is the log-probability of its tokens, read as a given target."""
    for row, found in enumerate(decode(model, batch, search)):
        length = batch.source_lengths[row : row + 1]
        for one in found:
            tokens = [BOS, *one.tokens.tolist(), *([EOS] if one.finished else [])]
            given = torch.tensor(tokens).unsqueeze(0)
            with torch.no_grad():
                logits = model(batch.source[row : row + 1, : int(length)], length, given[:, :-1])
            forced = logits.log_softmax(-1)[0].gather(1, given[0, 1:].unsqueeze(1)).squeeze(1)
            torch.testing.assert_close(one.token_scores.double(), forced, rtol=1e-6, atol=1e-6)
            properties.assert_equal(one.score, float(forced.sum()))


SEARCHES = {
    "beam": Beam(beam_size=4, n_best=4, **SETTINGS),
    "gnmt": Beam(beam_size=3, n_best=2, length_penalty=GnmtPenalty(1.0), **SETTINGS),
    "patient": Beam(
        beam_size=2, n_best=2, length_penalty=AveragePenalty(), patience=3.0, **SETTINGS
    ),
    "ruled": Beam(beam_size=3, n_best=3, no_repeat_ngram=2, min_length=3, allow_unknown=False),
}
ONCE = (*transformer_choices(), *covering_choices(1))
THIRD = pytest.mark.parametrize("choice", ONCE[::3], ids=str)


TURNS = [
    pytest.param(choice, name, marks=[] if (i + j) % 2 == 0 else pytest.mark.slow)
    for i, choice in enumerate(ONCE[::3])
    for j, name in enumerate(SEARCHES)
]


@pytest.mark.parametrize(("choice", "name"), TURNS, ids=str)
def test_scores_are_forced_scores(choice, name):
    """`make test` takes two of the four searches with each model in turn; `make slow` the others."""
    scores_are_forced_scores(make_any(choice), make_batch((4, 1, 2), (2, 6, 4)), SEARCHES[name])


def batch_mates_have_no_effect(model, batch, search) -> None:
    """O4: alone = in a batch = in a permuted batch."""
    together = decode(model, batch, search)
    count = len(batch)
    for rows in [[i] for i in range(count)] + [list(range(count))[::-1]]:
        lengths = batch.source_lengths[rows]
        with torch.no_grad():
            memory = model.encode(batch.source[rows, : int(lengths.max())], lengths)
            state = model.initial_state(memory)
            request = properties.request_of(lengths)
            apart = search(model.step, state, request)
        for row, found in zip(rows, apart, strict=True):
            properties.same_hypotheses(found, together[row])


def awake(choice):
    """Return the first random model whose logits depend on earlier tokens.

    Units that are cut off at zero can forget them: hypotheses with the same tokens in another order then tie, and
    rounding decides.
    """
    batch = make_batch((4, 1, 2), (6, 6, 6))
    changed = batch.target_input.clone()
    changed[:, 1:3] = 3 + (changed[:, 1:3] - 2) % 4
    for seed in range(1, 20):
        model = make_any(choice, seed)
        with torch.no_grad():
            logits = [
                model(batch.source, batch.source_lengths, tokens)[:, -1]
                for tokens in (batch.target_input, changed)
            ]
        if (logits[0] - logits[1]).abs().amin() > 1e-4:
            break
    return model


MATES = [
    pytest.param(choice, name, marks=[] if (i + j) % 2 == 0 else pytest.mark.slow)
    for i, choice in enumerate(ONCE[1::3])
    for j, name in enumerate(("beam", "gnmt"))
]


@pytest.mark.parametrize(("choice", "name"), MATES, ids=str)
def test_batch_mates_and_their_order_have_no_effect(choice, name):
    """`make test` takes the two searches in turn; `make slow` the other with each model."""
    batch = make_batch((4, 1, 2, 7, 4), (2, 6, 4, 1, 3))
    cell = getattr(getattr(choice, "partner", None) or choice, "cell", None)
    model = awake(choice) if cell == "rnn_relu" else make_any(choice)
    batch_mates_have_no_effect(model, batch, SEARCHES[name])


@THIRD
def test_n_best_is_sorted_and_unique_and_every_limit_is_kept(choice):
    batch = make_batch((4, 1, 2, 7, 4), (2, 6, 4, 1, 3))
    search = SEARCHES["beam"]
    for found, length in zip(
        decode(make_any(choice), batch, search), batch.source_lengths.tolist(), strict=True
    ):
        assert [(f.finished, f.rank) for f in found] == sorted(
            ((f.finished, f.rank) for f in found), reverse=True
        )
        assert len({(*f.tokens.tolist(), f.finished) for f in found}) == len(found) == 4
        properties.nothing_comes_after_the_end(found, torch.full((4,), length), search)


# ranks


def test_a_cut_hypothesis_comes_after_every_finished_one():
    batch = make_batch((4, 1, 2, 7, 4), (2, 6, 4, 1, 3))
    kinds = set()
    for seed in range(20):
        for found in decode(make_model(ATTENDING, seed), batch, SEARCHES["patient"]):
            finished = [f.finished for f in found]
            kinds.add(tuple(finished))
            assert finished == sorted(finished, reverse=True)
    assert (True, True) in kinds


def test_the_coverage_penalty_is_the_published_formula():
    batch = make_batch((4, 1, 2), (2, 6, 4))
    search = Beam(beam_size=3, n_best=3, coverage_penalty=0.7, **SETTINGS)
    for found, length in zip(
        decode(make_model(ATTENDING), batch, search), batch.source_lengths.tolist(), strict=True
    ):
        for one in found:
            received = one.attention[:, :length].sum(dim=0).tolist()
            cost = sum(math.log(min(r, 1.0)) for r in received)
            properties.assert_equal(one.rank, one.score + 0.7 * cost)


def test_a_coverage_penalty_without_attention_is_refused():
    search = Beam(coverage_penalty=0.5)
    with pytest.raises(ConfigError, match="no attention"):
        decode(make_model(DEAF), make_batch(), search)


def lively_model(batch) -> EncoderDecoder:
    """Return a model whose outputs end at different lengths."""
    for seed in range(100):
        model = make_model(ATTENDING, seed)
        if len({len(one.tokens) for (one,) in decode(model, batch, Greedy(**SETTINGS))}) > 5:
            return model
    raise AssertionError("no such model")


def test_a_wider_beam_finds_no_worse_score_in_the_mean():
    batch = properties.corpus_of(20, seed=7)
    models, means = [make_model(ATTENDING, seed) for seed in range(8)], []
    for size in (1, 4, 16):
        search = Beam(beam_size=size, max_ratio=0.0, max_extra=5)
        found = [best for model in models for (best, *_) in decode(model, batch, search)]
        means.append(sum(one.score for one in found) / len(found))
    assert means[0] < means[1] < means[2]


def test_finished_sentences_leave_the_batch():
    """The rows of every step are those of unfinished sentences alone."""
    batch, rows = properties.corpus_of(20, seed=7), []
    model = lively_model(batch)

    def step(token, state):
        rows.append(len(token))
        return model.step(token, state)

    with torch.no_grad():
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        Beam(beam_size=3, **SETTINGS)(step, state, properties.request_of(batch.source_lengths))
    assert rows[0] == 20
    assert len(set(rows[1:])) > 3
    assert rows[1:] == sorted(rows[1:], reverse=True)


def test_keys_are_made_once_per_sentence_and_never_repeated(monkeypatch):
    model, batch = make_model(ATTENDING), make_batch()
    made, kind = [], type(model.decoder.attention)
    original = kind.keys
    monkeypatch.setattr(kind, "keys", lambda self, v: made.append(v.shape) or original(self, v))
    decode(model, batch, SEARCHES["beam"])
    assert [shape[0] for shape in made] == [len(batch)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_size": 0}, "beam_size=0: must be >= 1; use decoding=greedy"),
        ({"n_best": 6}, "n_best=6: must be from 1 to beam_size=5"),
        ({"coverage_penalty": -1.0}, "coverage_penalty=-1.0: must be >= 0"),
        ({"patience": 0.0}, "patience=0.0: must be > 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Beam(**settings)


# planted bugs


def test_planted_limit_of_the_longest_batch_mate_is_caught(monkeypatch):
    prune = beam_module.prune
    monkeypatch.setattr(
        beam_module,
        "prune",
        lambda found, beam, ended, longest: prune(
            found, beam, ended, longest.max().expand_as(longest)
        ),
    )
    batch = make_batch((4, 1, 2, 7, 4), (2, 6, 4, 1, 3))
    properties.fails_on_some_seed(
        lambda seed: batch_mates_have_no_effect(
            make_model(ATTENDING, seed), batch, SEARCHES["beam"]
        )
    )


def test_planted_score_after_the_rules_is_caught(monkeypatch):
    expand = beam_module.expand

    def renormalised(scores, live, rules):
        return expand(scores.log_softmax(-1), live, rules)

    monkeypatch.setattr(beam_module, "expand", renormalised)
    with pytest.raises(AssertionError):
        scores_are_forced_scores(make_model(ATTENDING), make_batch(), SEARCHES["ruled"])
