"""Overrides completed from conf/."""

from argparse import Namespace

import pytest

from seq2seq_lab.config.completion import complete_override


@pytest.mark.parametrize(
    ("word", "before", "found"),
    [
        ("model=ls", [], ["model=lstm", "model=lstm_attn"]),
        ("training.opt", [], ["training.optimizer."]),
        ("model/attention=loca", [], [f"model/attention=loca{end}" for end in ("l_m", "l_p", "tion")]),
        ("seed=", ["seed=5"], ["seed=5"]),
        ("decoding.beam_s", ["decoding=beam"], ["decoding.beam_size="]),
        ("decoding.beam_s", [], []),
        ("model=_", [], []),  # parts of others are no choice
        ("no_such", [], []),
        ("model=ls", ["modle=lstm"], ["model=lstm", "model=lstm_attn"]),
        ("model.di", ["modle=lstm"], []),
        ("model=ls", ["a b", "'"], ["model=lstm", "model=lstm_attn"]),
        ("model.di", ["model=lstm", "seed=${oc.env:HOME}"], ["model.dim="]),
        ("model.di", ["hydra.searchpath=[file:///]"], ["model.dim="]),
        ("seed=${oc.env:HO", [], []),
    ],
)  # fmt: skip
def test_a_word_is_completed_by_groups_options_and_keys(word, before, found):
    assert complete_override(word, Namespace(overrides=before)) == found


def test_a_folder_of_ones_own_is_completed_too(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("dim: 3\n")
    given = Namespace(overrides=[], config_dir=str(tmp_path), config_name=None, multirun=False)
    assert complete_override("model=mi", given) == ["model=mine"]
