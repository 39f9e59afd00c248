"""Teacher-forced scores of given outputs: the log-probability of each token after the given ones before it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.data.batching import Batching, BySentences
from seq2seq_lab.data.collate import pad_source
from seq2seq_lab.decoding.hypotheses import Step
from seq2seq_lab.special_tokens import BOS, EOS, PAD


@dataclass(frozen=True)
class Wanted:
    """A source and an output as ids without EOS; `finished` says that the end token belongs to the output."""

    source: list[int]
    target: list[int]
    finished: bool = True

    @property
    def steps(self) -> list[int]:
        """The tokens that are scored; none where both texts are empty, which is how empty texts are translated."""
        if not self.source and not self.target:
            return []
        return [*self.target, EOS] if self.finished else self.target


@dataclass(frozen=True)
class Scorer:
    """Scores outputs step by step, as a search does: any length, in the memory of one step."""

    model: Any
    batching: Batching = field(default_factory=BySentences)

    @torch.inference_mode()
    def __call__(self, wanted: list[Wanted]) -> list[list[float]]:
        """Return the log-probability (natural logarithm) of every token of each output, in order."""
        training = self.model.training
        self.model.eval()
        results: list[list[float]] = [[] for _ in wanted]
        steps = torch.tensor([len(one.steps) for one in wanted], dtype=torch.long)
        sources = torch.tensor([len(one.source) + 1 for one in wanted], dtype=torch.long)
        order = torch.argsort(steps, stable=True)
        read = self.model.stepper()
        for rows in self.batching.cut(order[steps[order] > 0], sources, steps):
            places = rows.tolist()
            found = self._batch([wanted[i] for i in places], read)
            for place, scores in zip(places, found, strict=True):
                results[place] = scores
        self.model.train(training)
        return results

    def _batch(self, wanted: list[Wanted], read: Step) -> list[list[float]]:
        """Return the scores of one batch; rows leave it when their output ends, as in a search."""
        source, lengths = pad_source([one.source for one in wanted])
        device = next(self.model.parameters()).device
        state = self.model.initial_state(self.model.encode(source.to(device), lengths))
        targets = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(one.steps) for one in wanted], batch_first=True, padding_value=PAD
        ).to(device)
        counts = torch.tensor([len(one.steps) for one in wanted], device=device)
        rows, token = (
            torch.arange(len(wanted), device=device),
            targets.new_full((len(wanted),), BOS),
        )
        found: list[list[float]] = [[] for _ in wanted]
        for step in range(targets.shape[1]):
            logits, state = read(token, state)
            token = targets[rows, step]
            for row, score in zip(
                rows.tolist(), log_probability(logits, token).tolist(), strict=True
            ):
                found[row].append(score)
            going = counts[rows] > step + 1
            if not bool(going.all()):
                keep = going.nonzero().squeeze(1)
                rows, token, state = rows[keep], token[keep], state.select(keep)
        return found


def log_probability(logits: Tensor, token: Tensor) -> Tensor:
    """Return log p(token) of each row of (rows, vocab) logits."""
    return logits.gather(1, token.unsqueeze(1)).squeeze(1) - logits.logsumexp(dim=-1)
