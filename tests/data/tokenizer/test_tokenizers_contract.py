"""The properties of every tokenizer (O24): the set is found from the config folder, each has its planted bug."""

import importlib
import importlib.util
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seq2seq_lab.data.tokenizer import vocabulary
from seq2seq_lab.data.tokenizer.byte import ByteTokenizer
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.registry import TOKENIZERS, tokenizer_from_json
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import SPELLINGS, UNK
from seq2seq_lab.testing.tokenizer import (
    TEXTS,
    TYPED,
    WORDS,
    comes_back,
    empty_text_is_refused,
    fingerprints_elsewhere,
    ids_are_ordinary,
    order_is_free,
    special_ids_are_skipped,
    stored_form_gives_the_same,
)
from seq2seq_lab.testing.tokenizer import fitted as fitted_on
from support.planted_tokenizers import HashOrderTokenizer
from support.tokenizer_files import byte_level_path

LIBRARIES = {"SpacyTokenizer": "spacy", "JiebaTokenizer": "jieba"}
"""What need not be installed."""
FOLDER = Path(__file__).parents[3] / "conf" / "data" / "tokenizer"
FILES = sorted(FOLDER.rglob("*.yaml"))
EVERYTHING = st.lists(st.one_of(st.sampled_from([*TYPED, *WORDS]), st.text())).map("".join)
KNOWN_WORDS = st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join)
KNOWN_CHARACTERS = st.text(alphabet=sorted({c for text in TEXTS for c in text}))
LAWS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _content(file: Path) -> dict[str, Any]:
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {key: value for key, value in node.items() if key != "defaults"}


def _make(file: Path, **settings_: object) -> Tokenizer:
    node = _content(file)
    path, _, name = node.pop("_target_").rpartition(".")
    if library := LIBRARIES.get(name):
        pytest.importorskip(library, reason=f"{library} is not installed")
    node = {k: 1 if k == "min_frequency" else v for k, v in node.items()}
    node |= {"path": byte_level_path()} if name == "FileTokenizer" else {}
    return getattr(importlib.import_module(path), name)(**(node | settings_))


@pytest.fixture(scope="module", params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def fitted(file: Path) -> Tokenizer:
    return fitted_on(_make(file))


@pytest.fixture(scope="module")
def lower(file: Path) -> Tokenizer:
    return fitted_on(_make(file, lowercase=True, normalization="NFKC"))


def test_every_class_has_a_config_and_every_config_a_class():
    targets = [yaml.safe_load(f.read_text(encoding="utf-8"))["_target_"] for f in FILES]
    table = [f"{kind.__module__}.{kind.__name__}" for kind in TOKENIZERS.values()]
    assert set(targets) == set(table)


def test_the_table_names_every_concrete_class():
    found, todo = set(), [Tokenizer]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        ours = kind.__module__.startswith("seq2seq_lab.")
        found |= {kind} if ours and not kind.__abstractmethods__ else set()
    assert found == set(TOKENIZERS.values())
    assert all(kind.__name__ == name for name, kind in TOKENIZERS.items())


def test_config_values_are_the_constructor_defaults(file: Path):
    node = _content(file)
    default = TOKENIZERS[node.pop("_target_").rpartition(".")[2]]()
    preset = {"split_punctuation": True} if file.stem == "word_punctuation" else {}
    assert {name: getattr(default, name) for name in node} | preset == node


@LAWS
@given(text=EVERYTHING)
def test_user_text_never_becomes_a_special_id(fitted: Tokenizer, text: str):
    ids_are_ordinary(fitted, text)


@LAWS
@given(text=KNOWN_WORDS)
def test_known_words_come_back(fitted: Tokenizer, text: str):
    comes_back(fitted, text)


@LAWS
@given(text=KNOWN_WORDS)
def test_known_words_come_back_lowercased_and_normalised(lower: Tokenizer, text: str):
    comes_back(lower, text)
    assert UNK not in lower.encode(text.upper().lower())


@LAWS
@given(text=KNOWN_CHARACTERS)
def test_known_characters_come_back_unless_spaces_are_collapsed(fitted: Tokenizer, text: str):
    if not fitted.collapses_spaces:
        comes_back(fitted, text)


@LAWS
@given(text=EVERYTHING)
def test_one_piece_is_shown_for_each_id(fitted: Tokenizer, text: str):
    assert len(fitted.tokens(text)) == len(fitted.encode(text))


@LAWS
@given(texts=st.lists(EVERYTHING, max_size=4))
def test_a_batch_is_encoded_like_its_texts(fitted: Tokenizer, texts: list[str]):
    assert fitted.encode_batch(texts) == [fitted.encode(text) for text in texts]


@LAWS
@given(text=st.text())
def test_normalising_twice_changes_nothing(lower: Tokenizer, text: str):
    once = lower.normalize(text)
    assert lower.normalize(once) == once


@pytest.mark.parametrize("typed", TYPED)
def test_special_strings_in_the_training_text_are_words_like_others(file: Path, typed: str):
    tokenizer = fitted_on(_make(file), [*TEXTS, *[f"the {typed} cat"] * 9])
    ids_are_ordinary(tokenizer, f"the {typed} cat {typed}")
    assert UNK not in tokenizer.encode(f"the {typed} cat")
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"
    if not tokenizer.collapses_spaces:
        comes_back(tokenizer, f"the {typed} cat")


def test_the_order_of_the_text_does_not_matter(file: Path):
    order_is_free(lambda: _make(file))


def test_settings_change_the_fingerprint(fitted: Tokenizer, lower: Tokenizer):
    assert fitted.fingerprint() != lower.fingerprint()


def test_special_tokens_are_skipped_and_shown_by_their_spelling(fitted: Tokenizer):
    special_ids_are_skipped(fitted)
    assert fitted.decode([]) == ""
    assert fitted.encode("") == []


def test_every_id_has_a_display_string(fitted: Tokenizer):
    shown = [fitted.token(i) for i in range(len(fitted))]
    assert all(text and " " not in text for text in shown)


def test_the_stored_form_gives_the_same_tokenizer(fitted: Tokenizer):
    stored_form_gives_the_same(fitted)
    again = tokenizer_from_json(fitted.to_json())
    assert type(again) is type(fitted)
    assert len(again) == len(fitted)


def test_hash_seed_and_locale_do_not_matter():
    """Here the hash seed is random; the planted tokenizer whose vocabulary is in hash order has another there."""
    assert os.environ.get("PYTHONHASHSEED") != "1"
    makers = {"hash order": partial(HashOrderTokenizer, min_frequency=1)}
    for name, kind in TOKENIZERS.items():
        if name not in LIBRARIES or importlib.util.find_spec(LIBRARIES[name]):
            rare = {} if name in ("ByteTokenizer", "UnigramTokenizer") else {"min_frequency": 1}
            rare = {"path": byte_level_path()} if name == "FileTokenizer" else rare
            makers[name] = partial(kind, **rare)
    here = {name: fitted_on(make()).fingerprint() for name, make in makers.items()}
    c_locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    there = fingerprints_elsewhere(makers, PYTHONHASHSEED="1", **c_locale)
    assert {name for name in makers if here[name] != there[name]} == {"hash order"}


def test_planted_bug_special_strings_mapped_to_ids_is_caught(monkeypatch: pytest.MonkeyPatch):
    tokenizer = fitted_on(WordTokenizer(), TEXTS)
    monkeypatch.setattr(tokenizer, "_ids", tokenizer._ids | {s: i for i, s in enumerate(SPELLINGS)})
    with pytest.raises(AssertionError):
        ids_are_ordinary(tokenizer, "the <eos> cat")


def test_planted_bug_ties_in_text_order_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vocabulary, "sorted", lambda items, key=None: list(items), raising=False)
    with pytest.raises(AssertionError):
        order_is_free(WordTokenizer)


def test_planted_bug_space_lost_in_decoding_is_caught(monkeypatch: pytest.MonkeyPatch):
    tokenizer = fitted_on(CharacterTokenizer())
    monkeypatch.setattr(tokenizer, "_join", lambda pieces: "".join(pieces).replace(" ", ""))
    with pytest.raises(AssertionError):
        comes_back(tokenizer, "the cat")


# Mistakes and damage


def test_an_empty_training_text_is_refused(file: Path):
    empty_text_is_refused(lambda: _make(file))
    with pytest.raises(DataError, match=r"check the data\.\* keys"):
        _make(file).fit([], "en")


def test_use_before_fit_is_refused(file: Path):
    tokenizer = _make(file)
    if isinstance(tokenizer, ByteTokenizer):
        return
    for use in (
        lambda: tokenizer.encode("a"), lambda: tokenizer.decode([4]), lambda: tokenizer.tokens("a"),
        lambda: tokenizer.token(4), lambda: len(tokenizer), tokenizer.to_json,
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="no vocabulary yet"):
            use()


def test_a_lone_surrogate_of_the_command_line_is_replaced(fitted: Tokenizer):
    assert fitted.normalize("a\udcff") == "a\ufffd"
    ids_are_ordinary(fitted, "a\udcff")
