"""Tokenizers of files: whose ids, which special tokens, and what a file says that cannot serve."""

import json
import shutil
from pathlib import Path

import pytest

from seq2seq_lab.data.tokenizer.file import FileTokenizer
from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.errors import CheckpointError, ConfigError, DataError
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, UNK
from seq2seq_lab.testing.tokenizer import check_tokenizer, comes_back, stored_form_gives_the_same
from support.small_runs import SMALL_COPY, run_command, train
from support.tokenizer_files import byte_level, characters, saved, unigram, word_pieces

TEXT = "the cat sat on the mat"


def fitted(made, folder, **settings):
    tokenizer = FileTokenizer(path=saved(made, folder), **settings)
    tokenizer.fit(["a"], "en")
    return tokenizer


def test_it_keeps_what_every_tokenizer_keeps(tmp_path):
    check_tokenizer(FileTokenizer, path=saved(byte_level(), tmp_path))


@pytest.mark.parametrize("make", [byte_level, word_pieces, unigram])
def test_each_kind_gives_its_text_back_and_can_be_stored(tmp_path, make):
    tokenizer = fitted(make(), tmp_path)
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert min(ids) >= NUM_SPECIAL_TOKENS
    stored_form_gives_the_same(tokenizer)


def test_the_pieces_are_those_of_the_library(tmp_path):
    made = byte_level(spaced=True)
    tokenizer = fitted(made, tmp_path)
    expected = made.encode(TEXT).tokens
    assert [token.replace("▁", "Ġ") for token in tokenizer.tokens(TEXT)] == expected
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert len(tokenizer) == made.get_vocab_size() - 1 + NUM_SPECIAL_TOKENS


def test_frames_cuts_and_padding_of_the_file_are_left_out(tmp_path):
    made = word_pieces()
    tokenizer = fitted(made, tmp_path)
    assert len(made.encode(TEXT).ids) == 9
    assert tokenizer.decode(tokenizer.encode(f"{TEXT} {TEXT}")) == f"{TEXT} {TEXT}"


@pytest.mark.parametrize("make", [byte_level, word_pieces, unigram])
@pytest.mark.parametrize("typed", ["[SEP]", "</s>", "<|endoftext|>", "[UNK]", "<pad>"])
def test_a_typed_special_token_is_text(tmp_path, make, typed):
    tokenizer = fitted(make(), tmp_path)
    special = [
        tokenizer._ids.get(i) for t, i in tokenizer._tokenizer.get_vocab().items() if t == typed
    ]
    assert special in ([], [None])
    assert set(tokenizer.encode(f"the {typed}")) <= {
        UNK,
        *range(NUM_SPECIAL_TOKENS, len(tokenizer)),
    }
    assert len(tokenizer.tokens(f"the {typed}")) == len(tokenizer.encode(f"the {typed}"))


def test_planted_special_token_that_is_not_cut_is_caught(tmp_path):
    tokenizer = fitted(byte_level(), tmp_path)
    comes_back(tokenizer, "the <|endoftext|> cat")
    tokenizer._tokenizer.encode_special_tokens = False
    with pytest.raises(AssertionError):
        comes_back(tokenizer, "the <|endoftext|> cat")


def test_a_given_piece_stands_where_a_token_is_unknown(tmp_path):
    tokenizer = fitted(word_pieces(), tmp_path)
    the, cat = tokenizer.encode("the"), tokenizer.encode("cat")
    assert tokenizer.decode([*the, UNK, *cat], ["Zürich"]) == "the Zürich cat"
    assert tokenizer.decode([*the, UNK, *cat]) == "the cat"


def test_a_file_that_drops_what_it_does_not_know_is_refused_until_a_token_is_named(tmp_path):
    with pytest.raises(DataError, match=r"drops characters .* data\.tokenizer\.unk_token=TOKEN"):
        fitted(characters(), tmp_path)
    tokenizer = fitted(characters(), tmp_path, unk_token="oov")
    assert tokenizer.encode("猫Ω")[-1] == UNK
    assert tokenizer.tokens("猫Ω")[-1] == "Ω"


def test_a_named_token_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(
        DataError, match=r"eos_token='nowhere' is not in its vocabulary; .* \[CLS\], \[MASK\]"
    ):
        fitted(word_pieces(), tmp_path, eos_token="nowhere")


BAD = {
    "nothing": (None, "cannot be read as a tokenizer.json: No such file"),
    "no JSON": (b"{", "not a tokenizer.json"),
    "no model": (b'{"a": 1}', "it has no model"),
    "another": (b'{"model": {"type": "nothing"}}', "not a tokenizer.json"),
    "no text": (b"\xff\xfe", "cannot be read as a tokenizer.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_file_is_refused_in_a_line(tmp_path, name):
    content, says = BAD[name]
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=says) as error:
        FileTokenizer(path=str(path)).fit(["a"], "en")
    assert "\n" not in str(error.value)


def test_no_path_is_a_line():
    with pytest.raises(ConfigError, match=r"data\.tokenizer\.path is not set"):
        FileTokenizer().fit(["a"], "en")


def test_the_folder_of_the_file_is_not_stored(tmp_path):
    tokenizer = fitted(byte_level(), tmp_path)
    assert str(tmp_path) not in tokenizer.to_json()
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "other")
    other = FileTokenizer(path=str(tmp_path / "other" / "tokenizer.json"))
    other.fit(["another text"], "en")
    assert other.fingerprint() == tokenizer.fingerprint()


@pytest.mark.parametrize("state", [{}, {"file": "{}"}, {"file": 3}, {"file": "x"}])
def test_a_damaged_stored_file_is_refused(tmp_path, state):
    record = json.loads(fitted(byte_level(), tmp_path).to_json())
    with pytest.raises(CheckpointError):
        tokenizer_from_json(json.dumps(record | {"state": state}))


@pytest.mark.slow
def test_a_model_needs_its_file_no_more(tmp_path):
    (tmp_path / "there").mkdir()
    path = saved(byte_level(), tmp_path / "there")
    one_side = "data/tokenizer@data.target_tokenizer=character"
    keys = ("data/tokenizer=file", f"data.tokenizer.path={path}", one_side, "training/logger=csv")
    assert train("debug=tiny", *SMALL_COPY, *keys, f"run_dir={tmp_path / 'run'}") == 0
    shutil.rmtree(Path(path).parent)
    done = run_command("translate", tmp_path / "run", "--text", "1 2 3")
    assert (done.returncode, done.stderr) == (0, b"")
