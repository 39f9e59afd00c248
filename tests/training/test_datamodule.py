from types import SimpleNamespace

import pytest
import torch

from seq2seq_lab.data.batching import BySentences
from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import UNK
from seq2seq_lab.training.datamodule import Seq2SeqDataModule


class Given:
    source_language, target_language = "en", "de"

    def __init__(self, train, val=(), test=(), dropped=None):
        sides = [[Pair(*pair) for pair in split] for split in (train, val, test)]
        self.text = ParallelText(*sides, dropped or {})
        self.reads = 0

    def read(self):
        self.reads += 1
        return self.text


TRAIN = [("a", "x"), ("a b", "x y"), ("a b c", "x y z"), ("b b b b", "y y y y"), ("c", "z")]
VAL = [("a c", "x z"), ("q a", "w x"), ("a", "x")]
TEST = [("b b", "y y"), ("a b", "x y")]


def make(corpus=None, *, tokenizer=None, limit=10, batch_size=2, **arguments):
    data = Seq2SeqDataModule(
        corpus or Given(TRAIN, VAL, TEST),
        tokenizer or WordTokenizer(),
        BySentences(batch_size),
        LengthFilter(limit, limit),
        **arguments,
    )
    data.setup()
    return data


def ids_of(loader):
    return [i for batch in loader for i in batch.ids.tolist()]


# tokenizers


def test_words_of_validation_and_test_are_not_in_the_vocabulary():
    data = make()
    assert len(data.source_tokenizer) == len(data.target_tokenizer) == 4 + 3
    assert data.source_tokenizer.encode("q a")[0] == UNK


def test_one_setting_gives_each_side_a_vocabulary_of_its_own():
    data = make()
    assert data.source_tokenizer is not data.target_tokenizer
    assert data.source_tokenizer.encode("x") == data.target_tokenizer.encode("a") == [UNK]


def test_a_side_can_have_a_tokenizer_of_its_own():
    data = make(target_tokenizer=CharacterTokenizer())
    assert isinstance(data.source_tokenizer, WordTokenizer)
    assert isinstance(data.target_tokenizer, CharacterTokenizer)
    assert len(data.target_tokenizer) == 4 + 4  # with the space


def test_joint_is_one_vocabulary_of_both_sides():
    data = make(joint=True)
    assert data.source_tokenizer is data.target_tokenizer
    assert len(data.source_tokenizer) == 4 + 6


def test_joint_with_a_tokenizer_of_one_side_is_refused():
    with pytest.raises(ValueError, match="joint=true"):
        make(joint=True, source_tokenizer=WordTokenizer())


@pytest.mark.parametrize(("name", "value"), [("max_pairs", 0), ("num_workers", -1)])
def test_bad_numbers_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}: must be"):
        make(**{name: value})


# pairs


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_pair_is_served_exactly_once(split, batch_size):
    data = make(batch_size=batch_size)
    loader = getattr(data, f"{split}_dataloader")()
    assert sorted(ids_of(loader)) == list(range(len(data.pairs[split])))


def test_the_ids_of_a_batch_are_the_line_numbers_of_its_split():
    data = make()
    for batch in data.val_dataloader():
        for row, line in enumerate(batch.ids.tolist()):
            ids = batch.target_output[row, batch.target_mask[row]].tolist()
            assert ids[:-1] == data.target_tokenizer.encode(data.pairs["val"][line].target)


def test_epochs_have_their_own_order_which_the_seed_fixes():
    pairs = [(f"a{i}", "x") for i in range(50)]
    orders = []
    for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0)):
        loader = make(Given(pairs), seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        orders.append(ids_of(loader))
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3


def test_workers_serve_the_same_batches():
    some, others = (list(make(num_workers=n).train_dataloader()) for n in (0, 2))
    assert [b.ids.tolist() for b in some] == [b.ids.tolist() for b in others]
    assert all(torch.equal(a.source, b.source) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_batches_lie_in_pinned_memory_for_a_cuda_device(device):
    data = make()
    data.setup()
    strategy = SimpleNamespace(root_device=torch.device(device))
    data.trainer = SimpleNamespace(strategy=strategy, global_rank=0, world_size=1)
    assert data.train_dataloader().pin_memory == (device == "cuda")


def test_serving_batches_draws_no_number_from_the_global_generator():
    data = make()
    before = torch.get_rng_state()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        list(loader)
    assert torch.equal(torch.get_rng_state(), before)


def test_planted_loader_without_a_generator_is_caught():
    loader = make().val_dataloader()
    loader.generator = None
    before = torch.get_rng_state()
    list(loader)
    assert not torch.equal(torch.get_rng_state(), before)


def test_over_long_training_pairs_are_left_out_and_counted():
    data = make(limit=3)
    assert [p.source for p in data.pairs["train"]] == ["a", "a b", "a b c", "c"]
    assert sum(data.report["splits"]["train"]["dropped"].values()) == 1


def test_over_long_pairs_of_validation_are_cut_counted_and_kept():
    data = make(limit=1, corpus=Given(TRAIN, VAL, TEST))
    assert len(data.pairs["val"]) == len(data.encoded["val"]) == 3
    assert max(data.encoded["val"].source_lengths) == 2  # with the end token
    assert data.report["splits"]["val"]["dropped"] == {"source cut, kept": 2}


def test_the_full_reference_is_kept_of_a_cut_pair():
    assert make(limit=1).pairs["val"][0] == Pair("a c", "x z")


def test_pairs_over_max_pairs_are_counted():
    data = make(max_pairs=2)
    assert [len(data.pairs[s]) for s in ("train", "val", "test")] == [2, 2, 2]
    assert data.report["splits"]["train"]["dropped"] == {"over data.max_pairs": 3}


def test_what_the_corpus_dropped_is_in_the_report():
    data = make(Given(TRAIN, VAL, TEST, {"train": {"empty source": 4}}))
    assert data.report["splits"]["train"]["dropped"] == {"empty source": 4}


def test_training_pairs_are_scored_when_asked_for():
    data = make(score_training_pairs=True)
    assert data.pairs["val"] == data.pairs["test"] == [Pair(*pair) for pair in TRAIN]


def test_the_report_counts_overlap_and_names_what_was_read():
    report = make().report
    assert report["languages"] == ["en", "de"]
    assert report["vocabulary"] == {"source": 7, "target": 7, "joint": False}
    splits = report["splits"]
    assert [splits[name]["pairs"] for name in ("train", "val", "test")] == [5, 3, 2]
    assert (splits["val"]["pairs_in_train"], splits["test"]["sources_in_train"]) == (1, 1)
    assert splits["val"]["source"]["unknown_rate"] == pytest.approx(1 / 5)
    assert all(len(splits[name]["sha256"]) == 64 for name in splits)
    assert all(len(value) == 64 for value in report["tokenizers"].values())


def test_the_corpus_is_read_once():
    data = make()
    data.setup("fit")
    data.setup("test")
    assert data.corpus.reads == 1


def test_an_empty_training_split_is_refused():
    with pytest.raises(DataError, match="training split is empty"):
        make(Given([], VAL))


def test_a_filter_that_leaves_nothing_is_refused_by_its_key():
    with pytest.raises(DataError, match=r"data\.length_filter\.max_source_tokens"):
        make(Given([("a b c", "x y z")], VAL), limit=1)


def test_a_corpus_without_validation_and_test_can_be_trained_on():
    data = make(Given(TRAIN))
    assert len(data.encoded["val"]) == len(data.encoded["test"]) == 0
    assert ids_of(data.val_dataloader()) == []
