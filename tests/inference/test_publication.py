"""What is published names no folder of the machine; what is no path stays."""

import pytest

from seq2seq_lab.inference.publication import published, published_words, without_folders

CUT = {
    "/data/me/x.tsv": "x.tsv",
    "/data/my name/a b.tsv": "a b.tsv",
    "~/q.txt": "q.txt",
    "C:\\Users\\me\\a.txt": "a.txt",
    "file:///data/me/a": "a",
    "//server/share/a": "a",
    "data.path=/data/me/x.tsv": "data.path=x.tsv",
    "data.train=[/a/b.de,~/c/d.en]": "data.train=[b.de,d.en]",
    "--config-dir=/data/me/conf": "--config-dir=conf",
    "'hydra.searchpath=[file:///data/me/conf]'": "'hydra.searchpath=[conf]'",
}
KEPT = ["a/b", "1/2", "https://x.y/z/w", "wmt/wmt14", "and / or", "data/tokenizer=bpe", "x=~", ""]


@pytest.mark.parametrize("text", CUT)
def test_a_path_is_cut_to_its_last_part(text):
    assert without_folders(text) == CUT[text]
    assert without_folders(CUT[text]) == CUT[text]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_path_stays(text):
    assert without_folders(text).removesuffix("~") == text.removesuffix("~")


def test_a_config_keeps_its_form():
    config = {"run_dir": "/a/b", "data": {"train": ["/a/x.de", "y.en"], "size": 3}, "seed": None}
    expected = {"run_dir": None, "data": {"train": ["x.de", "y.en"], "size": 3}, "seed": None}
    assert published(config) == expected
    assert published(expected) == expected


def test_the_folder_of_a_run_is_no_word_of_its_command():
    words = ["model=gru", "run_dir=/a/b", "+resume=/a/b/last.ckpt", "data.path=/a/b.tsv"]
    assert published_words(words) == ["model=gru", "data.path=b.tsv"]
