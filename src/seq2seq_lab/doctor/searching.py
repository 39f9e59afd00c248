"""Properties O3, O4 and O18: a hypothesis has its teacher-forced score, no effect of batch mates, and one end."""

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request
from seq2seq_lab.decoding.limits import SearchSettings
from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.doctor.batches import rows_of
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import BOS, EOS
from seq2seq_lab.training.loss import negative_log_likelihood

SEARCH = Greedy(max_ratio=1.0, max_extra=3)
Found = list[list[Hypothesis]]
Search = Callable[..., Found]


def request_of(lengths: Tensor, numbers: Tensor | None = None) -> Request:
    """Return the request for sentences of these lengths, without any forced beginning."""
    numbers = torch.arange(len(lengths)) if numbers is None else numbers
    return Request(lengths, numbers, [[] for _ in lengths])


@torch.no_grad()
def search_all(model: EncoderDecoder, batch: Batch, search: Search) -> Found:
    """Return what the search finds for each sentence of the batch."""
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    return search(model.stepper(), state, request_of(batch.source_lengths, batch.ids))


def forced_score(
    model: EncoderDecoder, batch: Batch, row: int, found: Hypothesis, length: Int[Tensor, " 1"]
) -> float:
    """Return the log-probability of a hypothesis' tokens, as a given target; `length` is that of the row's source."""
    given = torch.tensor([[BOS, *found.tokens.tolist(), *([EOS] if found.finished else [])]])
    with torch.no_grad():
        logits = model(batch.source[row : row + 1, : int(length)], length, given[:, :-1])
    return -float(negative_log_likelihood(logits[0], given[0, 1:]))


def score_is_teacher_forced_score(
    model: EncoderDecoder, batch: Batch, search: Search = SEARCH
) -> float:
    """O3: the score of a hypothesis is the log-probability of its tokens as a given target."""
    worst = 0.0
    for row, hypotheses in enumerate(search_all(model, batch, search)):
        length = batch.source_lengths[row : row + 1]
        for found in hypotheses:
            score = forced_score(model, batch, row, found, length)
            worst = max(worst, agree(found.score, score, f"score of sentence {row}"))
    return worst


def same_hypotheses(some: Found, others: Found, what: str) -> float:
    """Compare tokens, scores and attention, the latter as far as both have columns."""
    worst = 0.0
    for row, (one, other) in enumerate(zip(some, others, strict=True)):
        where = f"{what}: sentence {row}"
        demand(len(one) == len(other), f"{where}: {len(one)} hypotheses and not {len(other)}")
        for left, right in zip(one, other, strict=True):
            tokens = [left.tokens.tolist(), right.tokens.tolist()]
            demand(tokens[0] == tokens[1], f"{where}: tokens {tokens[0]} and not {tokens[1]}")
            demand(left.finished == right.finished, f"{where}: one ends and one does not")
            width = min(left.attention.shape[1], right.attention.shape[1])
            worst = max(
                worst,
                agree(left.score, right.score, f"{where}: score"),
                agree(left.attention[:, :width], right.attention[:, :width], f"{where}: attention"),
            )
    return worst


def batch_mates_have_no_effect(
    model: EncoderDecoder, batch: Batch, search: Search = SEARCH
) -> float:
    """O4: alone = in a batch = in a permuted batch = in batches of two."""
    rows = list(range(len(batch)))
    together = search_all(model, batch, search)

    def decode(chosen: list[int]) -> Found:
        return search_all(model, rows_of(batch, chosen), search)

    pairs = [decode(rows[i : i + 2]) for i in range(0, len(rows), 2)]
    return max(
        same_hypotheses([decode([i])[0] for i in rows], together, "alone"),
        same_hypotheses(decode(rows[::-1])[::-1], together, "in another order"),
        same_hypotheses([one for pair in pairs for one in pair], together, "in batches of two"),
    )


def nothing_comes_after_the_end(found: Found, lengths: Tensor, search: SearchSettings) -> float:
    """O18: the end token is last, and each sentence keeps its own limit."""
    for hypotheses, length in zip(found, lengths.tolist(), strict=True):
        limit = int(length * search.max_ratio) + search.max_extra
        for one in hypotheses:
            produced = len(one.tokens) + one.finished
            demand(EOS not in one.tokens.tolist(), "tokens after the end token")
            demand(produced <= limit, f"{produced} tokens where {limit} is the limit")
            demand(one.attention.shape[0] == produced, "not one row of attention for each token")
            demand(one.finished or produced == limit, "cut before the limit")
    return 0.0
