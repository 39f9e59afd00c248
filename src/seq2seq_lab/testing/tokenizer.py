"""The properties of a tokenizer (O24), each as a function, and `check_tokenizer` over all of them."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from seq2seq_lab.data.tokenizer.registry import TOKENIZERS, tokenizer_from_json
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer, stored_name
from seq2seq_lab.doctor.agreement import PropertyBroken, demand
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import BOS, EOS, NUM_SPECIAL_TOKENS, PAD, SPELLINGS, UNK
from seq2seq_lab.testing.claims import Claim, hold

TEXTS = (
    "the cat sat on the mat",
    "a big cat ran",
    "Ein Mädchen läuft schnell",
    "un été très chaud",
    "我 喜欢 猫",
    "two dogs ran on a mat",
    "цветок 🙂 ok",
)
WORDS = tuple(sorted({word for text in TEXTS for word in text.split()}))
TYPED = (*SPELLINGS, "</s>", "<s>", "▁", "▅", "@@", "\ue000", "a pad", "a unk", "Ġ", " ⁇ ")
"""What a user may type that looks like a special token or a mark of a tokenizer."""
_TIMES = 3
"""How often each text is fitted in a check: a tokenizer may leave out what is rare."""

_FIT = """
import json, pickle, sys
sys.path[:], texts, makers = pickle.load(sys.stdin.buffer)
found = {}
for name, maker in makers.items():
    tokenizer = pickle.loads(maker)()
    tokenizer.fit(texts, "en")
    found[name] = tokenizer.fingerprint()
print(json.dumps(found))
"""
Make = Callable[[], Tokenizer]


def fitted(tokenizer: Tokenizer, texts: Sequence[str] = TEXTS) -> Tokenizer:
    """Return the tokenizer, fitted on the texts."""
    tokenizer.fit(texts, "en")
    return tokenizer


def fingerprints_elsewhere(
    makers: Mapping[str, Make], texts: Sequence[str] = TEXTS, **variables: str
) -> dict[str, str]:
    """Return the fingerprint of each fitted tokenizer in a fresh process with these environment variables.

    `makers` make the tokenizers there, so they must be picklable: classes, `functools.partial` of classes.
    """
    stored = {name: pickle.dumps(maker) for name, maker in makers.items()}
    done = subprocess.run(
        [sys.executable, "-c", _FIT],
        input=pickle.dumps((sys.path, list(texts), stored)),
        env=os.environ | variables,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise PropertyBroken(f"fitting in another process failed: {last}")
    return json.loads(done.stdout)


def ids_are_ordinary(tokenizer: Tokenizer, text: str) -> None:
    """No text becomes padding, start or end, and every id is in the vocabulary."""
    ids = tokenizer.encode(text)
    special = {PAD, BOS, EOS} & set(ids)
    demand(not special, f"{text!r} is encoded with the special ids {sorted(special)}")
    demand(all(UNK <= i < len(tokenizer) for i in ids), f"{text!r} is encoded as {ids}")


def comes_back(tokenizer: Tokenizer, text: str) -> None:
    """Decoding what was encoded gives the normalised text."""
    found, expected = tokenizer.decode(tokenizer.encode(text)), tokenizer.normalize(text)
    demand(found == expected, f"{expected!r} comes back as {found!r}")


def order_is_free(make: Make, texts: Sequence[str] = TEXTS) -> None:
    """The order of the training text has no effect."""
    same = fitted(make(), texts).to_json() == fitted(make(), texts[::-1]).to_json()
    demand(same, "the texts in the other order give another vocabulary")


def special_strings_are_words(tokenizer: Tokenizer) -> None:
    """Whatever looks like a special token is ordinary text."""
    for typed in TYPED:
        ids_are_ordinary(tokenizer, f"the {typed} cat {typed}")


def known_words_come_back(tokenizer: Tokenizer) -> None:
    """Texts of known words are the same after encoding and decoding."""
    for text in (*TEXTS, " ".join(WORDS)):
        comes_back(tokenizer, text)


def one_piece_for_each_id(tokenizer: Tokenizer) -> None:
    """A text has as many pieces for display as ids, and a batch is encoded like its texts."""
    texts = [*TEXTS, *TYPED, "unseen wörds"]
    for text in texts:
        pieces, ids = tokenizer.tokens(text), tokenizer.encode(text)
        demand(len(pieces) == len(ids), f"{text!r}: {len(pieces)} pieces for {len(ids)} ids")
    same = tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]
    demand(same, "a batch is encoded unlike its texts")


def special_ids_are_skipped(tokenizer: Tokenizer) -> None:
    """Decoding leaves special ids out; their display strings are their spellings."""
    found = tokenizer.decode([BOS, *tokenizer.encode("the cat"), EOS, PAD, UNK])
    demand(found == tokenizer.normalize("the cat"), f"'the cat' among special ids is {found!r}")
    shown = tuple(map(tokenizer.token, range(NUM_SPECIAL_TOKENS)))
    demand(shown == SPELLINGS, f"the special ids are shown as {shown}")


def stored_form_gives_the_same(tokenizer: Tokenizer) -> None:
    """What `to_json` stores gives a tokenizer with the same ids and fingerprint."""
    known = TOKENIZERS | {stored_name(type(tokenizer)): type(tokenizer)}
    again = tokenizer_from_json(tokenizer.to_json(), known.get)
    demand(again.fingerprint() == tokenizer.fingerprint(), "another fingerprint")
    for text in (*TEXTS, *TYPED):
        same = again.encode(text) == tokenizer.encode(text)
        demand(
            same, f"{text!r} is encoded as {again.encode(text)}, before as {tokenizer.encode(text)}"
        )


def empty_text_is_refused(make: Make) -> None:
    """A training text without a word is a `DataError`."""
    for texts in ([], ["", "  ", "\t"]):
        try:
            make().fit(texts, "en")
        except DataError:
            continue
        raise PropertyBroken(f"the training text {texts} is not refused")


def fits_the_same_elsewhere(make: Make, texts: Sequence[str]) -> None:
    """Another process with another hash seed learns the same."""
    found = fingerprints_elsewhere({"one": make}, texts, PYTHONHASHSEED="3")["one"]
    demand(
        found == fitted(make(), texts).fingerprint(), "another process learns another vocabulary"
    )


_OF_FITTED: tuple[tuple[str, Any, str], ...] = (
    (
        "text of a user never becomes a special id",
        special_strings_are_words,
        "Give ids from NUM_SPECIAL_TOKENS on to pieces, and UNK to the rest",
    ),
    ("known words come back", known_words_come_back, "Let `_decode` be the inverse of `_encode`"),
    (
        "there is one piece for each id",
        one_piece_for_each_id,
        "Let `_cut` and `_encode` cut alike, and `_encode` treat each text alone",
    ),
    (
        "special ids are left out of a text",
        special_ids_are_skipped,
        "Override `_decode` and `_piece`, not `decode` and `token`",
    ),
    (
        "the stored form gives the same tokenizer",
        stored_form_gives_the_same,
        "Return from `_state` all that `_restore` needs; each setting is an argument and an attribute of that name",
    ),
)


def check_tokenizer(cls: type[Tokenizer], *, elsewhere: bool = True, **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of tokenizer is lossless on known words and safe with any text (O24).

    It is made with `arguments` and fitted on a few texts in five scripts. `elsewhere=False` leaves out the fresh
    process with another hash seed, which takes some seconds and needs a class that can be imported.
    """
    make, texts = partial(cls, **arguments), TEXTS * _TIMES
    tokenizer = fitted(make(), texts)
    claims = [Claim(name, partial(check, tokenizer), advice) for name, check, advice in _OF_FITTED]
    claims += [
        Claim(
            "the order of the training text has no effect",
            partial(order_is_free, make, texts),
            "Break ties of counts by the piece itself",
        ),
        Claim(
            "an empty training text is refused",
            partial(empty_text_is_refused, make),
            "Override `_learn`, not `fit`",
        ),
    ]
    if elsewhere:
        advice = "Look for the order of a set or `hash()`; elsewhere=False leaves this out"
        check = partial(fits_the_same_elsewhere, make, texts)
        claims.append(Claim("another process learns the same", check, advice))
    hold(cls.__name__, claims)
