"""`check_loss` on the loss of ours, and on losses with one planted bug each."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seq2seq_lab.testing import check_loss
from seq2seq_lab.training.loss import TokenCrossEntropy


class Focal(nn.Module):
    """A loss of one's own: cross-entropy times (1 - p)^2, summed."""

    def forward(self, logits, targets):
        surprise = F.cross_entropy(logits, targets, reduction="none")
        return ((1 - torch.exp(-surprise)).square() * surprise).sum()


class Mean(nn.Module):
    """The mean over tokens."""

    def forward(self, logits, targets):
        return F.cross_entropy(logits, targets)


class Reversed(nn.Module):
    """Log-probability, not its negative."""

    def forward(self, logits, targets):
        return -F.cross_entropy(logits, targets, reduction="sum")


class HalfDetached(nn.Module):
    """A gradient without its normaliser."""

    def forward(self, logits, targets):
        total = logits.logsumexp(dim=-1).detach().sum()
        return total - logits.gather(1, targets.unsqueeze(1)).sum()


class LogOfSoftmax(nn.Module):
    """Overflows for certain models."""

    def forward(self, logits, targets):
        return -logits.softmax(dim=-1).gather(1, targets.unsqueeze(1)).log().sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_ours_passes(smoothing):
    check_loss(TokenCrossEntropy, label_smoothing=smoothing)


def test_a_loss_of_ones_own_passes():
    check_loss(Focal)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Mean, "loss is the sum over tokens.*apart by.*reduction"),
        (Reversed, "a better model has a lower loss"),
        (HalfDetached, "gradients equal finite differences"),
        (LogOfSoftmax, "certain models have a finite loss: a loss of inf"),
    ],
)
def test_planted_loss_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_loss(kind)
