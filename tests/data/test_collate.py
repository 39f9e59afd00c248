import torch

from seq2seq_lab.data.collate import EncodedPairs, pad_source

SOURCES, TARGETS = [[4, 5, 6, 7], [8], [9, 10]], [[4], [5, 6, 7, 8, 9, 10], [11, 12, 4]]
PAIRS = EncodedPairs(SOURCES, TARGETS)


def test_a_batch_is_the_hand_made_one():
    batch = PAIRS[torch.tensor([2, 0])]
    assert batch.source.tolist() == [[9, 10, 2, 0, 0], [4, 5, 6, 7, 2]]
    assert batch.target_input.tolist() == [[1, 11, 12, 4], [1, 4, 0, 0]]
    assert batch.target_output.tolist() == [[11, 12, 4, 2], [4, 2, 0, 0]]
    assert batch.source_lengths.tolist() == [3, 5]
    assert batch.ids.tolist() == [2, 0]


def test_masks_are_true_on_real_tokens_the_end_included():
    batch = PAIRS[torch.tensor([2, 0])]
    assert batch.source_mask.tolist() == [[True, True, True, False, False], [True] * 5]
    assert batch.target_mask.tolist() == [[True] * 4, [True, True, False, False]]


def test_lengths_count_the_end_token():
    assert PAIRS.source_lengths.tolist() == [5, 2, 3]
    assert PAIRS.target_lengths.tolist() == [2, 7, 4]


def test_target_tokens_are_counted_without_padding():
    assert PAIRS[torch.tensor([0, 1, 2])].num_target_tokens == 2 + 7 + 4


def test_a_single_pair_needs_no_padding():
    batch = PAIRS[torch.tensor([1])]
    assert batch.source_mask.all()
    assert batch.target_mask.all()


def test_an_empty_sentence_is_the_end_token_alone():
    batch = EncodedPairs([[]], [[]])[torch.tensor([0])]
    assert (batch.source.tolist(), batch.target_output.tolist()) == ([[2]], [[2]])


def test_a_batch_keeps_its_lengths_on_the_cpu_when_it_moves():
    moved = PAIRS[torch.tensor([0, 1])].to(torch.device("meta"))
    assert moved.source.device.type == "meta"
    assert moved.source_lengths.device.type == "cpu"


def test_a_source_to_decode_is_padded_like_one_to_train_on():
    source, lengths = pad_source(SOURCES)
    batch = PAIRS[torch.tensor([0, 1, 2])]
    assert torch.equal(source, batch.source)
    assert torch.equal(lengths, batch.source_lengths)


def test_an_empty_split_has_no_pairs():
    nothing = EncodedPairs([], [])
    assert (len(nothing), nothing.source_lengths.dtype) == (0, torch.int32)
