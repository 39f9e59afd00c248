import math

import pytest
import torch

from seq2seq_lab.decoding import sample as sample_module
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.decoding.sample import Sample, draw, keep_top_k, keep_top_p, uniforms
from support import model_properties as properties
from support.tiny_models import covering_choices, make_batch, make_model

CHOICES = covering_choices()
CHOICE = next(c for c in CHOICES if c.attention == "additive")
SETTINGS = {"max_ratio": 1.0, "max_extra": 4}


def decode(model, batch, search, rows=None, numbers=None):
    rows = list(range(len(batch))) if rows is None else rows
    lengths = batch.source_lengths[rows]
    with torch.no_grad():
        memory = model.encode(batch.source[rows, : int(lengths.max())], lengths)
        numbers = torch.tensor(rows if numbers is None else numbers)
        request = Request(lengths, numbers, [[] for _ in rows])
        return search(model.step, model.initial_state(memory), request)


def frequencies(logits: torch.Tensor, search: Sample, count: int = 20_000) -> torch.Tensor:
    """Return how often each token is drawn."""
    rows = search.cut(logits.expand(count, -1))
    chances = torch.rand(count, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return torch.bincount(draw(rows, chances), minlength=len(logits)) / count


LOGITS = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05], dtype=torch.float64).log()


def near(found: torch.Tensor, expected: list[float]) -> None:
    for f, e in zip(found.tolist(), expected, strict=True):
        assert abs(f - e) <= 4 * math.sqrt(e * (1 - e) / 20_000)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (Sample(), [0.5, 0.2, 0.15, 0.1, 0.05]),
        (Sample(top_k=2), [5 / 7, 2 / 7, 0, 0, 0]),
        (Sample(top_p=0.6), [5 / 7, 2 / 7, 0, 0, 0]),
        (Sample(top_p=0.45), [1, 0, 0, 0, 0]),
        (Sample(top_k=4, top_p=0.8), [10 / 17, 4 / 17, 3 / 17, 0, 0]),
    ],
    ids=str,
)
def test_tokens_are_drawn_with_their_probabilities(search, expected):
    near(frequencies(LOGITS, search), expected)


def test_the_temperature_divides_the_logits():
    heated = [p**0.5 for p in (0.5, 0.2, 0.15, 0.1, 0.05)]
    near(frequencies(LOGITS, Sample(temperature=2.0)), [h / sum(heated) for h in heated])


def test_a_token_of_probability_zero_is_never_drawn():
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(5, -1)
    edges = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0 - 1e-16], dtype=torch.float64)
    assert draw(logits, edges).tolist() == [1, 1, 3, 3, 3]


def test_keeping_all_changes_nothing():
    logits = torch.randn(3, 7, dtype=torch.float64)
    properties.assert_equal(keep_top_k(logits, 7), logits)
    properties.assert_equal(keep_top_p(logits, 1.0 - 1e-12), logits)


def test_a_cold_sample_is_greedy():
    batch = make_batch()
    for seed in range(20):
        model = make_model(CHOICE, seed)
        cold = decode(model, batch, Sample(temperature=1e-6, **SETTINGS))
        for one, other in zip(cold, decode(model, batch, Greedy(**SETTINGS)), strict=True):
            properties.same_hypotheses(one, other)


def test_the_seed_decides_and_every_sample_is_another():
    batch, model = make_batch((9, 9, 9), (2, 6, 4)), make_model(CHOICE)
    search = Sample(n_best=4, **SETTINGS)
    first, again = decode(model, batch, search), decode(model, batch, search)
    other = decode(model, batch, Sample(n_best=4, seed=2, **SETTINGS))
    texts = [[one.tokens.tolist() for one in found] for found in first]
    assert texts == [[one.tokens.tolist() for one in found] for found in again]
    assert texts != [[one.tokens.tolist() for one in found] for found in other]
    assert max(len({tuple(t) for t in found}) for found in texts) > 2


def batch_mates_have_no_effect() -> None:
    batch, search = properties.corpus_of(9, seed=2), Sample(n_best=3, **SETTINGS)
    model = make_model(CHOICE)
    together = decode(model, batch, search)
    for rows in [[i] for i in range(9)] + [list(range(9))[::-1]]:
        for row, found in zip(rows, decode(model, batch, search, rows), strict=True):
            properties.same_hypotheses(found, together[row])


def test_batch_mates_and_their_order_have_no_effect():
    batch_mates_have_no_effect()


def test_samples_are_sorted_and_their_scores_are_those_of_the_model():
    batch, model = make_batch(), make_model(CHOICE)
    for row, found in enumerate(decode(model, batch, Sample(n_best=5, temperature=3.0))):
        assert [one.score for one in found] == sorted((o.score for o in found), reverse=True)
        length = batch.source_lengths[row : row + 1]
        for one in found:
            properties.assert_equal(
                one.score, properties.forced_score(model, batch, row, one, length)
            )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0: must be > 0; use decoding=greedy"),
        ({"top_k": -1}, "top_k=-1: must be >= 0"),
        ({"top_p": 0.0}, r"top_p=0.0: must be in \(0, 1\]"),
        ({"n_best": 0}, "n_best=0: must be >= 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Sample(**settings)


# planted bugs


def test_planted_one_generator_for_the_batch_is_caught(monkeypatch):
    def shared(seed, numbers, steps):
        return torch.rand(len(numbers), steps, generator=torch.Generator().manual_seed(seed))

    monkeypatch.setattr(sample_module, "uniforms", shared)
    with pytest.raises(AssertionError):
        batch_mates_have_no_effect()


def test_planted_inverted_temperature_is_caught(monkeypatch):
    monkeypatch.setattr(Sample, "cut", lambda self, logits: logits * self.temperature)
    with pytest.raises(AssertionError):
        test_the_temperature_divides_the_logits()


def test_planted_nucleus_without_the_token_that_reaches_it_is_caught(monkeypatch):
    def short(logits, p):
        return keep_top_p(logits, p - 0.2)

    monkeypatch.setattr(sample_module, "keep_top_p", short)
    with pytest.raises(AssertionError):
        near(frequencies(LOGITS, Sample(top_p=0.6)), [5 / 7, 2 / 7, 0, 0, 0])


def test_neighbouring_sentences_draw_unrelated_numbers():
    rows = uniforms(1, list(range(200)), 50)
    assert len({tuple(row) for row in rows.tolist()}) == 200
    assert abs(float(rows.mean()) - 0.5) < 4 * math.sqrt(1 / 12 / rows.numel())
    following = torch.corrcoef(torch.stack([rows[:-1].flatten(), rows[1:].flatten()]))[0, 1]
    assert abs(float(following)) < 4 / math.sqrt(rows[1:].numel())
