"""Text in files gives what text in memory gives, and the cache gives it again, or makes it anew."""

import json
import multiprocessing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from seq2seq_lab.data import encoding, pairs, spill
from seq2seq_lab.data.batching import BySentences, ByTokens
from seq2seq_lab.data.length_filter import LengthFilter
from seq2seq_lab.data.text_files import TextFiles
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import ConfigError, ResourceError
from seq2seq_lab.training.datamodule import Seq2SeqDataModule

WORDS = ["eins", "zwei", "drei", "vier", "fünf", "六", "sieben"]


@pytest.fixture
def files(tmp_path):
    draw = np.random.default_rng(1)
    texts = []
    for side in "ab":
        path = tmp_path / side
        lines = [" ".join(draw.choice(WORDS, size=draw.integers(0, 9))) for _ in range(300)]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        texts.append(str(path))
    return texts


def prepared(files, tokenizer=WordTokenizer, batching=BySentences, **arguments):
    corpus = TextFiles("de", "en", files)
    data = Seq2SeqDataModule(
        corpus, tokenizer(), batching(16), LengthFilter(6, 6), seed=3, **arguments
    )
    data.setup()
    return data


def everything(data):
    """The report (counts, lengths, fingerprints, vocabularies), all text, and every batch of two epochs."""
    found = [json.dumps(data.report), [list(data.pairs[split]) for split in sorted(data.encoded)]]
    for split in sorted(data.encoded):
        loader = getattr(data, f"{split}_dataloader")()
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            for batch in loader:
                parts = [getattr(batch, field.name) for field in fields(batch)]
                found += [(part.dtype, part.tolist()) for part in parts]
    return found


@pytest.fixture
def in_files(monkeypatch):
    monkeypatch.setattr(spill, "IN_MEMORY", 0)
    monkeypatch.setattr(pairs, "BLOCK", 7)


@pytest.mark.parametrize("batching", [BySentences, ByTokens])
@pytest.mark.parametrize("tokenizer", [WordTokenizer, BpeTokenizer])
def test_text_in_files_gives_what_text_in_memory_gives(files, tokenizer, batching, request):
    whole = everything(prepared(files, tokenizer, batching))
    request.getfixturevalue("in_files")
    assert everything(prepared(files, tokenizer, batching)) == whole


def test_planted_block_that_loses_its_last_pair_is_caught(files, in_files, monkeypatch):
    whole = everything(prepared(files))
    real = encoding.blocks
    monkeypatch.setattr(encoding, "blocks", lambda text: ((a[:-1], b[:-1]) for a, b in real(text)))
    assert everything(prepared(files)) != whole


def test_a_second_run_finds_what_the_first_one_wrote(files, tmp_path, monkeypatch):
    whole = everything(prepared(files))
    cache = tmp_path / "new" / "cache"
    assert everything(prepared(files, cache_dir=str(cache))) == whole
    written = {path: path.stat().st_mtime_ns for path in cache.glob("*.ids")}
    assert len(written) == 3
    monkeypatch.setattr(encoding, "encode", None)  # not called again
    assert everything(prepared(files, cache_dir=str(cache))) == whole
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.ids")} == written


@pytest.mark.parametrize(
    "harm", ["torn", "other bytes", "no sidecar", "torn sidecar", "wrong sizes"]
)
def test_a_harmed_file_is_written_again(files, tmp_path, harm):
    whole = everything(prepared(files, cache_dir=str(tmp_path / "cache")))
    for path in (tmp_path / "cache").glob("*.ids"):
        sidecar, content = path.with_name(f"{path.name}.sha256.json"), path.read_bytes()
        if harm == "torn":
            path.write_bytes(content[: len(content) // 8 * 4])
        elif harm == "other bytes":
            path.write_bytes(content[:-4] + b"\7\0\0\0")
        elif harm == "no sidecar":
            sidecar.unlink()
        elif harm == "torn sidecar":
            sidecar.write_text(sidecar.read_text()[:20])
        else:
            facts = json.loads(sidecar.read_text())
            sidecar.write_text(json.dumps(facts | {"sizes": [*facts["sizes"][:-1], 10**9]}))
    assert everything(prepared(files, cache_dir=str(tmp_path / "cache"))) == whole


def test_planted_cache_that_trusts_its_files_is_caught(files, tmp_path, monkeypatch):
    whole = everything(prepared(files, cache_dir=str(tmp_path / "cache")))
    for path in (tmp_path / "cache").glob("*.ids"):
        content = np.fromfile(path, np.int32)
        content[0] = 6 if content[0] != 6 else 5
        content.tofile(path)
    said = lambda path: json.loads(encoding.sidecar_of(path).read_text())["sha256"]  # noqa: E731
    monkeypatch.setattr(encoding, "sha256_of", said)
    assert everything(prepared(files, cache_dir=str(tmp_path / "cache"))) != whole


@pytest.mark.parametrize("changed", ["text", "limit", "vocabulary", "code"])
def test_another_text_limit_vocabulary_or_code_is_another_file(
    files, tmp_path, monkeypatch, changed
):
    cache = str(tmp_path / "cache")
    prepared(files, cache_dir=cache)
    tokenizer = WordTokenizer
    if changed == "text":
        for name in files:
            path = Path(name)
            path.write_text(f"{path.read_text(encoding='utf-8')}neu neu\n", encoding="utf-8")
    elif changed == "limit":
        monkeypatch.setattr(LengthFilter, "__init__", _wider)
    elif changed == "vocabulary":
        tokenizer = lambda: WordTokenizer(min_frequency=150)  # noqa: E731
    else:
        monkeypatch.setattr(encoding, "_code", lambda: {"data": "other"})
    whole = everything(prepared(files, tokenizer))
    assert everything(prepared(files, tokenizer, cache_dir=cache)) == whole
    assert len(list((tmp_path / "cache").glob("*.ids"))) >= 4


def _wider(self, *_):
    object.__setattr__(self, "max_source_tokens", 4)
    object.__setattr__(self, "max_target_tokens", 5)


class Filter(LengthFilter):
    """A filter from outside: what it does is not known, so nothing of it is kept."""


def test_a_filter_from_outside_is_never_taken_from_the_cache(files, tmp_path):
    corpus, cache = TextFiles("de", "en", files), tmp_path / "cache"
    data = Seq2SeqDataModule(
        corpus, WordTokenizer(), BySentences(16), Filter(6, 6), cache_dir=str(cache)
    )
    data.setup()
    assert not cache.exists()


def _prepare(files, cache, found):
    torch.set_num_threads(1)
    found.put(prepared(files, cache_dir=cache).report["splits"]["train"]["sha256"])


def test_runs_side_by_side_share_the_files(files, tmp_path):
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    cache = str(tmp_path / "cache")
    runs = [context.Process(target=_prepare, args=(files, cache, found)) for _ in range(3)]
    for run in runs:
        run.start()
    sums = {found.get(timeout=60) for _ in runs}
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert len(sums) == 1
    assert len(list((tmp_path / "cache").glob("*.ids"))) == 3
    assert not list((tmp_path / "cache").glob(".*"))


def test_a_cache_folder_that_is_a_file_is_named(files, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(ConfigError, match=r"data\.cache_dir=.*: cannot be used"):
        prepared(files, cache_dir=str(tmp_path / "cache"))


def test_a_full_disk_leaves_no_file(files, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seq2seq_lab.files.os.fsync", full)
    with pytest.raises(ResourceError, match="bytes needed"):
        prepared(files, cache_dir=str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").glob("*.ids*"))
