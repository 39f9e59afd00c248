from dataclasses import replace
from unittest import mock

import pytest
import torch

from seq2seq_lab.data.batching import BySentences
from seq2seq_lab.inference import translator as module
from seq2seq_lab.inference.translator import Translator
from support.small_translators import SPECIAL, lines, translator


def output_line_belongs_to_input_line(translator: Translator, texts: list[str]) -> None:
    """O17: as many lines out as in, each the one that its input gets alone."""
    together = translator.translate(texts)
    assert len(together) == len(texts)
    alone = [translator.translate([text])[0] for text in texts]
    assert [t.text for t in together] == [t.text for t in alone]
    assert [t.source_tokens for t in together] == [t.source_tokens for t in alone]
    scores = [[t.score for t in found] for found in (together, alone)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)


def test_output_lines_belong_to_input_lines():
    output_line_belongs_to_input_line(translator(), lines())


def test_the_outputs_of_the_law_are_not_all_alike():
    assert len({t.text for t in translator().translate(lines())}) > 20


def test_planted_order_not_restored_is_caught():
    class Sorted(Translator):
        def translate(self, texts):
            return super().translate(sorted(texts, key=len))

    base = translator()
    planted = Sorted(**{name: getattr(base, name) for name in base.__dataclass_fields__})
    with pytest.raises(AssertionError):
        output_line_belongs_to_input_line(planted, lines())


def test_planted_dropped_blank_lines_are_caught():
    class Dropping(Translator):
        def translate(self, texts):
            return super().translate([text for text in texts if text.strip()])

    base = translator()
    planted = Dropping(**{name: getattr(base, name) for name in base.__dataclass_fields__})
    with pytest.raises(AssertionError):
        output_line_belongs_to_input_line(planted, lines())


@pytest.mark.parametrize("size", [3, 64, 1000])
def test_the_batch_size_does_not_matter(size):
    base = translator()
    expected = [t.text for t in base.translate(lines())]
    assert [
        t.text for t in replace(base, batching=BySentences(size)).translate(lines())
    ] == expected


# dropout


def decoding_is_deterministic(translator: Translator) -> None:
    translator.model.train()
    texts = ["0 1 2 3", "3 2 1", "5 5 5 4"]
    some, others = translator.translate(texts), translator.translate(texts)
    assert [(t.text, t.score) for t in some] == [(t.text, t.score) for t in others]


def test_dropout_is_off_in_decoding():
    decoding_is_deterministic(translator())


def test_planted_model_left_in_training_mode_is_caught():
    planted = translator()
    with (
        mock.patch.object(planted.model, "eval", return_value=planted.model),
        pytest.raises(AssertionError),
    ):
        decoding_is_deterministic(planted)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_is_given_back(training):
    found = translator()
    found.model.train(training)
    found.translate(["0 1"])
    assert found.model.training is training


def test_decoding_draws_no_random_number():
    found = translator()
    before = torch.get_rng_state()
    found.translate(["0 1"])
    assert torch.equal(torch.get_rng_state(), before)


def test_decoding_leaves_no_graph():
    (found,) = translator().translate(["0 1"])
    assert not found.attention.requires_grad


# single texts


@pytest.mark.parametrize("text", ["", " ", "\u3000 \t"])
def test_a_text_of_blanks_becomes_an_empty_text(text):
    (found,) = translator().translate([text])
    assert (found.text, found.finished, found.truncated) == ("", True, False)


def test_nothing_in_nothing_out():
    assert translator().translate([]) == []


@pytest.mark.parametrize("text", SPECIAL)
def test_special_strings_do_not_end_the_source(text):
    found = translator()
    (with_string,) = found.translate([f"0 1 {text} 2 3"])
    assert with_string.source_tokens[:2] == ["0", "1"]
    assert with_string.source_tokens[-3:-1] == ["2", "3"]
    assert len(with_string.source_tokens) == 5 + len(text.split())


def test_an_over_long_source_is_cut_and_flagged():
    base = replace(translator(), max_source_tokens=4)
    cut, whole = base.translate(["0 1 2 3 4 5", "0 1 2 3"])
    assert (cut.truncated, whole.truncated) == (True, False)
    assert cut.source_tokens == whole.source_tokens
    assert cut.text == whole.text


def test_attention_has_a_row_per_target_token_and_a_column_per_source_token():
    for found in translator().translate(["0", "0 1 2 3 4 5", "3 2"]):
        assert tuple(found.attention.shape) == (len(found.target_tokens), len(found.source_tokens))
        assert found.attention.sum(-1).allclose(torch.ones(len(found.target_tokens)).double())


def test_without_attention_the_matrix_is_empty():
    (found,) = translator("model=gru").translate(["0 1"])
    assert found.attention.shape[1] == 0


def test_line_ends_in_the_output_become_spaces():
    base = translator()
    with mock.patch.object(type(base.target_tokenizer), "decode", return_value="a\nb"):
        assert base.translate(["0 1"])[0].text == "a b"


def test_a_score_is_a_log_probability():
    assert all(t.score < 0 for t in translator().translate(["0 1", "5 4 3"]))
    assert module.NOTHING.score == 0
