import json
from collections import Counter
from dataclasses import replace

import pytest
import sacrebleu
import torch

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.bleu import bleu_tokenizer
from seq2seq_lab.metrics.interval import bootstrap_interval
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.training.callback import bleu
from seq2seq_lab.training.callback.bleu import Bleu
from support.small_runs import rows, small, trainer


def scored(folder, *, change=None, planted=None):
    """Run validation and test of a random model; return the callback and the parts."""
    folder.mkdir(exist_ok=True)
    parts, callback = small("decoding.max_ratio=1.0"), Bleu()
    with torch.no_grad():
        for parameter in parts.module.model.parameters():
            parameter.mul_(6.0)
    if change is not None:
        for split in ("val", "test"):
            parts.data.pairs[split] = [
                change(i, pair) for i, pair in enumerate(parts.data.pairs[split])
            ]
    if planted is not None:
        parts.module.translator = planted(parts)
    engine = trainer(folder, callbacks=[callback])
    engine.validate(parts.module, datamodule=parts.data, verbose=False)
    engine.test(parts.module, datamodule=parts.data, verbose=False)
    return callback, parts


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bleu")
    return folder, *scored(folder)


@pytest.mark.parametrize("split", ["val", "test"])
def test_every_pair_of_the_split_is_stored_in_order(done, split):
    folder, _, parts = done
    found = rows(folder / "hypotheses" / f"{split}.jsonl")
    assert [(r["id"], r["source"], r["reference"]) for r in found] == [
        (i, p.source, p.target) for i, p in enumerate(parts.data.pairs[split])
    ]


@pytest.mark.parametrize("split", ["val", "test"])
def test_numbers_are_those_of_the_stored_text(done, split):
    folder, callback, _ = done
    found = rows(folder / "hypotheses" / f"{split}.jsonl")
    hypotheses, references = [r["hypothesis"] for r in found], [[r["reference"] for r in found]]
    assert callback.numbers[f"{split}/bleu"] == sacrebleu.corpus_bleu(hypotheses, references).score
    assert callback.numbers[f"{split}/chrf"] == sacrebleu.corpus_chrf(hypotheses, references).score


def test_signatures_are_stored(done):
    signatures = json.loads((done[0] / "hypotheses" / "signatures.json").read_text())
    assert "version:" in signatures["bleu"]
    assert set(signatures) == {"bleu", "bleu_tok_lc", "chrf", "chrfpp", "ter"}


def test_the_intervals_of_the_test_are_stored_with_it(done):
    folder, _, parts = done
    stored = json.loads((folder / "hypotheses" / "intervals.json").read_text())
    assert set(stored) == {"test"}
    found = rows(folder / "hypotheses" / "test.jsonl")
    texts = [r["hypothesis"] for r in found], [r["reference"] for r in found]
    tokenizer = bleu_tokenizer(parts.data.corpus.target_language)
    of_rows = {name: ends for name, ends in stored["test"].items() if name in METRICS}
    for name, ends in of_rows.items():
        assert tuple(ends) == bootstrap_interval(name, *texts, tokenize=tokenizer)
    assert set(of_rows) == set(METRICS)
    others = [name for name in stored["test"] if name not in METRICS]
    assert {f"exact_match_target_length_q{i}" for i in range(1, 5)} <= set(others)
    assert all(name.startswith(("exact_match_", "word_f1_seen_")) for name in others)


def test_the_training_counts_of_the_words_of_the_test_are_stored(done):
    folder, callback, parts = done
    stored = json.loads((folder / "hypotheses" / "word_counts.json").read_text())
    training = Counter(w for p in parts.data.pairs["train"] for w in p.target.split())
    rows_of_test = rows(folder / "hypotheses" / "test.jsonl")
    words = {w for r in rows_of_test for k in ("reference", "hypothesis") for w in r[k].split()}
    counts = {word: training[word] for word in words if training[word]}
    assert stored == {"counts": counts, "by_character": False}
    assert any(name.startswith("test/word_f1_seen_") for name in callback.numbers)


def numbers_of_an_epoch(folder, *overrides):
    """Train for an epoch; return what its validation measured."""
    parts, callback, seen = small(*overrides), Bleu(), {}
    score = bleu.score

    def noted(*arguments, **named):
        found = score(*arguments, **named)
        seen.setdefault(named["names"] is None, found.numbers)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bleu, "score", noted)
        engine = trainer(folder, callbacks=[callback], max_epochs=1, limit_train_batches=1)
        engine.fit(parts.module, datamodule=parts.data)
        engine.validate(parts.module, datamodule=parts.data, verbose=False)
    return seen


def test_slow_metrics_wait_for_the_best_checkpoint(tmp_path):
    seen = numbers_of_an_epoch(tmp_path)
    slow = {name for name, row in METRICS.items() if not row.each_epoch}
    assert slow == {"chrfpp", "ter"}
    assert set(METRICS) & set(seen[False]) == set(METRICS) - slow
    assert set(METRICS) <= set(seen[True])


def test_a_slow_metric_that_is_monitored_is_counted_each_epoch(tmp_path):
    seen = numbers_of_an_epoch(tmp_path, "data.monitor=val/ter")
    assert set(METRICS) & set(seen[False]) == set(METRICS) - {"chrfpp"}


def test_both_counts_of_a_ratio_are_stored_for_each_pair(done):
    folder, callback, _ = done
    for split in ("val", "test"):
        counts = [r["exact_match"] for r in rows(folder / "hypotheses" / f"{split}_counts.jsonl")]
        expected = [
            [float(r["hypothesis"] == r["reference"]), 1.0]
            for r in rows(folder / "hypotheses" / f"{split}.jsonl")
        ]
        assert counts == expected
        right, pairs = map(sum, zip(*counts, strict=True))
        assert callback.numbers[f"{split}/exact_match"] == 100 * right / pairs


def test_a_split_without_pairs_is_not_scored(tmp_path):
    callback, parts = Bleu(), small()
    parts.data.pairs["val"] = []
    engine = trainer(tmp_path, callbacks=[callback])
    engine.validate(parts.module, datamodule=parts.data, verbose=False)
    assert callback.numbers == {}
    assert not (tmp_path / "hypotheses").exists()


# the target never reaches decoding


def hypotheses_do_not_depend_on_targets(folder, planted=None):
    change = lambda i, pair: Pair(pair.source, f"{i} 5 5")  # noqa: E731
    texts = []
    for name, other in (("same", None), ("other", change)):
        scored(folder / name, change=other, planted=planted)
        texts.append([r["hypothesis"] for r in rows(folder / name / "hypotheses" / "test.jsonl")])
    assert texts[0] == texts[1]


def test_the_target_never_reaches_decoding(tmp_path):
    hypotheses_do_not_depend_on_targets(tmp_path)


class Peeking:
    """Looks the reference up."""

    def __init__(self, parts):
        self.inner = parts.module.translator
        self.decoding = self.inner.decoding
        pairs = parts.data.pairs
        self.answers = {p.source: p.target for split in ("val", "test") for p in pairs[split]}

    def translate(self, texts):
        found = self.inner.translate(texts)
        return [replace(t, text=self.answers[s]) for s, t in zip(texts, found, strict=True)]


def test_planted_peeking_at_the_target_is_caught(tmp_path):
    with pytest.raises(AssertionError):
        hypotheses_do_not_depend_on_targets(tmp_path, planted=Peeking)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (("decoding=beam",), ("decoding=beam",), True),
        (("decoding=beam",), ("decoding=beam", "decoding/length_penalty=gnmt"), False),
        (("decoding=sample", "decoding.seed=1"), ("decoding=sample", "decoding.seed=2"), False),
    ],
)
def test_runs_of_a_pack_are_searched_together_only_if_they_search_alike(
    one, other, alike, monkeypatch
):
    asked = []
    monkeypatch.setattr(bleu, "evaluated", lambda request: asked.append(request.name) or [])
    for overrides in (one, other):
        bleu._translated(small(*overrides).module, "val", [])
    assert (asked[0] == asked[1]) is alike
