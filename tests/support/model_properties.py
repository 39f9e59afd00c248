"""Correctness properties as functions: the doctor's own, and some over random models of the tests' sizes.

Each raises AssertionError where a model breaks it. The tests call them over many models, and once
more with a bug planted, to see that they would notice.
"""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Hypothesis
from seq2seq_lab.doctor import searching
from seq2seq_lab.doctor.batches import full_batch, widened
from seq2seq_lab.doctor.padding import padding_has_no_effect, with_nan_padding
from seq2seq_lab.doctor.paths import (
    by_steps,
    every_parameter_is_trained,
    forward_equals_steps,
    gradients,
    loss_and_gradients,
)
from seq2seq_lab.doctor.searching import (
    SEARCH,
    batch_mates_have_no_effect,
    forced_score,
    request_of,
)
from seq2seq_lab.doctor.searching import (
    score_is_teacher_forced_score as greedy_score_is_teacher_forced_score,
)
from seq2seq_lab.doctor.teacher_forcing import (
    ratio_zero_equals_greedy,
    sequential_equals_parallel,
    shared_dropout,
)
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS
from support.tiny_models import SOURCE_VOCAB

__all__ = [
    "SEARCH",
    "assert_equal",
    "batch_mates_have_no_effect",
    "by_steps",
    "corpus_of",
    "decode",
    "every_parameter_is_trained",
    "forced_score",
    "forward_equals_steps",
    "full_batch",
    "gradients",
    "greedy_score_is_teacher_forced_score",
    "loss_and_gradients",
    "nothing_comes_after_the_end",
    "padding_has_no_effect",
    "ratio_zero_equals_greedy",
    "request_of",
    "same_hypotheses",
    "sequential_equals_parallel",
    "shared_dropout",
    "widened",
    "with_nan_padding",
]  # fmt: skip


def assert_equal(one: object, other: object) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def decode(model: torch.nn.Module, source: Tensor, lengths: Tensor) -> list[Hypothesis]:
    """Return the greedy hypothesis of each sentence."""
    with torch.no_grad():
        state = model.initial_state(model.encode(source, lengths))
        return [found[0] for found in SEARCH(model.step, state, request_of(lengths))]


def same_hypotheses(some: list[Hypothesis], others: list[Hypothesis]) -> None:
    """Compare two lists of hypotheses one by one."""
    searching.same_hypotheses([some], [others], "hypotheses")


def nothing_comes_after_the_end(found: list[Hypothesis], lengths: Tensor, search: Greedy) -> None:
    """O18, for one hypothesis per sentence."""
    searching.nothing_comes_after_the_end([[one] for one in found], lengths, search)


def corpus_of(count: int, seed: int) -> Batch:
    """Return random sentences of 1 to 9 words."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 10, (count,), generator=generator).tolist()
    sources = [
        torch.randint(NUM_SPECIAL_TOKENS, SOURCE_VOCAB, (n,), generator=generator).tolist()
        for n in lengths
    ]
    batch = EncodedPairs(sources, sources)[torch.arange(count)]
    assert torch.equal(
        batch.source_mask, mask_from_lengths(batch.source_lengths, batch.source.shape[1])
    )
    return batch


def fails_on_some_seed(check: Callable[[int], object], seeds: Iterable[int] = range(10)) -> None:
    """Assert that a property breaks for one of the seeds at least: a planted bug need not show in every model."""

    def on_all() -> None:
        for seed in seeds:
            check(seed)

    with pytest.raises(AssertionError):
        on_all()
