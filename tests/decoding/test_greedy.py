from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from seq2seq_lab.decoding import greedy as greedy_module
from seq2seq_lab.decoding.greedy import Greedy, greedy
from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.decoding.limits import Limits
from seq2seq_lab.special_tokens import BOS, EOS
from seq2seq_lab.training.scheduled_sampling.sequential import sequential_logits
from support import model_properties as properties
from support.tiny_models import covering_choices, every_choice, make_batch, make_model

CHOICES = covering_choices()
EVERY = every_choice()
ATTENDING = next(c for c in CHOICES if c.attention == "additive" and c.context != "every_step")
SOURCES, TARGETS = (4, 1, 2, 7, 4), (2, 6, 4, 1, 3)


def batch_of_five():
    return make_batch(SOURCES, TARGETS)


def mixed_model(batch):
    """Return a model that ends some sentences of the batch and runs into the limit on others."""
    for seed in range(100):
        model = make_model(ATTENDING, seed)
        if (
            len(
                {
                    one.finished
                    for one in properties.decode(model, batch.source, batch.source_lengths)
                }
            )
            == 2
        ):
            return model
    raise AssertionError("no such model")


@EVERY
def test_score_equals_the_teacher_forced_score(choice):
    properties.greedy_score_is_teacher_forced_score(make_model(choice), batch_of_five())


@pytest.mark.parametrize("choice", covering_choices(1)[::2], ids=str)
def test_batch_mates_and_their_order_have_no_effect(choice):
    properties.batch_mates_have_no_effect(make_model(choice), batch_of_five())


@EVERY
def test_nothing_comes_after_the_end_and_each_sentence_keeps_its_limit(choice):
    batch = batch_of_five()
    found = properties.decode(make_model(choice), batch.source, batch.source_lengths)
    properties.nothing_comes_after_the_end(found, batch.source_lengths, properties.SEARCH)


def road_of_zeros(model, batch):
    return sequential_logits(model, batch, torch.zeros_like(batch.target_mask))


@pytest.mark.parametrize("start", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_ratio_zero_equals_greedy_until_the_end_on_200_models(start):
    """`make test` runs every second of them, `make slow` the others."""
    batch = properties.full_batch(make_batch(seed=3))
    for seed in range(start, 200, 2):
        model = make_model(CHOICES[seed % len(CHOICES)], seed=100 + seed)
        properties.ratio_zero_equals_greedy(model, batch, road_of_zeros)


@pytest.mark.parametrize("count", [1, 2, 13, 32])
def test_corpora_of_any_size_decode_alike_in_any_batch(count):
    properties.batch_mates_have_no_effect(
        make_model(ATTENDING), properties.corpus_of(count, seed=count)
    )


@pytest.mark.slow
def test_a_hundred_corpora_decode_alike_in_any_batch():
    for seed in range(100):
        model = make_model(CHOICES[seed % len(CHOICES)], seed=seed)
        properties.batch_mates_have_no_effect(model, properties.corpus_of(1 + seed % 32, seed))


def test_random_models_both_end_and_run_into_the_limit():
    """The properties above say little if no sentence ever ends."""
    batch, ended = batch_of_five(), []
    for choice in CHOICES[:20]:
        found = properties.decode(make_model(choice), batch.source, batch.source_lengths)
        ended += [one.finished for one in found]
    assert 0.2 < sum(ended) / len(ended) < 0.9


# a hand-drawn model: the next token is written in a table


@dataclass(frozen=True)
class Row:
    """The number of the row and how many tokens it read."""

    row: Tensor
    read: Tensor
    attention: Tensor

    def reorder(self, rows: Tensor) -> "Row":
        raise AssertionError("greedy search has one hypothesis per sentence")

    def select(self, rows: Tensor) -> "Row":
        return Row(self.row[rows], self.read[rows], self.attention[rows])


PLAN = torch.tensor([[4, 5, EOS, 6, 6], [EOS, 4, 4, 4, 4], [5, 5, 5, 5, EOS]])
SURE = torch.tensor(0.5, dtype=torch.float64)


def start() -> Row:
    return Row(torch.arange(3), torch.zeros(3, dtype=torch.long), torch.zeros(3, 0))


def planned(token: Tensor, state: Row) -> tuple[Tensor, Row]:
    """Give the planned token probability 1/2 and share the rest among six others."""
    logits = torch.full((len(token), 7), 1 / 12, dtype=torch.float64).log()
    logits[torch.arange(len(token)), PLAN[state.row, state.read]] = SURE.log()
    return logits, Row(state.row, state.read + 1, 10.0 * state.row[:, None] + state.read[:, None])


def limited_to(*lengths: int) -> Limits:
    none = torch.zeros(len(lengths), dtype=torch.long)
    return Limits(torch.tensor(lengths), none, none.unsqueeze(1)[:, :0])


def follows_the_plan(found: list[Hypothesis]) -> None:
    assert [one.tokens.tolist() for one in found] == [[4, 5], [], [5, 5, 5, 5]]
    assert [one.finished for one in found] == [True, True, False]
    assert [one.attention[:, 0].tolist() for one in found] == [[0, 1, 2], [10], [20, 21, 22, 23]]
    scores = [0.5**3, 0.5, 0.5**4]
    properties.assert_equal(
        [one.score for one in found], torch.tensor(scores).double().log().tolist()
    )


def test_a_planned_decoding_comes_out_as_planned():
    follows_the_plan(greedy(planned, start(), limited_to(5, 5, 4)))


def test_the_first_token_read_is_bos():
    seen = []

    def spy(token, state):
        seen.append(token.tolist())
        return planned(token, state)

    greedy(spy, start(), limited_to(5, 5, 4))
    assert seen[:2] == [[BOS, BOS, BOS], [4, 5]]


def test_the_limit_counts_the_end_token():
    found = greedy(planned, start(), limited_to(3, 1, 5))
    assert [one.finished for one in found] == [True, True, True]


def test_the_limit_grows_with_the_own_source_alone():
    request = properties.request_of(torch.tensor([2, 9, 6]))
    found = Greedy(max_ratio=0.5, max_extra=1)(planned, start(), request)
    assert [len(one.tokens) + one.finished for (one,) in found] == [2, 1, 4]


@pytest.mark.parametrize(("setting", "value"), [("max_ratio", -0.5), ("max_extra", 0)])
def test_a_limit_that_allows_nothing_is_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting}={value}: must be >= "):
        Greedy(**{setting: value})


# planted bugs


def test_planted_search_without_an_end_is_caught(monkeypatch):
    monkeypatch.setattr(greedy_module, "EOS", -1)
    with pytest.raises(AssertionError):
        follows_the_plan(greedy(planned, start(), limited_to(5, 5, 4)))


def test_planted_search_without_an_end_breaks_the_law_of_the_end(monkeypatch):
    batch = batch_of_five()
    model = mixed_model(batch)
    monkeypatch.setattr(greedy_module, "EOS", -1)
    found = properties.decode(model, batch.source, batch.source_lengths)
    with pytest.raises(AssertionError):
        properties.nothing_comes_after_the_end(found, batch.source_lengths, properties.SEARCH)


def test_planted_limit_of_the_longest_batch_mate_is_caught(monkeypatch):
    def of_the_longest(step, state, limits):
        longest = limits.maximum.max().expand_as(limits.maximum)
        return greedy(step, state, replace(limits, maximum=longest))

    batch = properties.corpus_of(13, seed=3)
    model = mixed_model(batch)
    monkeypatch.setattr(greedy_module, "greedy", of_the_longest)
    with pytest.raises(AssertionError):
        properties.batch_mates_have_no_effect(model, batch)


def test_planted_score_without_the_end_token_is_caught(monkeypatch):
    def collect(choices, count):
        shorter = [(r, t, s.masked_fill(t == EOS, 0.0), a) for r, t, s, a in choices]
        return original(shorter, count)

    original = greedy_module.collect
    model = mixed_model(batch_of_five())
    monkeypatch.setattr(greedy_module, "collect", collect)
    with pytest.raises(AssertionError):
        properties.greedy_score_is_teacher_forced_score(model, batch_of_five())


def test_planted_state_that_is_not_reordered_is_caught(monkeypatch):
    def first_rows(self, rows):
        return original(self, torch.arange(len(rows)))

    batch = properties.corpus_of(13, seed=3)
    model = mixed_model(batch)
    kind = type(model.initial_state(model.encode(batch.source, batch.source_lengths)))
    original = kind.select
    monkeypatch.setattr(kind, "select", first_rows)
    with pytest.raises(AssertionError):
        properties.batch_mates_have_no_effect(model, batch)


def test_planted_batch_statistics_are_caught(monkeypatch):
    model = make_model(ATTENDING)
    original = model.decoder.readout.activate

    def centred(projected):
        vector = original(projected)
        return vector - vector.mean(dim=0, keepdim=True)

    model.decoder.readout.activate = centred
    with pytest.raises(AssertionError):
        properties.batch_mates_have_no_effect(model, batch_of_five())


def test_planted_inverted_coin_breaks_the_law_of_ratio_zero():
    def inverted(model, batch):
        return sequential_logits(model, batch, torch.ones_like(batch.target_mask))

    batch = properties.full_batch(make_batch(seed=3))

    def on_five_models():
        for seed in range(5):
            model = make_model(ATTENDING, seed=seed)
            properties.ratio_zero_equals_greedy(model, batch, inverted)

    with pytest.raises(AssertionError):
        on_five_models()
