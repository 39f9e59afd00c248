"""Constraints on the output of each sentence: length, forced prefix, repeated n-grams, unknown words."""

from dataclasses import dataclass, replace
from math import inf
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.decoding.intervention import Intervention
from seq2seq_lab.special_tokens import BOS, EOS, PAD, UNK


def repeated(history: Int[Tensor, "rows steps"], size: int) -> tuple[Tensor, Tensor]:
    """Return (rows, tokens) whose token would end an n-gram of this size that its row holds already."""
    steps = history.shape[1]
    if steps < size:
        nothing = torch.zeros(0, dtype=torch.long, device=history.device)
        return nothing, nothing
    grams = history.unfold(1, size, 1)
    latest = history[:, steps - size + 1 :].unsqueeze(1)
    rows, starts = (grams[..., :-1] == latest).all(dim=-1).nonzero(as_tuple=True)
    return rows, grams[rows, starts, -1]


@dataclass(frozen=True)
class Limits:
    """The constraints of a batch, one row per sentence; the end token counts.

    PAD and BOS are never written. A forced prefix overrides every other rule but the maximum; a row without any allowed
    token may end.
    """

    maximum: Int[Tensor, " batch"]
    minimum: Int[Tensor, " batch"]
    prefix: Int[Tensor, "batch prefix"]
    no_repeat_ngram: int = 0
    allow_unknown: bool = True

    def select(self, sentences: Int[Tensor, " sentences"]) -> Self:
        """Return the rules of these sentences."""
        parts = {name: getattr(self, name)[sentences] for name in ("maximum", "minimum", "prefix")}
        return replace(self, **parts)

    def apply_(
        self, logits: Float[Tensor, "rows vocab"], history: Int[Tensor, "rows steps"]
    ) -> Float[Tensor, "rows vocab"]:
        """Set the logits of forbidden next tokens to -inf in place; every sentence has equally many rows."""
        steps, width = history.shape[1], logits.shape[0] // max(len(self.maximum), 1)
        end = logits[:, EOS].clone()
        forced = self._forced(steps, width)
        forced_logits = logits.gather(1, forced.unsqueeze(1))
        logits[:, [PAD, BOS] if self.allow_unknown else [PAD, BOS, UNK]] = -inf
        if bool((self.minimum > steps + 1).any()):
            early = (self.minimum > steps + 1).repeat_interleave(width)
            logits[:, EOS].masked_fill_(early, -inf)
        if self.no_repeat_ngram:
            logits[repeated(history, self.no_repeat_ngram)] = -inf
        if self.no_repeat_ngram or not self.allow_unknown:
            stuck = logits.amax(dim=-1) == -inf
            logits[:, EOS] = torch.where(stuck, end, logits[:, EOS])
        if steps < self.prefix.shape[1]:
            rows = (forced != PAD).nonzero().squeeze(1)
            logits[rows] = -inf
            logits[rows, forced[rows]] = forced_logits[rows, 0]
        return logits

    def _forced(self, steps: int, width: int) -> Int[Tensor, " rows"]:
        """Return the forced token of each row; PAD where there is none."""
        if steps < self.prefix.shape[1]:
            return self.prefix[:, steps].repeat_interleave(width)
        return torch.full_like(self.maximum, PAD).repeat_interleave(width)


def most_likely(logits: Float[Tensor, "*shape vocab"]) -> Int[Tensor, "*shape"]:
    """Return the most likely token that a search without rules of its own may write: not PAD, not BOS."""
    first = max(PAD, BOS) + 1
    return logits[..., first:].argmax(dim=-1) + first


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings that all searches share.

    An output has at most `max_ratio` x source tokens + `max_extra` tokens and at least `min_ratio` x source tokens and
    `min_length` (the end token counts on both sides); no n-gram of `no_repeat_ngram` tokens comes twice (0: no such
    rule). `allow_unknown=False` never writes UNK, `replace_unknown` copies the source word with the most attention.
    `intervention` replaces the attention weights that the model has learned, to see what they carry.
    """

    max_ratio: float = 3.0
    max_extra: int = 10
    min_ratio: float = 0.0
    min_length: int = 0
    no_repeat_ngram: int = 0
    allow_unknown: bool = True
    replace_unknown: bool = False
    intervention: Intervention | None = None

    def __post_init__(self) -> None:
        for name in ("max_ratio", "min_ratio", "min_length", "no_repeat_ngram"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name}={value}: must be >= 0")
        if self.max_extra < 1:
            raise ValueError(
                f"max_extra={self.max_extra}: must be >= 1, or nothing could be written"
            )
        if self.min_ratio > self.max_ratio:
            raise ValueError(f"min_ratio={self.min_ratio}: must be <= max_ratio={self.max_ratio}")
        if self.replace_unknown and not self.allow_unknown:
            raise ValueError(
                "replace_unknown=true: nothing is unknown with allow_unknown=false; set one of them"
            )

    def limits(self, request: Request, device: torch.device) -> Limits:
        """Return the rules for these sentences, on the device of the logits."""
        lengths = request.source_lengths
        longest = max(map(len, request.prefixes), default=0)
        prefix = [[*ids, *[PAD] * (longest - len(ids))] for ids in request.prefixes]
        forced = torch.tensor([len(ids) + 1 for ids in request.prefixes])
        maximum = ((lengths * self.max_ratio).long() + self.max_extra).maximum(forced)
        minimum = (lengths * self.min_ratio).long().clamp(min=self.min_length).minimum(maximum)
        return Limits(
            maximum=maximum.to(device),
            minimum=minimum.to(device),
            prefix=torch.tensor(prefix, dtype=torch.long).view(len(lengths), longest).to(device),
            no_repeat_ngram=self.no_repeat_ngram,
            allow_unknown=self.allow_unknown,
        )
