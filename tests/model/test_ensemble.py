"""Several models as one, against probabilities averaged by hand."""

from unittest import mock

import pytest
import torch

from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.model import ensemble as module
from seq2seq_lab.model.ensemble import Ensemble, log_mean_probability, mean_attention
from seq2seq_lab.special_tokens import BOS, EOS
from support.tiny_models import covering_choices, make_batch, make_model

CHOICES = [c for c in covering_choices() if c.attention != "none"][:3]
WITHOUT = next(c for c in covering_choices() if c.attention == "none")


def three() -> list:
    """Return members with different parts and sizes."""
    return [make_model(choice, seed) for seed, choice in enumerate([*CHOICES[:2], WITHOUT], 1)]


def found_by(model, batch, search) -> list:
    request = Request(
        batch.source_lengths, torch.arange(len(batch)), [[] for _ in range(len(batch))]
    )
    with torch.no_grad():
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        return search(model.step, state, request)


def mean_of_probabilities(members: list) -> None:
    """A score is the sum of log mean probabilities, each member teacher forced through its own parallel road."""
    batch = make_batch()
    search = Beam(beam_size=3, n_best=3, max_ratio=1.0, max_extra=3)
    for row, found in enumerate(found_by(Ensemble(members), batch, search)):
        assert len(found) == 3
        source = batch.source[row : row + 1, : batch.source_lengths[row]]
        for one in found:
            tokens = [*one.tokens.tolist(), *([EOS] if one.finished else [])]
            given = torch.tensor([[BOS, *tokens[:-1]]])
            with torch.no_grad():
                logits = [m(source, batch.source_lengths[row : row + 1], given)[0] for m in members]
            mean = sum(one.softmax(-1) for one in logits) / len(members)
            scores = [float(mean[step, token].log()) for step, token in enumerate(tokens)]
            assert one.token_scores.tolist() == pytest.approx(scores, abs=1e-6)
            assert one.score == pytest.approx(sum(scores), abs=1e-10)


def test_scores_are_mean_probabilities():
    mean_of_probabilities(three())


def test_planted_mean_of_logits_is_caught():
    def mean_logits(logits):
        return torch.stack(list(logits)).mean(dim=0)

    with (
        mock.patch.object(module, "log_mean_probability", mean_logits),
        pytest.raises(AssertionError),
    ):
        mean_of_probabilities(three())


def test_planted_state_that_stays_behind_is_caught():
    def only_first(self, rows):
        same = torch.arange(len(rows)) // (len(rows) // len(self.attention))
        members = (self.members[0].reorder(rows), *(m.reorder(same) for m in self.members[1:]))
        return module.replace(self, attention=self.attention[rows], members=members)

    def properties_hold() -> None:
        for seed in range(10):
            mean_of_probabilities(
                [make_model(choice, 3 * seed + k) for k, choice in enumerate(CHOICES)]
            )

    properties_hold()
    with (
        mock.patch.object(module.EnsembleState, "reorder", only_first),
        pytest.raises(AssertionError),
    ):
        properties_hold()


def test_the_mean_probability_by_hand():
    logits = [torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 1.5]]).log()]
    assert log_mean_probability(logits).exp()[0].tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("search", [Greedy(max_extra=3), Beam(beam_size=4, n_best=2, max_extra=3)])
def test_an_ensemble_of_one_model_is_the_model(count, search):
    batch, model = make_batch(), make_model(CHOICES[0])
    alone = found_by(model, batch, search)
    together = found_by(Ensemble([model] * count), batch, search)
    for some, others in zip(alone, together, strict=True):
        assert [o.tokens.tolist() for o in some] == [o.tokens.tolist() for o in others]
        assert [o.score for o in some] == pytest.approx([o.score for o in others], abs=1e-10)
        for one, other in zip(some, others, strict=True):
            assert torch.allclose(one.attention, other.attention, atol=1e-12)


def test_attention_is_the_mean_of_the_members():
    weights = [torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.5, 0.5], [0.5, 0.5]])]
    assert mean_attention(weights).tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_attention_has_width_0_where_a_member_has_none():
    assert mean_attention([torch.ones(2, 3), torch.ones(2, 0)]).shape == (2, 0)


def test_no_member_is_refused():
    with pytest.raises(ValueError, match="one model at least"):
        Ensemble([])
