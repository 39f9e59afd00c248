"""Models with features from the corpus to the translation: columns of the attention, unknown words, exports."""

from dataclasses import replace

import pytest
import torch

from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.inference import translator as module
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.special_tokens import UNK
from seq2seq_lab.testing.small_training import Parts, assemble

INFLECTION = (
    "data=inflection",
    "data.corpus.num_train=60",
    "data.corpus.num_val=10",
    "data.corpus.num_test=10",
    "model=gru_attn",
    "model.dim=8",
    "model.embedding_dim=4",
    "training.logger=null",
)


def small(*overrides: str) -> Parts:
    return assemble(*INFLECTION, *overrides)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return small("model/feature_encoder=set")


def test_the_sizes_of_the_model_are_those_of_the_tokenizer(parts):
    tokenizer, encoder = parts.data.source_tokenizer, parts.module.model.encoder
    assert encoder.text_vocab_size == len(tokenizer) - tokenizer.num_features
    assert encoder.embedding.lookup.num_embeddings == len(tokenizer)
    assert tokenizer.token(encoder.text_vocab_size) == "<unknown>"


def test_attention_has_a_column_for_each_feature_under_its_name(parts):
    (found,) = parts.module.translator.translate(["ev\tN;ACC;NEW"])
    assert found.source_tokens == ["N", "ACC", "<unknown>", "e", "v", "<eos>"]
    assert found.unknown_source_tokens == ["NEW"]
    assert found.attention.shape[1] == 6


def test_other_features_give_other_outputs_and_an_empty_text_is_translated_by_its_features():
    base = small("model/feature_encoder=set").module.translator
    with torch.no_grad():
        for parameter in base.model.parameters():
            parameter.mul_(6.0)
    texts = [f"ev\tN;{case};SG" for case in ("ACC", "DAT", "LOC", "ABL", "GEN", "INS")]
    assert len({one.text for one in base.translate(texts)}) > 2
    assert base.translate(["\tN;ACC"])[0].source_tokens == ["N", "ACC", "<eos>"]
    assert base.translate([""])[0].source_tokens == []


def replaced(base: Translator, source: str) -> str:
    """Return the output where each token of the target is unknown and the first column has all attention."""
    decoding = replace(base.decoding, replace_unknown=True, max_ratio=0.0, max_extra=2)

    def first_column(self, model, step, sentences, *rest):
        found = search(self, model, step, sentences, *rest)
        weights = torch.eye(1, found[0][0].attention.shape[1]).expand(2, -1)
        tokens = torch.tensor([UNK, UNK])
        return [[replace(found[0][0], tokens=tokens, attention=weights, finished=False)]]

    search = module.Translator._search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Translator, "_search", first_column)
        return replace(base, decoding=decoding).translate([source])[0].text


def test_an_unknown_word_is_never_replaced_by_a_feature(parts):
    base = parts.module.translator
    assert replaced(base, "ev\tN;ACC") == "ee"
    assert replaced(base, "\tN;ACC") == ""
    assert replaced(base, "ev") == "ee"


def test_planted_bug_the_most_attended_piece_may_be_a_feature(parts, monkeypatch):
    kind, size = type(parts.data.source_tokenizer), len(parts.data.source_tokenizer)
    monkeypatch.setattr(kind, "__len__", lambda self: size)
    monkeypatch.setattr(kind, "num_features", 0)
    assert replaced(parts.module.translator, "ev\tN;ACC") == "NN"


def test_a_model_without_an_encoder_of_its_own_reads_features_as_symbols():
    parts = small()
    assert not hasattr(parts.module.model.encoder, "text_encoder")
    (found,) = parts.module.translator.translate(["ev\tN;ACC"])
    assert found.source_tokens == ["N", "ACC", "e", "v", "<eos>"]


def test_the_stored_tokenizer_gives_the_same_ids(parts):
    tokenizer = parts.data.source_tokenizer
    again = tokenizer_from_json(tokenizer.to_json())
    texts = [pair.source for pair in parts.data.pairs["test"]]
    assert again.encode_batch(texts) == tokenizer.encode_batch(texts)


@pytest.mark.parametrize("kind", ["set", "recurrent"])
def test_the_graphs_of_an_export_decode_features(tmp_path, kind):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    import jaxtyping

    from seq2seq_lab.data.collate import pad_source
    from seq2seq_lab.inference.onnx_export import ENCODER, export_onnx

    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        made = small(f"model/feature_encoder={kind}")
        model, tokenizer = made.module.model.eval(), made.data.source_tokenizer
        export_onnx(model, len(tokenizer), tmp_path)
        texts = ["ev\tN;ACC;PL", "köprü", "\tN", "göz\tN;DAT;SG;PSS1S"]
        source, lengths = pad_source(tokenizer.encode_batch(texts))
        session = onnxruntime.InferenceSession(str(tmp_path / ENCODER))
        named = {"source": source.numpy(), "lengths": lengths.numpy()}
        found = session.run(["source.keys.values"], named)[0]
        with torch.no_grad():
            expected = model.encode(source, lengths).states
        torch.testing.assert_close(torch.tensor(found), expected, rtol=0, atol=1e-5)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
