"""Text in, text out (laws O17 and O18), with words of one letter and a model that copies."""

from dataclasses import dataclass

import pytest
import torch

import laws
from seq2seq_lab.data.tokenizer import WordTokenizer
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.special_tokens import EOS, SPELLINGS
from seq2seq_lab.training import translator as translator_module
from seq2seq_lab.training.translator import Translation, Translator
from tiny_models import covering_choices, make_model

SOURCE_WORDS, TARGET_WORDS = (
    "a b c d e f g",
    "a b c d e f g h i",
)  # with four special tokens 11 and 13
ATTENDING = next(
    c for c in covering_choices() if c.attention == "additive" and c.context != "every_step"
)
TEXTS = ["a b c d e", "b", "", "c d", "a b c d e f g a b", "  ", "g f e", "unknown words", "d"]


def words(text: str) -> WordTokenizer:
    tokenizer = WordTokenizer()
    tokenizer.fit([text], "en")
    return tokenizer


@dataclass(frozen=True)
class Copied:
    """Reads the source back: the state is the source itself and a position."""

    source: torch.Tensor
    position: int
    attention: torch.Tensor

    def select(self, rows: torch.Tensor) -> "Copied":
        return Copied(self.source[rows], self.position, self.attention[rows])


def copying_model():
    """Return a model whose parts are replaced by an exact copy of the source."""
    model = make_model(ATTENDING)

    def step(token, state):
        now = state.source[:, state.position]
        logits = torch.nn.functional.one_hot(now, 13).double() * 9.0
        return logits, Copied(
            state.source, state.position + 1, torch.zeros(len(now), state.source.shape[1])
        )

    model.encode = lambda source, lengths: source
    model.initial_state = lambda source: Copied(
        source, 0, torch.zeros(len(source), source.shape[1])
    )
    model.step = step
    return model


def make(model=None, batch_size: int = 2, max_source_tokens: int = 9) -> Translator:
    decoding = Greedy(max_ratio=1.0, max_extra=3)
    sides = words(SOURCE_WORDS), words(TARGET_WORDS)
    return Translator(model or copying_model(), *sides, decoding, max_source_tokens, batch_size)


def output_belongs_to_its_input(translator: Translator) -> None:
    texts = [text for text in TEXTS if "unknown" not in text]
    assert [t.text for t in translator.translate(texts)] == [
        " ".join(text.split()) for text in texts
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_output_belongs_to_its_input_in_any_batch(batch_size):
    output_belongs_to_its_input(make(batch_size=batch_size))


def test_as_many_texts_come_out_as_go_in():
    assert [len(make().translate(["a"] * n)) for n in (0, 1, 2, 7)] == [0, 1, 2, 7]


def same_translations(some: list[Translation], others: list[Translation]) -> None:
    for one, other in zip(some, others, strict=True):
        assert (one.text, one.finished) == (other.text, other.finished)
        laws.assert_equal((one.score, one.attention), (other.score, other.attention))


def neighbours_have_no_effect(model) -> None:
    together = make(model, batch_size=3).translate(TEXTS)
    same_translations([make(model).translate([text])[0] for text in TEXTS], together)
    same_translations(make(model).translate(TEXTS[::-1])[::-1], together)


def test_a_text_is_translated_as_if_alone():
    neighbours_have_no_effect(make_model(ATTENDING, seed=3))


def test_an_empty_text_becomes_an_empty_text():
    assert [t.text for t in make(make_model(ATTENDING)).translate(["", " \t "])] == ["", ""]


def test_an_over_long_source_is_cut_and_flagged():
    one, other = make(max_source_tokens=3).translate(["a b c d", "a b c"])
    assert (one.text, one.truncated) == ("a b c", True)
    assert (other.text, other.truncated) == ("a b c", False)


def test_attention_has_a_row_per_output_token_and_a_column_per_source_token():
    for one in make(make_model(ATTENDING)).translate(["a b c d e", "b"]):
        assert one.attention.shape == (len(one.target_tokens), len(one.source_tokens))
        assert one.source_tokens[-1] == SPELLINGS[EOS]


def dropout_is_off(model) -> None:
    model.train()
    some, others = (make(model, batch_size=3).translate(TEXTS) for _ in range(2))
    assert model.training
    same_translations(some, others)


def test_dropout_is_off_while_translating_and_back_on_after():
    dropout_is_off(make_model(ATTENDING, dropout=0.5))


# planted bugs


def test_planted_order_of_the_batches_is_caught(monkeypatch):
    class Shuffled(Translator):
        def translate(self, texts):
            return super().translate(sorted(texts, key=len))

    with pytest.raises(AssertionError):
        output_belongs_to_its_input(
            Shuffled(*(getattr(make(), name) for name in make().__dataclass_fields__))
        )


def test_planted_dropout_in_decoding_is_caught(monkeypatch):
    model = make_model(ATTENDING, dropout=0.5)
    monkeypatch.setattr(model, "eval", lambda: model)
    with pytest.raises(AssertionError):
        dropout_is_off(model)


def test_planted_limit_of_the_batch_mates_is_caught(monkeypatch):
    def pad(sentences):
        source, lengths = original(sentences)
        return source, lengths.max().expand_as(lengths)

    original = translator_module.pad_source
    monkeypatch.setattr(translator_module, "pad_source", pad)
    with pytest.raises(AssertionError):
        neighbours_have_no_effect(make_model(ATTENDING, seed=3))
