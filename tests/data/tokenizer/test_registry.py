"""Stored tokenizers that are damaged or hostile, and what importing the reader costs."""

import json
import subprocess
import sys

import pytest

from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import CheckpointError, UnsafeError


def _fitted(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.fit(["a b c", "a b"], "en")
    return tokenizer


def test_an_unknown_class_is_refused_as_unsafe():
    record = json.loads(_fitted(WordTokenizer()).to_json())
    for name in ("builtins.open", "Tokenizer", "VocabularyTokenizer", "wordtokenizer"):
        with pytest.raises(UnsafeError, match="allowed are WordTokenizer"):
            tokenizer_from_json(json.dumps(record | {"class": name}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"class": 1}', "null", "[" * 100_000])
def test_damaged_json_is_refused(text: str):
    with pytest.raises(CheckpointError):
        tokenizer_from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"min_frequency": 0}}, {"settings": {"no_such": 1}}, {"settings": 3},
        {"state": {}}, {"state": {"vocabulary": ["a", "a"]}}, {"state": {"vocabulary": [1]}},
        {"state": {"vocabulary": "ab"}}, {"language": None}, {"language": 3}, {"class": ["a"]},
    ],
)  # fmt: skip
def test_damaged_contents_are_refused(change: dict):
    record = json.loads(_fitted(WordTokenizer()).to_json())
    with pytest.raises(CheckpointError):
        tokenizer_from_json(json.dumps(record | change))


def test_start_up_loads_no_tokenizer_library():
    code = (
        "import sys, seq2seq_lab.data.tokenizer.registry; "
        "print([m for m in ('spacy', 'jieba', 'sentencepiece', 'tokenizers', 'torch') if m in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"
