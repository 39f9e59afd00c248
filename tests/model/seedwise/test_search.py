"""Searches and losses of several models at once: each model's results are those that it has alone."""

import pytest
import torch

from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.diverse_beam import DiverseBeam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.decoding.sample import Sample
from seq2seq_lab.model.seedwise import search as seedwise_search
from seq2seq_lab.model.seedwise.model import Seedwise
from seq2seq_lab.training.exposure_bias import measure, measure_each
from support.tiny_models import Choice, covering_choices, make_batch, make_model

SEARCHES = {
    "greedy": Greedy(max_ratio=1.0, max_extra=6),
    "beam": Beam(beam_size=3, n_best=2, max_ratio=1.0, max_extra=6),
    "diverse": DiverseBeam(beam_size=4, num_groups=2, max_ratio=1.0, max_extra=6),
    "sample": Sample(seed=3, max_ratio=1.0, max_extra=6),
}
CHOICES = covering_choices(1)[:4]
SEEDS = (1, 2, 3)


def models_of(choice: Choice) -> list:
    return [make_model(choice, seed).eval() for seed in SEEDS]


def searched(model, search, batch, copies: int = 1) -> list:
    """Return the hypotheses of each sentence; of several models, those of the first come first."""
    source = batch.source.repeat(copies, 1)
    lengths, numbers = batch.source_lengths.repeat(copies), batch.ids.repeat(copies)
    state = model.initial_state(model.encode(source, lengths))
    return search(model.stepper(), state, Request(lengths, numbers, [[] for _ in numbers]))


def assert_same_hypotheses(found: list, expected: list) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.tokens.tolist() == other.tokens.tolist()
            assert one.finished == other.finished
            assert one.score == pytest.approx(other.score, rel=1e-10)
            torch.testing.assert_close(one.attention, other.attention, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("choice", CHOICES, ids=str)
@torch.inference_mode()
def test_each_seed_finds_what_its_model_finds_alone(choice, name):
    batch, models, search = (
        make_batch((4, 1, 2, 3), (2, 6, 4, 3), 1),
        models_of(choice),
        SEARCHES[name],
    )
    found = searched(Seedwise(models).search_model(), search, batch, len(SEEDS))
    for seed, model in enumerate(models):
        own = found[seed * len(batch) : (seed + 1) * len(batch)]
        assert_same_hypotheses(own, searched(model, search, batch))


@torch.inference_mode()
def test_sentences_end_at_different_steps_and_a_seed_may_end_first():
    batch, models = make_batch((4, 1, 2, 3), (2, 6, 4, 3), 1), models_of(CHOICES[0])
    found = searched(Seedwise(models).search_model(), SEARCHES["greedy"], batch, len(SEEDS))
    lengths = [[len(one[0].tokens) for one in found[s * 4 : s * 4 + 4]] for s in range(3)]
    assert len({length for of_seed in lengths for length in of_seed}) > 1
    assert len({max(of_seed) for of_seed in lengths}) > 1


@torch.inference_mode()
def test_planted_bug_a_seed_that_reads_the_rows_of_another_is_caught(monkeypatch):
    def turned(self):
        return self.places.roll(1)

    monkeypatch.setattr(seedwise_search.SearchState, "rows", property(turned))
    with pytest.raises(AssertionError):
        test_each_seed_finds_what_its_model_finds_alone(CHOICES[0], "greedy")


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_exposure_bias_of_each_seed_is_that_of_its_model_alone(choice):
    batches, models = [make_batch(), make_batch((2, 3), (1, 7), 2)], models_of(choice)
    ratios = (1.0, 0.5, 0.0)
    found = measure_each(Seedwise(models).evaluated(), len(SEEDS), batches, ratios)
    for curves, model in zip(found, models, strict=True):
        for ours, alone in zip(curves, measure(model, batches, ratios), strict=True):
            torch.testing.assert_close(ours.sums, alone.sums, rtol=1e-10, atol=1e-10)
            assert torch.equal(ours.counts, alone.counts)
