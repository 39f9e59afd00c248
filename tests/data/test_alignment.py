"""Gold alignments: links between characters as links between tokens, and those of the generated corpora."""

import pytest
import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.alignment import Alignment, GoldLinks, token_links, token_spans, word_spans
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.synthetic import Copy, Reverse, Sort
from seq2seq_lab.data.tokenizer.word import WordTokenizer


def words(text: str, links) -> set[tuple[str, str]]:
    source, target = text
    return {(source[slice(*left)], target[slice(*right)]) for left, right in links}


def test_pieces_are_found_one_after_another():
    assert token_spans("ab a  b,", ["ab", "a", "b", ","]) == [(0, 2), (3, 4), (6, 7), (7, 8)]
    assert word_spans(" one  two ") == [(1, 4), (6, 9)]


@pytest.mark.parametrize("pieces", [["a", "x"], ["a"], ["b"], ["a", "b", ""], ["b", "a"]])
def test_pieces_that_are_not_the_text_have_no_spans(pieces):
    assert token_spans("a b", pieces) is None


def test_tokens_are_linked_where_any_of_their_characters_are():
    """abc def | xy z: characters b-d belong to y."""
    found = token_links([((1, 5), (1, 2))], [(0, 3), (4, 7)], [(0, 1), (1, 2), (3, 4)])
    assert found.tolist() == [[False, False], [True, True], [False, False]]


@pytest.mark.parametrize(
    ("corpus", "places"),
    [(Copy(), [0, 1, 2, 3]), (Reverse(), [3, 2, 1, 0]), (Sort(), [1, 2, 3, 0])],
)
def test_each_symbol_is_linked_with_the_one_that_it_is(corpus, places):
    source = [9, 3, 5, 7]
    pair = Pair("9 3 5 7", " ".join(map(str, corpus.answer(source))))
    (found,) = corpus.alignments([pair])
    spans = word_spans(pair.source), word_spans(pair.target)
    assert token_links(found.sure, *spans).int().argmax(dim=1).tolist() == places
    assert token_links(found.sure, *spans).sum() == 4
    assert [corpus.answer(source)[j] for j in range(4)] == [source[i] for i in places]


def test_equal_symbols_of_a_sorted_sequence_are_possible_links_of_each_other():
    (found,) = Sort().alignments([Pair("5 3 5", "3 5 5")])
    spans = word_spans("5 3 5"), word_spans("3 5 5")
    assert token_links(found.sure, *spans).int().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert token_links(found.possible, *spans).int().tolist() == [[0, 1, 0], [1, 0, 1], [1, 0, 1]]


class _Known:
    def alignments(self, pairs):
        return [Alignment((((2, 3), (0, 1)),)), None][: len(pairs)]


def batch_of(pairs) -> tuple[GoldLinks, Batch]:
    tokenizers = WordTokenizer(), WordTokenizer()
    for tokenizer in tokenizers:
        tokenizer.fit(["a b c"], "en")
    sides = [[t.encode(p.source) for p in pairs] for t in tokenizers[:1]] + [
        [t.encode(p.target) for p in pairs] for t in tokenizers[1:]
    ]
    return GoldLinks(pairs, _Known(), tokenizers), EncodedPairs(*sides)[torch.tensor([1, 0])]


def test_the_links_of_a_batch_follow_its_rows_and_leave_out_end_tokens():
    gold, batch = batch_of([Pair("a b", "c"), Pair("a", "b c")])
    sure, possible, steps = gold.of(batch)
    assert sure.nonzero().tolist() == [[1, 0, 1]]
    assert torch.equal(sure, possible)
    assert steps.tolist() == [[False, False, False], [True, False, False]]  # the first is not known
