"""N-best lists, forced prefixes, unknown words from the source, batches by tokens, places in a long input."""

from dataclasses import replace
from unittest import mock

import pytest
import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.config.compose import compose
from seq2seq_lab.data.batching import ByTokens
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference import translator as module
from seq2seq_lab.inference.translator import Translator, most_attended_words, translation_row
from seq2seq_lab.model.ensemble import Ensemble
from seq2seq_lab.special_tokens import UNK
from support.small_translators import lines, translator


def with_search(base: Translator, name: str, **settings) -> Translator:
    node = compose([f"decoding={name}"])["decoding"]
    return replace(base, decoding=build({**node, "max_ratio": 0.7, **settings}))


def test_n_best_outputs_are_sorted_and_the_first_is_the_translation():
    base = with_search(translator(), "beam", n_best=4)
    found = base.n_best(lines()[:30])
    assert [one[0].text for one in found] == [t.text for t in base.translate(lines()[:30])]
    assert {len(one) for one in found} == {1, 4}  # 1: blank lines
    for every in found:
        ranks = [one.rank for one in every if one.finished]
        assert ranks == sorted(ranks, reverse=True)
        for one in every:
            assert sum(one.token_scores) == pytest.approx(one.score, abs=1e-5)
            assert len(one.token_scores) == len(one.target_tokens)


def test_batches_by_tokens_give_the_same():
    base = translator()
    expected = [t.text for t in base.translate(lines())]
    sizes = []
    search = module.Translator._search

    def seen(self, model, step, sentences, *rest):
        sizes.append(len(sentences) * max(len(s) + 1 for s in sentences))
        return search(self, model, step, sentences, *rest)

    with mock.patch.object(module.Translator, "_search", seen):
        found = replace(base, batching=ByTokens(60)).translate(lines())
    assert [t.text for t in found] == expected
    assert max(sizes) <= 60
    assert len(sizes) > 10


# places in a long input


def chunks_do_not_matter(kind) -> None:
    """What is drawn for a line depends on its place in the whole input, not on how it was read."""
    base = with_search(translator(scale=1.0), "sample", seed=3)
    texts = ["0 1 2 3 4 5 0 1 2 3"] * 12
    whole = [t.text for t in kind(base, texts, 0)]
    assert len(set(whole)) > 6
    parts = [t.text for first in (0, 5, 10) for t in kind(base, texts[first : first + 5], first)]
    assert parts == whole


def test_samples_do_not_depend_on_chunks():
    chunks_do_not_matter(lambda base, texts, first: base.translate(texts, first=first))


def test_planted_forgotten_offset_is_caught():
    with pytest.raises(AssertionError):
        chunks_do_not_matter(lambda base, texts, _: base.translate(texts))


# prefixes


@pytest.mark.parametrize("search", ["greedy", "beam", "diverse_beam", "sample"])
def test_outputs_start_with_their_prefix(search):
    texts, prefixes = ["0 1 2", "", "5 5 5 4 3", "2"], ["3 3", "1", "", "5 4 3 2 1 0 5 4 3 2 1 0"]
    found = with_search(translator(), search).translate(texts, prefixes=prefixes)
    for text, prefix, one in zip(texts, prefixes, found, strict=True):
        assert one.text.startswith(prefix if text else "")


def test_a_prefix_comes_out_as_it_was_given_even_with_unknown_words():
    found = translator().translate(["0 1 2"], prefixes=["3 zebra 5 quagga"])
    assert found[0].text.startswith("3 zebra 5 quagga")
    assert found[0].target_ids[1] == UNK


def test_every_text_needs_its_prefix():
    with pytest.raises(ValueError, match="1 prefixes for 2 texts"):
        translator().translate(["1", "2"], prefixes=["3"])


# unknown words


def test_the_word_with_most_attention_stands_for_an_unknown_one():
    attention = torch.tensor([[0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.2, 0.6], [0.5, 0.3, 0.1, 0.1]])
    assert most_attended_words([UNK, 7, UNK], attention, ["a", "b", "c"]) == ["b", "a"]


def test_the_end_of_the_source_is_no_word():
    assert most_attended_words([UNK], torch.tensor([[0.1, 0.2, 0.7]]), ["a", "b"]) == ["b"]


def unknown_words_come_from_the_source(base: Translator) -> int:
    """Every UNK is the source word that the returned matrix says; returns how many there were."""
    texts = ["0 zebra 2 1", "quagga", "5 5 okapi 4 3 emu 1 2", "3 3"]
    count = 0
    for text, one in zip(texts, base.translate(texts), strict=True):
        words, out = text.split(), one.text.split()
        assert len(out) == len(one.target_ids)
        for place, (id_, word) in enumerate(zip(one.target_ids, out, strict=True)):
            if id_ == UNK:
                count += 1
                weights = one.attention[place].tolist()
                best = max(range(len(words)), key=lambda i: weights[i])
                assert word == words[best]
                assert one.target_tokens[place] == "<unk>"
    return count


def talks_of_unknown(*overrides) -> Translator:
    """Return a translator that often writes UNK, by its bias, and looks at one place (scaled weights)."""
    base = with_search(translator(*overrides), "greedy", replace_unknown=True, max_ratio=2.0)
    with torch.no_grad():
        base.model.decoder.output.bias[UNK] += 40.0
    return base


def test_unknown_words_are_taken_from_the_source():
    assert unknown_words_come_from_the_source(talks_of_unknown()) > 10


def test_planted_word_from_the_wrong_place_is_caught():
    def shifted(ids, attention, pieces):
        return most_attended_words(ids, attention.roll(1, dims=0), pieces[1:] + pieces[:1])

    with (
        mock.patch.object(module, "most_attended_words", shifted),
        pytest.raises(AssertionError),
    ):
        unknown_words_come_from_the_source(talks_of_unknown())


def test_without_replacement_unknown_words_are_left_out():
    base = talks_of_unknown()
    base = replace(base, decoding=replace(base.decoding, replace_unknown=False))
    (found,) = base.translate(["0 zebra 2"])
    assert UNK in found.target_ids
    assert len(found.text.split()) == len(found.target_ids) - found.target_ids.count(UNK)


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_model_without_attention_is_refused_before_it_decodes(ensemble):
    base = translator("model=gru")
    model = Ensemble([base.model]) if ensemble else base.model
    with pytest.raises(ConfigError, match="this model has no attention"):
        with_search(replace(base, model=model), "greedy", replace_unknown=True)


def test_the_question_for_attention_changes_nothing():
    base = translator()
    base.model.train()
    before = torch.get_rng_state()
    with_search(base, "greedy", replace_unknown=True)
    assert base.model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_a_row_of_jsonl_holds_everything():
    base = with_search(translator(), "beam", n_best=2)
    (found,) = base.n_best(["0 1 2"])
    row = translation_row(7, "0 1 2", found, with_attention=True)
    assert (row["id"], row["source"], row["truncated"]) == (7, "0 1 2", False)
    first = row["hypotheses"][0]
    assert len(first["tokens"]) == len(first["token_scores"]) == len(first["attention"])
    assert all(len(weights) == len(row["source_tokens"]) for weights in first["attention"])
    assert base.target_tokenizer.decode(first["ids"]) == first["text"]
    assert "attention" not in translation_row(7, "0 1 2", found)["hypotheses"][0]


@pytest.mark.parametrize("model", ["gru", "hard_monotonic"])
def test_weights_that_nothing_replaces_are_refused_before_it_decodes(model):
    base = translator(f"model={model}")
    uniform = build(compose(["decoding/intervention=uniform"])["decoding"])
    with pytest.raises(ConfigError, match="no attention whose weights could be replaced"):
        replace(base, decoding=uniform)
    replace(translator("model=gru_attn"), decoding=uniform)
