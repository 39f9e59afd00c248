import builtins
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.spacy import SpacyTokenizer
from seq2seq_lab.errors import CheckpointError, ConfigError
from seq2seq_lab.special_tokens import UNK

DATA = Path(
    os.environ.get("SEQ2SEQ_LAB_DATA", Path(__file__).parents[3].parent / "shared" / "data")
)


@pytest.fixture
def english() -> SpacyTokenizer:
    pytest.importorskip("spacy", reason="spaCy is not installed")
    tokenizer = SpacyTokenizer()
    tokenizer.fit(["The man's dog doesn't bark.", "A t-shirt (red)."], "en")
    return tokenizer


def test_words_are_cut_by_the_rules_of_the_language(english: SpacyTokenizer):
    assert english.tokens("The man's dog doesn't bark.") == [
        "The", "man", "'s", "dog", "does", "n't", "bark", ".",
    ]  # fmt: skip


def test_decoding_gives_running_text(english: SpacyTokenizer):
    for text in ("The man's dog doesn't bark.", "A t-shirt (red)."):
        assert english.decode(english.encode(text)) == text


def test_chinese_is_cut_into_characters_and_its_spaces_come_back():
    pytest.importorskip("spacy", reason="spaCy is not installed")
    tokenizer = SpacyTokenizer()
    tokenizer.fit(["我喜欢 the 猫。"], "zh-CN")
    assert tokenizer.decode(tokenizer.encode("猫喜欢 the 我。")) == "猫喜欢 the 我。"


def test_named_rules_take_the_place_of_the_language():
    pytest.importorskip("spacy", reason="spaCy is not installed")
    tokenizer = SpacyTokenizer(rules="en")
    tokenizer.fit(["I don't"], "de")
    assert tokenizer.tokens("I don't") == ["I", "do", "n't"]
    assert tokenizer_from_json(tokenizer.to_json()).tokens("I don't") == ["I", "do", "n't"]


def test_a_language_without_rules_is_refused():
    pytest.importorskip("spacy", reason="spaCy is not installed")
    with pytest.raises(ConfigError, match="rules=xx"):
        SpacyTokenizer().fit(["a"], "qq")


def test_missing_spacy_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name == "spacy":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'seq2seq-lab\[spacy\]'"):
        SpacyTokenizer().fit(["a"], "en")


def test_decoding_works_without_spacy(english: SpacyTokenizer):
    code = (
        "import sys; sys.modules['spacy'] = None\n"
        "from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json\n"
        "t = tokenizer_from_json(sys.stdin.read()); print(t.decode(range(4, len(t))) and len(t))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], input=english.to_json(), capture_output=True, text=True
    )
    assert child.stdout.strip() == str(len(english)), child.stderr


def test_another_version_of_spacy_is_reported_and_stays_recorded(english: SpacyTokenizer):
    record = json.loads(english.to_json())
    record["state"]["spacy"] = "0.0.1"
    old = tokenizer_from_json(json.dumps(record))
    with pytest.warns(UserWarning, match=r"made with spaCy 0\.0\.1"):
        old.encode("The man")
    assert json.loads(old.to_json())["state"]["spacy"] == "0.0.1"


def test_a_damaged_state_is_refused(english: SpacyTokenizer):
    record = json.loads(english.to_json())
    del record["state"]["rules"]
    with pytest.raises(CheckpointError):
        tokenizer_from_json(json.dumps(record))


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_real_sentences_come_back(language: str):
    pytest.importorskip("spacy", reason="spaCy is not installed")
    file = DATA / "multi30k" / f"test_2016_flickr.{language}.gz"
    if not file.is_file():
        pytest.skip(f"no {file}; set SEQ2SEQ_LAB_DATA")
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")[:-1]
    tokenizer = SpacyTokenizer()
    tokenizer.fit(lines, language)
    same = 0
    for line, ids in zip(lines, tokenizer.encode_batch(lines), strict=True):
        assert UNK not in ids
        same += tokenizer.decode(ids) == tokenizer.normalize(line)
    assert same / len(lines) >= 0.995
