import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_lab.data import batching as batching_module
from seq2seq_lab.data.batching import (
    BatchOrder,
    BySentences,
    ByTokens,
    evaluation_batches,
    training_batches,
)

WAYS = [BySentences(3), ByTokens(12)]
EVERY = pytest.mark.parametrize("way", WAYS, ids=["by_sentences", "by_tokens"])
LENGTHS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=40)
SOURCE = torch.tensor([5, 2, 9, 2, 1, 7, 3, 3, 8, 2, 6])
TARGET = torch.tensor([4, 2, 9, 3, 1, 7, 3, 2, 8, 2, 5])


def tensors(lengths):
    pairs = torch.tensor(lengths, dtype=torch.long).view(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def flat(batches) -> list[int]:
    return [i for batch in batches for i in batch.tolist()]


def listed(batches) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


def every_pair_comes_once(way, lengths) -> None:
    source, target = tensors(lengths)
    everything = list(range(len(lengths)))
    assert sorted(flat(evaluation_batches(way, source, target))) == everything
    assert sorted(flat(training_batches(way, source, target, seed=1, epoch=0))) == everything


@EVERY
@given(lengths=LENGTHS)
@settings(max_examples=50, deadline=None)
def test_every_pair_comes_exactly_once(way, lengths):
    every_pair_comes_once(way, lengths)


@given(lengths=LENGTHS, limit=st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_no_batch_is_over_the_token_limit_but_a_single_long_pair(lengths, limit):
    source, target = tensors(lengths)
    for batch in training_batches(ByTokens(limit), source, target, seed=1, epoch=0):
        longest = max(int(source[batch].max()), int(target[batch].max()))
        assert len(batch) == 1 or len(batch) * longest <= limit


def test_token_batches_are_as_full_as_they_can_be():
    lengths = torch.tensor([1, 2, 2, 3, 3, 9])
    batches = evaluation_batches(ByTokens(6), lengths, lengths)
    assert listed(batches) == [[0, 1, 2], [3, 4], [5]]


def test_sentence_batches_have_their_size_but_the_last():
    assert [len(b) for b in evaluation_batches(BySentences(4), SOURCE, TARGET)] == [4, 4, 3]


def test_evaluation_comes_in_order_of_length():
    order = flat(evaluation_batches(BySentences(4), SOURCE, TARGET))
    keys = [(int(TARGET[i]), int(SOURCE[i])) for i in order]
    assert keys == sorted(keys)


@EVERY
def test_pairs_of_like_length_come_together_in_training(way):
    batches = training_batches(way, SOURCE, TARGET, seed=1, epoch=0)
    spans = sorted((int(TARGET[b].min()), int(TARGET[b].max())) for b in batches)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))


@EVERY
def test_order_is_a_function_of_seed_and_epoch_alone(way):
    def order(seed, epoch):
        return listed(
            training_batches(way, SOURCE.repeat(5), TARGET.repeat(5), seed=seed, epoch=epoch)
        )

    one = order(1, 0)
    torch.rand(7)
    assert order(1, 0) == one
    assert order(1, 1) != one
    assert order(2, 0) != one


def test_drawing_an_order_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    training_batches(WAYS[0], SOURCE, TARGET, seed=1, epoch=0)
    assert torch.equal(torch.get_rng_state(), before)


def orders(world_size: int, *, training: bool) -> list[BatchOrder]:
    return [
        BatchOrder(
            BySentences(3),
            SOURCE,
            TARGET,
            seed=1,
            training=training,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]


def evaluation_is_shared_out_exactly() -> None:
    for world_size in (1, 2, 3, 7):
        shares = [flat(order) for order in orders(world_size, training=False)]
        assert sorted(i for share in shares for i in share) == list(range(11))


def test_ranks_share_an_evaluation_without_repetition():
    evaluation_is_shared_out_exactly()


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_ranks_train_equally_many_batches_and_miss_no_pair(world_size):
    shares = orders(world_size, training=True)
    assert len({len(order) for order in shares}) == 1
    assert {i for order in shares for i in flat(order)} == set(range(11))


def test_the_epoch_changes_the_order_of_training_only():
    for training in (True, False):
        lengths = SOURCE.repeat(5), TARGET.repeat(5)
        order = BatchOrder(BySentences(3), *lengths, seed=1, training=training)
        first = listed(order)
        order.set_epoch(1)
        assert (listed(order) != first) is training
        order.set_epoch(0)
        assert listed(order) == first


@EVERY
def test_no_pairs_make_no_batches(way):
    nothing = torch.zeros(0, dtype=torch.long)
    assert listed(evaluation_batches(way, nothing, nothing)) in ([], [[]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BySentences(0), "batch_size=0: must be >= 1"),
        (lambda: ByTokens(0), "max_tokens=0: must be >= 1"),
    ],
)
def test_a_size_below_one_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_planted_dropped_last_batch_is_caught(monkeypatch):
    def cut(self, order, source_lengths, target_lengths):
        return [b for b in order.split(self.batch_size) if len(b) == self.batch_size]

    monkeypatch.setattr(BySentences, "cut", cut)
    with pytest.raises(AssertionError):
        every_pair_comes_once(BySentences(3), [(1, 1)] * 4)


def test_planted_padding_of_ranks_in_evaluation_is_caught(monkeypatch):
    def padded(*arguments):
        batches = original(*arguments)
        return [*batches, *batches[: -len(batches) % 3]]

    original = batching_module.evaluation_batches
    monkeypatch.setattr(batching_module, "evaluation_batches", padded)
    with pytest.raises(AssertionError):
        evaluation_is_shared_out_exactly()
