"""`check_corpus` on a corpus with one planted bug each."""

from functools import partial

import pytest
import torch

from seq2seq_lab.data.synthetic import Copy
from seq2seq_lab.testing import check_corpus
from seq2seq_lab.testing.corpus import fingerprints, fingerprints_elsewhere
from support import planted_corpora as planted

SMALL = {"num_train": 40, "num_val": 5, "num_test": 5}


def test_a_corpus_of_ours_passes_as_class_and_as_instance():
    check_corpus(Copy, elsewhere=False, **SMALL)
    check_corpus(Copy(**SMALL), elsewhere=False)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (planted.Overlapping, r"no source stands in two splits: 1 sources are in train and test"),
        (planted.WithoutValidation, "no split is empty: no pair in val"),
        (planted.TwoLines, r"one line that is not blank: train\[40\] has 'a\\nb'"),
        (planted.SharedDice, "two reads give the same"),
        (planted.GlobalDraws, "draws no global random number"),
    ],
)
def test_planted_corpus_is_caught_and_named(kind, named):
    with pytest.raises(AssertionError, match=named):
        check_corpus(kind, elsewhere=False, **SMALL)


def test_overlap_is_allowed_where_others_made_the_splits():
    check_corpus(planted.Overlapping, splits_may_overlap=True, elsewhere=False, **SMALL)


def test_planted_order_of_a_set_is_caught_by_another_process():
    makers = {kind.__name__: partial(kind, **SMALL) for kind in (Copy, planted.HashOrder)}
    found = fingerprints_elsewhere(makers)
    here = {name: fingerprints(make().read()) for name, make in makers.items()}
    assert found["Copy"] == [here["Copy"]] * 2
    assert found["HashOrder"][0] != here["HashOrder"]


def test_a_corpus_that_no_other_process_can_import_is_a_clear_failure():
    class Local(Copy):
        pass

    with pytest.raises(
        AssertionError, match=r"another process reads the same.*Local.*elsewhere=False"
    ):
        check_corpus(Local, **SMALL)


def test_a_check_leaves_the_random_numbers_of_its_caller_alone():
    before = torch.get_rng_state()
    check_corpus(Copy, elsewhere=False, **SMALL)
    assert torch.equal(before, torch.get_rng_state())
