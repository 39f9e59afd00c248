"""The properties of every tokenizer (O24): the set is found from the config folder, each has its planted bug."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

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
from seq2seq_lab.special_tokens import BOS, EOS, NUM_SPECIAL_TOKENS, PAD, SPELLINGS, UNK

FOLDER = Path(__file__).parents[3] / "conf" / "data" / "tokenizer"
FILES = sorted(FOLDER.rglob("*.yaml"))
TEXTS = [
    "the cat sat on the mat",
    "a big cat ran",
    "Ein Mädchen läuft schnell",
    "un été très chaud",
    "我 喜欢 猫",
    "two dogs ran on a mat",
    "цветок 🙂 ok",
]
WORDS = sorted({word for text in TEXTS for word in text.split()})
TYPED = [*SPELLINGS, "</s>", "<s>", "▁", "▅", "@@", "\ue000", "a pad", "a unk", "Ġ", " ⁇ "]
EVERYTHING = st.lists(st.one_of(st.sampled_from([*TYPED, *WORDS]), st.text())).map("".join)
KNOWN_WORDS = st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join)
KNOWN_CHARACTERS = st.text(alphabet=sorted({c for text in TEXTS for c in text}))
LAWS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _make(file: Path, **settings_: object) -> Tokenizer:
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    path, _, name = node.pop("_target_").rpartition(".")
    if name == "SpacyTokenizer":
        pytest.importorskip("spacy", reason="spaCy is not installed")
    node = {k: 1 if k == "min_frequency" else v for k, v in node.items()}
    return getattr(importlib.import_module(path), name)(**(node | settings_))


def _fitted(tokenizer: Tokenizer, texts: list[str] = TEXTS) -> Tokenizer:
    tokenizer.fit(texts, "en")
    return tokenizer


@pytest.fixture(scope="module", params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def fitted(file: Path) -> Tokenizer:
    return _fitted(_make(file))


@pytest.fixture(scope="module")
def lower(file: Path) -> Tokenizer:
    return _fitted(_make(file, lowercase=True, normalization="NFKC"))


# The properties, each as a function that the planted bugs are tried on.


def ids_are_ordinary(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert not {PAD, BOS, EOS} & set(ids)
    assert all(UNK <= i < len(tokenizer) for i in ids)


def comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalize(text)


def order_is_free(make: object) -> None:
    forward, backward = _fitted(make()), _fitted(make(), TEXTS[::-1])
    assert forward.to_json() == backward.to_json()


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
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
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
    tokenizer = _fitted(_make(file), [*TEXTS, *[f"the {typed} cat"] * 9])
    ids_are_ordinary(tokenizer, f"the {typed} cat {typed}")
    assert UNK not in tokenizer.encode(f"the {typed} cat")
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"
    if not tokenizer.collapses_spaces:
        comes_back(tokenizer, f"the {typed} cat")


def test_the_order_of_the_text_does_not_matter(file: Path):
    order_is_free(lambda: _make(file))


def test_settings_change_the_fingerprint(fitted: Tokenizer, lower: Tokenizer):
    assert fitted.fingerprint() != lower.fingerprint()


def test_special_tokens_are_skipped_and_stop_nothing(fitted: Tokenizer):
    ids = fitted.encode("the cat")
    assert fitted.decode([BOS, *ids, EOS, PAD, UNK]) == "the cat"
    assert fitted.decode([]) == ""
    assert fitted.encode("") == []


def test_special_ids_are_shown_by_their_spelling(fitted: Tokenizer):
    assert tuple(map(fitted.token, range(NUM_SPECIAL_TOKENS))) == SPELLINGS


def test_every_id_has_a_display_string(fitted: Tokenizer):
    shown = [fitted.token(i) for i in range(len(fitted))]
    assert all(text and " " not in text for text in shown)


def test_the_stored_form_gives_the_same_tokenizer(fitted: Tokenizer):
    again = tokenizer_from_json(fitted.to_json())
    assert type(again) is type(fitted)
    assert again.fingerprint() == fitted.fingerprint()
    assert len(again) == len(fitted)
    for text in [*TEXTS, *TYPED]:
        assert again.encode(text) == fitted.encode(text)
        assert again.decode(again.encode(text)) == fitted.decode(fitted.encode(text))


CHILD = """
import json, sys
from seq2seq_lab.data.tokenizer import vocabulary
from seq2seq_lab.data.tokenizer.registry import TOKENIZERS
names, texts, bug = json.load(sys.stdin)
if bug:
    vocabulary.sorted = lambda items, key=None: list(set(items))
result = {}
for name in names:
    tokenizer = TOKENIZERS[name](**({} if name in ("ByteTokenizer", "UnigramTokenizer") else {"min_frequency": 1}))
    tokenizer.fit(texts, "en")
    result[name] = tokenizer.fingerprint()
print(json.dumps(result))
"""


def _fingerprints(names: list[str], *, seed: str, language: str, bug: bool) -> dict[str, str]:
    environment = os.environ | {
        "PYTHONHASHSEED": seed, "LC_ALL": language, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
    }  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps([names, TEXTS, bug]),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(child.stdout)


def test_hash_seed_and_locale_do_not_matter():
    names = [n for n in TOKENIZERS if n != "SpacyTokenizer" or importlib.util.find_spec("spacy")]
    here = {}
    assert os.environ.get("PYTHONHASHSEED") != "1"
    for file in (f for f in FILES if f.stem != "word_punctuation"):  # here with a random seed
        tokenizer = _fitted(_make(file))
        here[type(tokenizer).__name__] = tokenizer.fingerprint()
    assert _fingerprints(names, seed="1", language="C", bug=False) == here


def test_planted_bug_vocabulary_in_hash_order_is_caught():
    first = _fingerprints(["WordTokenizer"], seed="1", language="C", bug=True)
    second = _fingerprints(["WordTokenizer"], seed="2", language="C", bug=True)
    assert first != second


def test_planted_bug_special_strings_mapped_to_ids_is_caught(monkeypatch: pytest.MonkeyPatch):
    tokenizer = _fitted(WordTokenizer(), TEXTS)
    monkeypatch.setattr(tokenizer, "_ids", tokenizer._ids | {s: i for i, s in enumerate(SPELLINGS)})
    with pytest.raises(AssertionError):
        ids_are_ordinary(tokenizer, "the <eos> cat")


def test_planted_bug_ties_in_text_order_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vocabulary, "sorted", lambda items, key=None: list(items), raising=False)
    with pytest.raises(AssertionError):
        order_is_free(WordTokenizer)


def test_planted_bug_space_lost_in_decoding_is_caught(monkeypatch: pytest.MonkeyPatch):
    tokenizer = _fitted(CharacterTokenizer())
    monkeypatch.setattr(tokenizer, "_join", lambda pieces: "".join(pieces).replace(" ", ""))
    with pytest.raises(AssertionError):
        comes_back(tokenizer, "the cat")


# Mistakes and damage


def test_an_empty_training_text_is_refused(file: Path):
    for texts in ([], ["", "  ", "\t"]):
        with pytest.raises(DataError, match=r"check the data\.\* keys"):
            _make(file).fit(texts, "en")


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
