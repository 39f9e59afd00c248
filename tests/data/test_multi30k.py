"""Multi30k from a folder and from a (local) server."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from seq2seq_lab.data import multi30k
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.multi30k import SHA256, Multi30k
from seq2seq_lab.errors import DataError, UnsafeError
from seq2seq_lab.metrics.bleu import bleu_tokenizer
from support.local_server import serve

DATA = (
    Path(os.environ.get("SEQ2SEQ_LAB_DATA") or Path(__file__).parents[3] / "shared" / "data")
    / "multi30k"
)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no Multi30k files; set SEQ2SEQ_LAB_DATA")

SIZES = {"train": 7, "val": 5, "test_2016_flickr": 3}
FILES = {
    f"{name}.{language}.gz": gzip.compress(
        "".join(f"{language} {name} {i}\n" for i in range(n)).encode()
    )
    for name, n in SIZES.items()
    for language in ("en", "de", "fr", "cs")
}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve({}) as served:
        yield served


@pytest.fixture
def published(server, monkeypatch, tmp_path):
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path))
    sums = {name: hashlib.sha256(FILES.get(name, b"")).hexdigest() for name in SHA256}
    monkeypatch.setattr(multi30k, "SHA256", sums)
    server[1].files.update(FILES)
    return server


def test_published_files_are_downloaded_once(published, tmp_path):
    for _ in range(2):
        text = Multi30k(url=f"{published[0]}/").read()
        assert [len(text.train), len(text.val), len(text.test)] == [7, 5, 3]
    assert text.test[2] == Pair("de test_2016_flickr 2", "en test_2016_flickr 2")
    assert len(published[1].requests) == 6
    assert len(list((tmp_path / "multi30k").iterdir())) == 6


def test_paths_are_the_six_files(published, tmp_path):
    corpus = Multi30k(url=f"{published[0]}/")
    corpus.read()
    cached = sorted((tmp_path / "multi30k").iterdir())
    assert sorted(corpus.paths()) == cached
    local = Multi30k(root=str(tmp_path / "multi30k"))
    assert sorted(local.paths()) == cached


def test_changed_file_on_the_server_is_refused(published):
    published[1].files["val.en.gz"] = gzip.compress(b"evil\n" * 5)
    with pytest.raises(UnsafeError, match=r"val\.en\.gz: the download has SHA-256"):
        Multi30k(url=published[0]).read()


def test_no_network_names_the_other_way(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(
        DataError, match=r"train\.de\.gz: cannot be downloaded: .*data\.root=FOLDER"
    ):
        Multi30k(url="http://127.0.0.1:1", timeout=2.0).read()


@pytest.mark.parametrize("settings", [{"source_language": "cs"}, {"test_set": "test_2017_flickr"}])
def test_file_without_a_known_sum_is_not_downloaded(published, settings):
    with pytest.raises(DataError, match=r"no SHA-256 of it; .*data\.root=FOLDER"):
        Multi30k(**settings, url=published[0]).read()


@pytest.mark.parametrize("packed", [True, False])
def test_czech_is_read_from_a_folder(tmp_path, packed):
    for name, content in FILES.items():
        target = tmp_path / (name if packed else name.removesuffix(".gz"))
        target.write_bytes(content if packed else gzip.decompress(content))
    text = Multi30k("cs", "fr", root=str(tmp_path)).read()
    assert text.train[0] == Pair("cs train 0", "fr train 0")


def test_folder_without_the_files_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"holds neither train\.de\.gz nor train\.de; data\.root"):
        Multi30k(root=str(tmp_path)).read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source_language": "zh"}, "source_language=zh: must be one of en, de, fr, cs"),
        ({"source_language": "en"}, "source_language=en, target_language=en: must differ"),
        ({"timeout": 0.0}, "timeout=0.0: must be > 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Multi30k(**settings)


TOKENIZED = {
    f"{name}.lc.norm.tok.{language}": "".join(f"{language} , {name} {i}\n" for i in range(n))
    for name, n in SIZES.items()
    for language in ("en", "de")
}


def test_tokenized_text_is_downloaded_from_its_own_folder_and_scored_as_it_stands(
    published, tmp_path, monkeypatch
):
    files = {name: text.encode() for name, text in TOKENIZED.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(multi30k, "SHA256", sums)
    monkeypatch.setattr(multi30k, "WORDS", {("test_2016_flickr", "de"): 12})
    published[1].files.update(files)
    corpus = Multi30k("en", "de", url=published[0], form="tokenized")
    assert corpus.read().test[0] == Pair("en , test_2016_flickr 0", "de , test_2016_flickr 0")
    assert all("/tok/" in request for request in published[1].requests)
    assert bleu_tokenizer(corpus.target_language) == "none"
    assert bleu_tokenizer("de") == "13a"


def test_a_tokenized_test_set_with_other_words_is_refused(tmp_path):
    for name, text in TOKENIZED.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"tok\.de: 12 words, the published file has 12,103"):
        Multi30k("en", "de", root=str(tmp_path), form="tokenized").read()


def _published_content(name):
    path = DATA / name if name.endswith(".gz") else DATA / "tok" / f"{name}.gz"
    return path.read_bytes() if name.endswith(".gz") else gzip.decompress(path.read_bytes())


@needs_data
def test_pinned_sums_are_those_of_the_files():
    found = {name: hashlib.sha256(_published_content(name)).hexdigest() for name in SHA256}
    assert found == SHA256


@needs_data
def test_the_tokenized_reference_has_the_published_words():
    text = Multi30k("en", "de", root=str(DATA / "tok"), form="tokenized").read()
    assert sum(len(pair.target.split()) for pair in text.test) == 12_103


@needs_data
def test_the_real_files_have_the_published_sizes():
    text = Multi30k("en", "fr", root=str(DATA)).read()
    assert [len(text.train), len(text.val), len(text.test)] == [29_000, 1_014, 1_000]
    assert text.dropped == {}
