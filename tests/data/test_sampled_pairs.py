"""Training pairs with a new segmentation in each epoch: what decides it, what it leaves alone, and a whole run."""

import pytest
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.batching import BySentences
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.sampled_pairs import Draw, DrawOrder, SampledPairs
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.special_tokens import BOS, EOS
from seq2seq_lab.testing.small_training import SMALL_COPY, TINY_MODEL, assemble
from support.small_runs import train

PAIRS = [Pair(f"the cat number {i} sat", f"a bat and hat {i}") for i in range(12)]
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
    return texts(pairs[Draw(torch.tensor(lines), epoch)])


def test_a_segmentation_follows_from_seed_epoch_and_line_alone():
    pairs = made()
    whole = at(pairs, list(range(12)), 3)
    for lines in ([5], [7, 2], [2, 7, 5, 0]):
        assert at(pairs, lines, 3).items() <= whole.items()
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
    batch = made()[Draw(torch.tensor([3, 8]), 2)]
    assert batch.ids.tolist() == [3, 8]
    assert batch.target_input[:, 0].tolist() == [BOS, BOS]
    assert torch.equal(batch.source_mask.sum(1), batch.source_lengths)


def test_the_order_gives_the_epoch_and_starts_in_the_middle():
    lengths = torch.arange(12)
    order = DrawOrder(BySentences(4), lengths, lengths, seed=1, training=True, start_at=(2, 1))
    assert [draw.epoch for draw in order] == [2, 2]
    order.set_epoch(3)
    assert [draw.epoch for draw in order] == [3, 3, 3]


def test_only_training_is_sampled():
    data = assemble(*SMALL_COPY, *TINY_MODEL, *KEYS).data
    assert type(data.train_dataloader().dataset) is SampledPairs
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert type(loader.dataset) is not SampledPairs
    plain = assemble(*SMALL_COPY, *TINY_MODEL, *KEYS[:2]).data
    assert type(plain.train_dataloader().dataset) is not SampledPairs


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_reads_what_the_whole_one_read(workers, tmp_path):
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
