"""Training pairs with a new segmentation in each epoch: what decides it, what it leaves alone, and a whole run."""

from itertools import groupby, pairwise

import numpy as np
import pytest
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.data import sampled_pairs
from seq2seq_lab.data.batching import Batching, BatchOrder, BySentences, ByTokens
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.sampled_pairs import DrawOrder, SampledPairs, Window
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.special_tokens import BOS, EOS
from seq2seq_lab.testing.small_training import SMALL_COPY, TINY_MODEL, assemble
from support.small_runs import train

PAIRS = [Pair(f"the cat number {i} sat", f"a bat and hat {i}") for i in range(12)]
LONGER = [Pair("the cat sat " * (1 + i % 7), "a bat and hat " * (1 + i % 5)) for i in range(90)]
KEYS = ("data/tokenizer=bpe", "data.tokenizer.vocab_size=300", "data.tokenizer.dropout=0.5")


def bpe(dropout: float = 0.5) -> BpeTokenizer:
    tokenizer = BpeTokenizer(vocab_size=300, min_frequency=1, dropout=dropout)
    tokenizer.fit([pair.source for pair in PAIRS] + [pair.target for pair in PAIRS], "en")
    return tokenizer


def made(limit: LengthFilter | None = None, seed: int = 1, **sides) -> SampledPairs:
    tokenizers = (sides.get("source") or bpe(), sides.get("target") or bpe())
    return SampledPairs(PAIRS, tokenizers, limit or LengthFilter(), seed)


def texts(batch: Batch) -> dict[int, tuple]:
    """Return the real ids of both sides by line."""
    return {
        line: (
            batch.source[i][batch.source_mask[i]].tolist(),
            batch.target_output[i][batch.target_mask[i]].tolist(),
        )
        for i, line in enumerate(batch.ids.tolist())
    }


def at(pairs: SampledPairs, lines: list[int], epoch: int) -> dict[int, tuple]:
    return texts(pairs[Window(epoch, 0, np.array(lines), np.array([len(lines)])), 0])


def test_a_segmentation_follows_from_seed_epoch_and_line_alone():
    pairs = made()
    whole = at(pairs, list(range(12)), 3)
    for lines in ([5], [7, 2], [2, 7, 5, 0]):
        assert at(made(), lines, 3).items() <= whole.items()
    assert at(made(), [4], 3)[4] == whole[4]
    assert at(pairs, list(range(12)), 4) != whole
    assert at(made(seed=2), list(range(12)), 3) != whole


def test_the_text_stays_and_only_a_side_that_samples_changes():
    words = WordTokenizer()
    words.fit([pair.target for pair in PAIRS], "en")
    source = bpe()
    pairs = made(source=source, target=words)
    for line, (ids, target) in at(pairs, list(range(12)), 1).items():
        assert source.decode(ids) == PAIRS[line].source
        assert target == [*words.encode(PAIRS[line].target), EOS]


def test_a_draw_over_the_limit_keeps_the_usual_pieces():
    usual = bpe()
    longest = max(len(usual.encode(pair.source)) for pair in PAIRS)
    pairs = made(LengthFilter(max_source_tokens=longest))
    found = at(pairs, list(range(12)), 1)
    assert all(len(ids) <= longest + 1 for ids, _ in found.values())
    assert any(found[i][0] == [*usual.encode(PAIRS[i].source), EOS] for i in found)


def test_a_batch_is_a_batch():
    batch = made()[Window(2, 0, np.array([3, 8]), np.array([2])), 0]
    assert sorted(batch.ids.tolist()) == [3, 8]
    assert batch.target_input[:, 0].tolist() == [BOS, BOS]
    assert torch.equal(batch.source_mask.sum(1), batch.source_lengths)


def test_the_order_gives_epoch_and_window_and_starts_in_the_middle(monkeypatch):
    monkeypatch.setattr(sampled_pairs, "WINDOW", 2)
    lengths = torch.arange(12)
    order = DrawOrder(BySentences(4), lengths, lengths, seed=1, training=True, start_at=(2, 1))
    assert [(window.epoch, window.start, place) for window, place in order] == [
        (2, 0, 1),
        (2, 2, 0),
    ]
    order.set_epoch(3)
    found = [(window.epoch, window.start, place) for window, place in order]
    assert found == [(3, 0, 0), (3, 0, 1), (3, 2, 0)]


BATCHINGS = pytest.mark.parametrize("batching", [BySentences(7), ByTokens(60)])


def epoch_of(batching: Batching, epoch: int = 1) -> tuple[list[tuple[int, Batch]], list[int]]:
    """Return each batch of an epoch with the start of its window, and the sizes that the usual lengths give."""
    usual = bpe()
    source, target = (
        torch.tensor([len(usual.encode(text)) + 1 for text in texts])
        for texts in ([p.source for p in LONGER], [p.target for p in LONGER])
    )
    orders = [
        kind(batching, source, target, seed=1, training=True) for kind in (DrawOrder, BatchOrder)
    ]
    for order in orders:
        order.set_epoch(epoch)
    pairs = SampledPairs(LONGER, (usual, usual), LengthFilter(), 1)
    return [(place[0].start, pairs[place]) for place in orders[0]], [len(b) for b in orders[1]]


def batches_are_of_similar_drawn_lengths(batching: Batching) -> None:
    """Within a window no two batches overlap: a target of one is no longer than any of the next."""
    for _, batches in groupby(epoch_of(batching)[0], key=lambda one: one[0]):
        lengths = [batch.target_mask.sum(1) for _, batch in batches]
        limits = sorted((int(row.min()), int(row.max())) for row in lengths)
        assert all(one[1] <= other[0] for one, other in pairwise(limits))


@BATCHINGS
def test_batches_are_of_similar_drawn_lengths(batching, monkeypatch):
    monkeypatch.setattr(sampled_pairs, "WINDOW", 5)
    batches_are_of_similar_drawn_lengths(batching)


def test_planted_batches_by_usual_lengths_are_caught(monkeypatch):
    monkeypatch.setattr(sampled_pairs, "by_length", lambda source, _: torch.arange(len(source)))
    with pytest.raises(AssertionError):
        batches_are_of_similar_drawn_lengths(BySentences(7))


@BATCHINGS
def test_an_epoch_has_every_line_once_in_batches_of_the_usual_sizes(batching, monkeypatch):
    monkeypatch.setattr(sampled_pairs, "WINDOW", 5)
    found, sizes = epoch_of(batching)
    assert len(found) > 10
    assert sorted(line for _, batch in found for line in batch.ids.tolist()) == list(range(90))
    assert sorted(len(batch.ids) for _, batch in found) == sorted(sizes)
    for window, usual in ((found[i : i + 5], sizes[i : i + 5]) for i in range(0, len(found), 5)):
        by_length = sorted(window, key=lambda one: one[1].target_mask.sum(1).min())
        assert len(by_length[0][1].ids) == max(usual)
        assert len(by_length[-1][1].ids) == min(usual)


def test_batches_come_in_another_order_in_each_epoch():
    orders = [
        [batch.target_output.shape[1] for _, batch in epoch_of(BySentences(7), epoch)[0]]
        for epoch in (1, 2)
    ]
    assert orders[0] != orders[1]
    assert all(order != sorted(order) for order in orders)


def test_only_training_is_sampled():
    data = assemble(*SMALL_COPY, *TINY_MODEL, *KEYS).data
    assert type(data.train_dataloader().dataset) is SampledPairs
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert type(loader.dataset) is not SampledPairs
    plain = assemble(*SMALL_COPY, *TINY_MODEL, *KEYS[:2]).data
    assert type(plain.train_dataloader().dataset) is not SampledPairs


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_reads_what_the_whole_one_read(workers, monkeypatch):
    monkeypatch.setattr(sampled_pairs, "WINDOW", 3)

    def seen(start: tuple[int, int], epochs: int) -> list[dict]:
        data = assemble(*SMALL_COPY, *TINY_MODEL, *KEYS, f"data.num_workers={workers}").data
        data.start_at = start
        loader, found = data.train_dataloader(), []
        for epoch in range(start[0], epochs):
            loader.sampler.set_epoch(epoch)
            found += [texts(batch) for batch in loader]
        return found

    whole = seen((0, 0), 2)
    assert seen((0, 4), 2) == whole[4:]
    half = len(whole) // 2
    assert [sorted(one) for one in whole[:half]] != [sorted(one) for one in whole[half:]]


def test_a_run_trains(tmp_path):
    run = [*SMALL_COPY, *TINY_MODEL, *KEYS, "debug=tiny", "training/logger=csv"]
    assert train(*run, f"run_dir={tmp_path / 'run'}", "training.trainer.max_epochs=2") == 0
    assert (tmp_path / "run" / "result.json").is_file()


def test_planted_seed_without_the_epoch_is_caught(monkeypatch):
    draw = SampledPairs._ids
    monkeypatch.setattr(
        SampledPairs,
        "_ids",
        lambda self, text, side, seeds: draw(self, text, side, [seeds[0], 0, *seeds[2:]]),
    )
    with pytest.raises(AssertionError):
        test_a_segmentation_follows_from_seed_epoch_and_line_alone()
