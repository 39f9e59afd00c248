"""The CMU Pronouncing Dictionary: its format, its order and its splits."""

from pathlib import Path

import pytest

from seq2seq_lab.data import cmudict
from seq2seq_lab.data.cmudict import FURTHER, Cmudict
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import DataError, UnsafeError

FILE = Path(__file__).parent / "pronunciations.dict"
SOUNDS = {
    "'tis": "T IH Z",
    "a": "AH",
    "banana": "B AH N AE N AH",
    "cat": "K AE T",
    "dog": "D AO G",
    "either": "IY DH ER",
    "fish": "F IH SH",
    "good-bye": "G UH D B AY",
    "house": "HH AW S",
    "knee": "N IY",
    "thought": "TH AO T",
}


def everything(text) -> list[Pair]:
    return [*text.train, *text.val, *text.test]


def written(tmp_path, content: str) -> str:
    path = tmp_path / "words.dict"
    path.write_text(content, encoding="utf-8")
    return str(path)


def test_a_word_has_its_first_pronunciation_without_stress():
    text = Cmudict(str(FILE)).read()
    assert {pair.source: pair.target for pair in everything(text)} == SOUNDS
    assert text.dropped["train"][FURTHER] == 2


def test_stress_digits_are_kept_on_request():
    found = {p.source: p.target for p in everything(Cmudict(str(FILE), stress=True).read())}
    assert found["good-bye"] == "G UH2 D B AY1"
    assert found["banana"] == "B AH0 N AE1 N AH0"


def test_the_older_files_in_capitals_give_the_same_pairs(tmp_path):
    older = written(
        tmp_path, "CAT  K AE1 T\nEITHER  IY1 DH ER0\nEITHER(1)  AY1 DH ER0\nDOG  D AO1 G\n"
    )
    pairs = everything(Cmudict(older).read())
    assert {p.source: p.target for p in pairs} == {w: SOUNDS[w] for w in ("cat", "dog", "either")}


def test_the_order_of_the_lines_has_no_effect(tmp_path):
    lines = FILE.read_text(encoding="utf-8").splitlines()
    turned = [*lines[:2], *lines[3:1:-1], *lines[:4:-1], lines[4]]
    there = Cmudict(
        written(tmp_path, "\n".join(turned)), val_fraction=0.2, test_fraction=0.2
    ).read()
    here = Cmudict(str(FILE), val_fraction=0.2, test_fraction=0.2).read()
    sources = [[p.source for p in part] for part in (here.train, here.val, here.test)]
    assert [[p.source for p in part] for part in (there.train, there.val, there.test)] == sources
    assert [len(part) for part in sources] == [7, 2, 2]


def test_the_first_words_are_no_letters(tmp_path):
    """`data.max_pairs` keeps the first pairs; those of a dictionary in its own order all begin with a."""
    words = [f"{letter}{i}" for letter in "abcdefghij" for i in range(20)]
    path = written(tmp_path, "".join(f"{word} K AE1 T\n" for word in words))
    first = [pair.source[0] for pair in Cmudict(path, all_in_training=True).read().train[:40]]
    assert set(first) == set("abcdefghij")


def test_the_pairs_pass_their_tokenizers():
    pairs = everything(Cmudict(str(FILE)).read())
    letters, sounds = CharacterTokenizer(), WordTokenizer()
    letters.fit([p.source for p in pairs], "en")
    sounds.fit([p.target for p in pairs], "zxx")
    for pair in pairs:
        assert len(letters.encode(pair.source)) == len(pair.source)
        assert sounds.decode(sounds.encode(pair.target)) == pair.target


@pytest.mark.parametrize(
    ("line", "wrong"), [("cow", "nothing"), ("cow K au", "au"), ("cow K AW3", "AW3"), ("cow\tK,AW", "K,AW")]
)  # fmt: skip
def test_a_line_that_is_no_pronunciation_is_named(tmp_path, line, wrong):
    path = written(tmp_path, f"cat K AE1 T\n{line}\n")
    with pytest.raises(DataError, match=rf"words\.dict:2: {wrong} where a symbol such as K"):
        Cmudict(path).read()


def test_a_file_without_words_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no word with a pronunciation; take cmudict\.dict from"):
        Cmudict(written(tmp_path, ";;; nothing\n\n")).read()


def test_its_path_is_the_file_or_the_download(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path))
    assert Cmudict(str(FILE)).paths() == [FILE]
    assert Cmudict().paths() == [tmp_path / "cmudict" / "0f8072f.dict"]


def test_a_download_with_other_bytes_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path))
    with pytest.raises(UnsafeError, match="only http and https"):
        Cmudict(url=FILE.as_uri()).read()
    monkeypatch.setattr(
        cmudict, "fetch", lambda url, sha256, path, **_: (url, sha256, path) and FILE
    )
    assert {p.source for p in everything(Cmudict().read())} == set(SOUNDS)


@pytest.mark.parametrize(
    ("wrong", "text"), [({"timeout": 0.0}, "timeout=0.0: must be > 0"), ({"val_fraction": 1.0}, "val_fraction")]
)  # fmt: skip
def test_wrong_arguments_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        Cmudict(**wrong)
