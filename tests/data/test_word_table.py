"""The tables of the package."""

import pytest

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.word_table import hold_out_last, read_table


@pytest.mark.parametrize("name", ["toy_zh_en.tsv", "antonyms.tsv"])
def test_every_cell_is_filled_without_outer_blanks(name):
    cells = [cell for row in read_table(name) for cell in row.values()]
    assert cells
    assert all(cell and cell == cell.strip() for cell in cells)


@pytest.mark.parametrize("name", ["toy_zh_en.tsv", "antonyms.tsv"])
def test_no_column_repeats_a_text(name):
    rows = read_table(name)
    for column in rows[0]:
        assert len({row[column] for row in rows}) == len(rows)


def test_the_last_pairs_are_held_out_in_order():
    pairs = [Pair(str(i), "x") for i in range(7)]
    text = hold_out_last(pairs, 2)
    assert (text.train, text.val, text.test) == (pairs[:3], pairs[3:5], pairs[5:])
