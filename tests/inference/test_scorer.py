"""Scores of given outputs, against the parallel road of training and against the searches."""

import math
from dataclasses import replace
from unittest import mock

import pytest
import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.data.batching import BySentences, ByTokens
from seq2seq_lab.inference import scorer as module
from seq2seq_lab.inference.scorer import Scorer, Wanted
from seq2seq_lab.special_tokens import BOS, EOS
from support.small_runs import small
from support.small_translators import lines, translator

PAIRS = [([4, 5, 6], [5, 4]), ([7], [6, 6, 6, 5, 4]), ([4, 4, 5, 5, 6], []), ([5, 4], [7])]


def equals_the_parallel_road(score) -> None:
    model = small("model.dropout=0.3").module.double().model
    found = score(model, [Wanted(source, target) for source, target in PAIRS])
    model.eval()
    for scores, (source, target) in zip(found, PAIRS, strict=True):
        ids = torch.tensor([[*source, EOS]])
        with torch.no_grad():
            logits = model(ids, torch.tensor([ids.shape[1]]), torch.tensor([[BOS, *target]]))
        expected = logits[0].log_softmax(-1)[range(len(target) + 1), [*target, EOS]]
        assert scores == pytest.approx(expected.tolist(), abs=1e-10)


@pytest.mark.parametrize("batching", [BySentences(1), BySentences(3), ByTokens(11)])
def test_scores_are_those_of_the_parallel_road(batching):
    equals_the_parallel_road(lambda model, wanted: Scorer(model, batching)(wanted))


def test_planted_order_not_restored_is_caught():
    def planted(model, wanted):
        return sorted(Scorer(model)(wanted), key=len)

    with pytest.raises(AssertionError):
        equals_the_parallel_road(planted)


def test_planted_rows_that_stay_in_the_state_are_caught():
    model = small().module.model
    state = type(model.initial_state(model.encode(torch.tensor([[4, EOS]]), torch.tensor([2]))))
    first = torch.tensor([0, 1])
    with (
        mock.patch.object(state, "select", lambda self, rows: self.reorder(first[: len(rows)])),
        pytest.raises((AssertionError, RuntimeError)),
    ):
        equals_the_parallel_road(lambda model, wanted: Scorer(model)(wanted))


@pytest.mark.parametrize(
    "decoding",
    [
        {"_target_": "seq2seq_lab.decoding.beam.Beam", "beam_size": 3, "n_best": 3},
        {"_target_": "seq2seq_lab.decoding.sample.Sample", "n_best": 2},
    ],
)
def test_scores_of_a_search_are_forced_scores(decoding):
    """O3, n-best lists and cut outputs included."""
    base = replace(translator(), decoding=build(decoding | {"max_ratio": 0.7}))
    texts = lines()[:40]
    found = base.n_best(texts)
    sources = [base.source_tokenizer.encode(text) for text in texts]
    wanted = [
        Wanted(source, one.target_ids, one.finished)
        for source, every in zip(sources, found, strict=True)
        for one in every
    ]
    hypotheses = [one for every in found for one in every]
    assert {one.finished for one in hypotheses} == {True, False}
    for one, scores in zip(hypotheses, Scorer(base.model)(wanted), strict=True):
        assert sum(scores) == pytest.approx(one.score, abs=1e-9)
        assert scores == pytest.approx(one.token_scores, abs=1e-5)


def test_an_empty_output_for_an_empty_source_has_no_tokens():
    model = small().module.model
    both, source, target = Scorer(model)([Wanted([], []), Wanted([4], []), Wanted([], [4])])
    assert (len(both), len(source), len(target)) == (0, 1, 2)


def test_what_was_cut_is_scored_without_the_end_token():
    model = small().module.model
    whole, cut = Scorer(model)([Wanted([4, 5], [5, 6]), Wanted([4, 5], [5, 6], finished=False)])
    assert (len(whole), len(cut)) == (3, 2)
    assert cut == pytest.approx(whole[:2], abs=1e-5)


def test_nothing_in_nothing_out():
    assert Scorer(small().module.model)([]) == []


def test_the_mode_of_the_model_is_given_back():
    model = small().module.model.train()
    Scorer(model)([Wanted([4], [4])])
    assert model.training


def test_a_log_probability_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)]])
    assert float(module.log_probability(logits, torch.tensor([1]))) == pytest.approx(math.log(0.75))
