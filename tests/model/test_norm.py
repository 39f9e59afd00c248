import pytest
import torch

from seq2seq_lab.model import norm as norm_module
from seq2seq_lab.model.norm import Norm, PostNorm, PreNorm
from support.model_properties import assert_equal
from support.tiny_models import public_subclasses, targets

INPUTS, MADE = torch.randn(2, 3, 5, 7, dtype=torch.float64)


def normalised(vectors: torch.Tensor) -> torch.Tensor:
    """Return each vector with mean 0 and variance 1, by a loop."""
    rows = [
        (row - row.mean()) / (row.var(unbiased=False) + 1e-5).sqrt() for row in vectors.view(-1, 7)
    ]
    return torch.stack(rows).view_as(vectors)


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("norm") == public_subclasses(norm_module, Norm) != set()


def test_pre_norm_leaves_the_sum_alone():
    norm = PreNorm(7).double()
    assert_equal(norm.before(INPUTS), normalised(INPUTS))
    assert_equal(norm.after(INPUTS, MADE), INPUTS + MADE)
    assert_equal(norm.last().double()(INPUTS), normalised(INPUTS))


def test_post_norm_normalises_the_sum():
    norm = PostNorm(7).double()
    assert_equal(norm.before(INPUTS), INPUTS)
    assert_equal(norm.after(INPUTS, MADE), normalised(INPUTS + MADE))
    assert_equal(norm.last()(INPUTS), INPUTS)


def dropout_falls_on_what_was_made(kind: type[Norm]) -> None:
    """Two values of what was made, dropped or doubled, give two results; the input is never dropped."""
    vectors = torch.arange(7.0).expand(1, 400, 7)
    norm = kind(7, 0.5)
    undropped = kind(7).after(vectors, torch.zeros_like(vectors))
    assert torch.equal(norm.after(vectors, torch.zeros_like(vectors)), undropped)
    made = torch.zeros_like(vectors)
    made[..., 3] = 5.0
    found = norm.after(vectors, made)
    dropped = (found == undropped).all(dim=-1)
    assert 100 < dropped.sum() < 300
    doubled = kind(7).after(vectors, 2 * made)
    assert torch.equal(found[~dropped], doubled[~dropped])
    assert torch.equal(norm.eval().after(vectors, made), kind(7).after(vectors, made))


@pytest.mark.parametrize("kind", sorted(targets("norm"), key=str))
def test_dropout_falls_on_what_was_made_and_not_on_the_input(kind):
    dropout_falls_on_what_was_made(kind)


@pytest.mark.parametrize(("arguments", "told"), [((0,), "dim=0"), ((7, 1.0), "dropout=1.0")])
def test_bad_arguments_are_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        PreNorm(*arguments)


# planted bugs


def test_planted_missing_norm_is_caught(monkeypatch):
    monkeypatch.setattr(PreNorm, "before", lambda self, vectors: vectors)
    monkeypatch.setattr(PostNorm, "after", lambda self, vectors, made: vectors + made)
    for check in (test_pre_norm_leaves_the_sum_alone, test_post_norm_normalises_the_sum):
        with pytest.raises(AssertionError):
            check()


@pytest.mark.parametrize("kind", sorted(targets("norm"), key=str))
def test_planted_dropout_of_the_input_is_caught(kind, monkeypatch):
    def everything(self, vectors, made):
        return after(self, self.dropout(vectors), made)

    after = kind.after
    monkeypatch.setattr(kind, "after", everything)
    with pytest.raises(AssertionError):
        dropout_falls_on_what_was_made(kind)
