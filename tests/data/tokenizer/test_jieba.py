"""Chinese words: what jieba cuts, text that comes back, and a process that writes nothing beside."""

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_lab.data.tokenizer.jieba import JiebaTokenizer
from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.errors import ConfigError

DATA = Path(
    os.environ.get("SEQ2SEQ_LAB_DATA", Path(__file__).parents[3].parent / "shared" / "data")
)
TEXTS = ["我来到北京清华大学", "他来到了网易杭研大厦", "小明 likes 北京。"]


def made(**settings) -> JiebaTokenizer:
    pytest.importorskip("jieba", reason="jieba is not installed")
    tokenizer = JiebaTokenizer(**settings)
    tokenizer.fit(TEXTS, "zh")
    return tokenizer


def test_words_are_those_of_the_dictionary_and_new_ones_are_found():
    """The two sentences of jieba's own documentation; 杭研 is in no dictionary."""
    assert made().pieces(TEXTS[0]) == ["我", "来到", "北京", "清华大学"]
    assert made().pieces(TEXTS[1]) == ["他", "来到", "了", "网易", "杭研", "大厦"]
    assert made(new_words=False).pieces(TEXTS[1]) == [
        "他",
        "来到",
        "了",
        "网易",
        "杭",
        "研",
        "大厦",
    ]


def test_text_comes_back_with_its_spaces():
    tokenizer = made()
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer_from_json(tokenizer.to_json()).pieces(TEXTS[1]) == tokenizer.pieces(TEXTS[1])


def test_nothing_is_said_and_no_file_is_written(tmp_path):
    pytest.importorskip("jieba", reason="jieba is not installed")
    code = (
        "from seq2seq_lab.data.tokenizer.jieba import JiebaTokenizer\n"
        "t = JiebaTokenizer(); t.fit(['我来到北京'], 'zh'); print(len(t))"
    )
    cache = tmp_path / "jieba.cache"
    cache.write_bytes(b"no dictionary")  # what somebody else left there is not read
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (child.stdout, child.stderr) == ("7\n", "")
    assert [(one, one.read_bytes()) for one in tmp_path.iterdir()] == [(cache, b"no dictionary")]


def test_missing_jieba_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name == "jieba":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'seq2seq-lab\[jieba\]'"):
        JiebaTokenizer().fit(["我"], "zh")


def test_another_version_of_jieba_is_reported_and_stays_recorded():
    record = json.loads(made().to_json())
    record["state"]["jieba"] = "0.1"
    old = tokenizer_from_json(json.dumps(record))
    with pytest.warns(UserWarning, match=r"made with jieba 0\.1, installed is"):
        old.encode("我")
    assert json.loads(old.to_json())["state"]["jieba"] == "0.1"


def test_real_sentences_come_back():
    file = DATA / "tatoeba-cmn-eng" / "cmn.txt"
    if not file.is_file():
        pytest.skip(f"no {file}; set SEQ2SEQ_LAB_DATA")
    lines = [
        row.split("\t")[1] for row in file.read_text(encoding="utf-8").split("\n")[:500] if row
    ]
    tokenizer = made()
    words = [tokenizer.pieces(line) for line in lines]
    assert ["".join(pieces) for pieces in words] == [tokenizer.normalize(line) for line in lines]
    assert sum(map(len, words)) < 0.8 * sum(map(len, lines))
