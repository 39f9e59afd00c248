"""The sizes that only the data decide, written into a composed config."""

import pytest

from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.vocabulary_sizes import fill_sizes
from seq2seq_lab.errors import DataError
from support.bad_input_files import assert_error_lines
from support.small_runs import TINY_RUN, train


def test_the_text_ends_where_the_features_begin():
    model = compose_config(["model/feature_encoder=set"]).model
    fill_sizes(model, 20, 13, 6)
    sizes = model.source_vocab_size, model.target_vocab_size, model.feature_encoder.text_vocab_size
    assert sizes == (20, 13, 14)


def test_features_may_be_symbols_of_a_model_without_an_encoder_for_them():
    model = compose_config([]).model
    fill_sizes(model, 20, 13, 6)
    assert (model.source_vocab_size, model.target_vocab_size) == (20, 13)


@pytest.mark.parametrize("num_features", [0, 1])
def test_an_encoder_of_features_needs_features(num_features):
    model = compose_config(["model/feature_encoder=set"]).model
    with pytest.raises(DataError, match="no training source has features"):
        fill_sizes(model, 20, 13, num_features)


def test_a_run_whose_text_has_no_features_ends_in_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    tokenizer = "data/tokenizer@data.source_tokenizer=features"
    assert train(*TINY_RUN, "model/feature_encoder=set", tokenizer) == 3
    err = capfd.readouterr().err
    assert_error_lines(err)
    assert "TEXT<TAB>V;PST" in err
