"""When a beam stops: a hypothesis that is ahead is never dropped for shorter ones that ended."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.length_penalty import AveragePenalty, GnmtPenalty, NoPenalty
from seq2seq_lab.special_tokens import EOS
from support import model_properties as properties


@dataclass(frozen=True)
class Position:
    """A state that knows what was written: the ids so far, one row per hypothesis."""

    written: Tensor

    @property
    def attention(self) -> Tensor:
        return self.written.new_zeros(len(self.written), 0, dtype=torch.double)

    def reorder(self, rows: Tensor) -> "Position":
        return Position(self.written[rows])

    def select(self, sentences: Tensor) -> "Position":
        return self if len(sentences) else Position(self.written[:0])  # of one sentence


LONG = [4, 5, 6, 7, 8, 9]
"""The right output; whoever leaves it may end at once."""


def peaked_step(token: Tensor, state: Position) -> tuple[Tensor, Position]:
    """Give the next id of LONG, or the end after it, 99.9 %; after any other id, the end."""
    written = torch.cat([state.written, token.unsqueeze(1)], dim=1)
    logits = torch.zeros(len(token), 11, dtype=torch.double)
    for row, ids in enumerate(written[:, 1:].tolist()):
        on_the_way = ids == LONG[: len(ids)] and len(ids) < len(LONG)
        logits[row, LONG[len(ids)] if on_the_way else EOS] = 9.0
    return logits, Position(written)


@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("patience", [0.3, 1.0, 4.0])
def test_a_leading_hypothesis_is_never_dropped_for_shorter_ones_that_ended(width, patience):
    """Greedy search finds it at a probability of 99 %, so a beam must too."""
    request = properties.request_of(torch.tensor([len(LONG)]))
    start = Position(torch.zeros(1, 0, dtype=torch.long))
    for penalty in (NoPenalty(), AveragePenalty(), GnmtPenalty(0.6)):
        beam = Beam(beam_size=width, patience=patience, length_penalty=penalty)
        ((found,),) = beam(peaked_step, start, request)
        assert found.tokens.tolist() == LONG
