"""Initial weights: taken by name, by token and from files; frozen parts stay; what does not fit is refused."""

import json

import pytest
import torch

from seq2seq_lab.data.tokenizer.subword import BpeTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.trained import read_model
from seq2seq_lab.training import initial_weights
from seq2seq_lab.training.initial_weights import InitialWeights
from support.small_runs import TINY_RUN, assemble, small, tiny_run, train, trainer

GIVEN = "training/initial_weights=given"


def tokenizer(*words: str) -> WordTokenizer:
    made = WordTokenizer()
    made.fit([" ".join(words)], "en")
    return made


def stored(folder) -> dict[str, torch.Tensor]:
    return read_model(folder).weights


def begun(folder, *overrides: str) -> dict[str, torch.Tensor]:
    """Return the weights after one step so small that float32 hardly moves."""
    path = folder / "run"
    made = [*TINY_RUN, GIVEN, "training/optimizer=sgd", "training.optimizer.lr=1e-12"]
    rest = ["training.trainer.max_steps=1", "training/logger=csv", f"run_dir={path}"]
    assert train(*made, *overrides, *rest) == 0
    return stored(path)


def same(one, other) -> bool:
    return torch.allclose(one, other, rtol=0.0, atol=1e-9)


def test_a_run_begins_with_the_weights_of_another(tmp_path):
    source = stored(tiny_run())
    found = begun(tmp_path, f"training.initial_weights.checkpoint={tiny_run()}")
    assert found.keys() == source.keys()
    assert all(same(found[name], source[name]) for name in source)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    facts = manifest["initial_weights"]
    assert facts["checkpoint"]["tensors"] == len(source)
    assert facts["frozen"] == []


def test_a_part_is_taken_and_the_rest_is_drawn(tmp_path):
    source = stored(tiny_run())
    keys = [f"training.initial_weights.checkpoint={tiny_run()}", "seed=7"]
    found = begun(tmp_path, *keys, "training.initial_weights.parts=[encoder]")
    taken = {name for name in source if same(found[name], source[name])}
    assert {name for name in source if name.startswith("encoder.")} <= taken
    assert not any(
        name.endswith(("weight", "weight_hh")) for name in taken if name.startswith("decoder.")
    )


def test_rows_follow_their_tokens(tmp_path):
    """A corpus of other numbers has another vocabulary: rows of common tokens are those of the other model."""
    other = read_model(tiny_run())
    overrides = [*TINY_RUN, "data.corpus.vocab_size=7", "seed=5"]
    parts = assemble(*overrides)
    before = {k: v.clone() for k, v in parts.module.model.state_dict().items()}
    tokenizers = (parts.data.source_tokenizer, parts.data.target_tokenizer)
    weights = InitialWeights(checkpoint=str(tiny_run()))
    facts = weights.give(parts.module.model, tokenizers)
    state = json.loads(other.source_tokenizer)["state"]["vocabulary"]
    mine, theirs = (
        parts.module.model.encoder.embedding.lookup.weight,
        other.weights["encoder.embedding.lookup.weight"],
    )
    common = 0
    for i in range(4, len(tokenizers[0])):
        word = tokenizers[0].token(i)
        expected = (
            theirs[4 + state.index(word)]
            if word in state
            else before["encoder.embedding.lookup.weight"][i]
        )
        common += word in state
        assert torch.equal(mine[i], expected)
    assert facts["checkpoint"]["tokens_in_both_vocabularies"]["source"] == 4 + common > 4


def test_vectors_of_a_file_stand_in_the_embedding(tmp_path):
    parts = assemble(*TINY_RUN)
    model, data = parts.module.model, parts.data
    words = [data.target_tokenizer.token(i) for i in (4, 6)]
    dim = model.decoder.embedding.dim
    path = tmp_path / "v.vec"
    path.write_text(
        "".join(f"{w} {' '.join([str(n)] * dim)}\n" for n, w in enumerate([*words, "?"], 1))
    )
    before = model.decoder.embedding.lookup.weight.clone()
    facts = InitialWeights(target_vectors=str(path)).give(
        model, (data.source_tokenizer, data.target_tokenizer)
    )
    found = model.decoder.embedding.lookup.weight
    assert found[4].tolist() == [1.0] * dim
    assert found[6].tolist() == [2.0] * dim
    rest = [i for i in range(len(found)) if i not in (4, 6)]
    assert torch.equal(found[rest], before[rest])
    assert facts["target_vectors"]["tokens"] == [2, len(data.target_tokenizer) - 4]


@pytest.mark.parametrize(
    "model",
    [
        ["model=lstm"],
        ["model=gru_attn", "model.decoder.input_feeding=true"],
        ["model=transformer", "model/position=relative"],
        ["model=lstm_attn", "training/scheduled_sampling/schedule=never"],
    ],
)
def test_frozen_parts_stay_and_the_others_learn(model, tmp_path):
    parts = small(*model)
    weights = InitialWeights(frozen=["encoder.embedding", "decoder.output"])
    frozen = weights.freeze(parts.module.model)
    assert {name.rpartition(".")[0] for name in frozen} == {
        "encoder.embedding.lookup",
        "decoder.output",
    }
    before = {name: one.detach().clone() for name, one in parts.module.model.named_parameters()}
    trainer(tmp_path, max_steps=2).fit(parts.module, datamodule=parts.data)
    moved = {
        n for n, one in parts.module.model.named_parameters() if not torch.equal(one, before[n])
    }
    assert moved == set(before) - set(frozen)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"checkpoint": "no/run"},
            r"training\.initial_weights\.checkpoint=no/run: no such file or folder",
        ),
        ({"source_vectors": "no.vec"}, r"source_vectors=no\.vec: no such file"),
        ({"parts": ["encoder"]}, r"parts: parts of what\? Give .*checkpoint=RUN"),
    ],
)
def test_what_is_not_there_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        InitialWeights(**settings)


def test_what_does_not_fit_is_refused():
    parts = small()
    model, sides = parts.module.model, (parts.data.source_tokenizer, parts.data.target_tokenizer)
    with pytest.raises(
        ConfigError, match=r"the model has no part 'head'; it has decoder\.attention"
    ):
        InitialWeights(frozen=["head"]).freeze(model)
    with pytest.raises(ConfigError, match="nothing is left to train"):
        InitialWeights(frozen=["encoder", "decoder"]).freeze(model)
    wider = small("model.dim=24").module.model
    with pytest.raises(
        ConfigError, match=r"does not fit this model: .* and \d+ more; name the parts that do"
    ):
        InitialWeights(checkpoint=str(tiny_run())).give(wider, sides)


def test_words_that_the_vocabulary_lacks_are_refused(tmp_path):
    parts = small()
    path = tmp_path / "v.vec"
    path.write_text(f"zebra {' '.join(['1'] * parts.module.model.encoder.embedding.dim)}\n")
    weights = InitialWeights(source_vectors=str(path))
    with pytest.raises(ConfigError, match="none of its words is in the source vocabulary"):
        weights.give(parts.module.model, (tokenizer("a"), tokenizer("b")))


def test_another_vocabulary_and_vectors_make_a_run_that_translates(tmp_path):
    """The whole way: partial load, word vectors, frozen parts, best checkpoint, result."""
    path = tmp_path / "v.vec"
    path.write_text(f"5 {' '.join(['0.25'] * 16)}\n")
    keys = {
        "checkpoint": tiny_run(),
        "parts": "[encoder]",
        "source_vectors": path,
        "frozen": "[encoder.embedding]",
    }
    words = [f"training.initial_weights.{key}={value}" for key, value in keys.items()]
    run = ["training/logger=csv", f"run_dir={tmp_path / 'run'}", "seed=3"]
    assert train(*TINY_RUN, GIVEN, *words, *run) == 0
    found = stored(tmp_path / "run")["encoder.embedding.lookup.weight"]
    before = stored(tiny_run())["encoder.embedding.lookup.weight"]
    changed = [i for i in range(len(found)) if not torch.equal(found[i], before[i])]
    assert len(changed) == 1
    assert found[changed[0]].tolist() == [0.25] * 16


def bytes_of(*texts: str) -> BpeTokenizer:
    made = BpeTokenizer(vocab_size=300, min_frequency=1)
    made.fit(list(texts), "en")
    return made


def rows_are_those_of_their_tokens() -> None:
    """Many bytes are no text alone and look alike: equal vocabularies go row by row, others leave such bytes out."""
    one, other = bytes_of("some cats", "a mat"), bytes_of("other dogs", "a log")
    here, there = initial_weights._rows(one, bytes_of("some cats", "a mat"))
    assert here.tolist() == there.tolist() == list(range(len(one)))
    here, there = (ids.tolist() for ids in initial_weights._rows(one, other))
    assert len(set(here)) == len(set(there)) == len(here) > 100
    assert [one.token(i) for i in here] == [other.token(i) for i in there]
    assert "\ufffd" not in {one.token(i) for i in here}


def test_tokens_that_look_alike_are_not_mixed_up():
    rows_are_those_of_their_tokens()


def test_planted_rows_by_text_alone_are_caught(monkeypatch):
    def by_text(tokenizer):
        return {tokenizer.token(i): i for i in range(4, len(tokenizer))}

    monkeypatch.setattr(initial_weights, "_ids_by_text", by_text)
    with pytest.raises(AssertionError):
        rows_are_those_of_their_tokens()


def test_a_tied_weight_is_frozen_by_each_of_its_names():
    tied = ("model.tie_output=true", "model.embedding_dim=16", "model.dim=16")
    for part in ("decoder.output", "decoder.embedding"):
        model = small(*tied).module.model
        InitialWeights(frozen=[part]).freeze(model)
        assert not model.decoder.output.weight.requires_grad
        assert not model.decoder.embedding.lookup.weight.requires_grad
        assert model.encoder.embedding.lookup.weight.requires_grad
