"""The properties of a corpus, each as a function of what it reads, and `check_corpus` over all of them."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import combinations
from typing import Any

import torch

from seq2seq_lab.data.corpus import Corpus, Pair, ParallelText
from seq2seq_lab.data.drawing import SPLITS
from seq2seq_lab.data.report import fingerprint
from seq2seq_lab.doctor.agreement import demand
from seq2seq_lab.testing.claims import Claim, hold

_READ_TWICE = """
import json, pickle, sys
sys.path[:], makers = pickle.load(sys.stdin.buffer)
from seq2seq_lab.data.report import fingerprint
found = {}
for name, maker in makers.items():
    corpus = pickle.loads(maker)()
    texts = [corpus.read() for _ in range(2)]
    found[name] = [[fingerprint(split) for split in (t.train, t.val, t.test)] for t in texts]
print(json.dumps(found))
"""


def fingerprints(text: ParallelText) -> list[str]:
    """Return the SHA-256 of each split, texts and order."""
    return [fingerprint(getattr(text, split)) for split in SPLITS]


def fingerprints_elsewhere(
    makers: Mapping[str, Callable[[], Corpus]], hash_seed: str = "3"
) -> dict[str, list[list[str]]]:
    """Return for each corpus the fingerprints of two reads in a fresh process with this hash seed.

    `makers` make the corpora there, so they must be picklable: classes, `functools.partial` of classes.
    """
    stored = {name: pickle.dumps(maker) for name, maker in makers.items()}
    done = subprocess.run(
        [sys.executable, "-c", _READ_TWICE],
        input=pickle.dumps((sys.path, stored)),
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise AssertionError(f"reading in another process failed: {last}")
    return json.loads(done.stdout)


def names_its_languages(corpus: Corpus) -> None:
    """Both languages are texts."""
    for side in ("source_language", "target_language"):
        language = getattr(corpus, side, None)
        demand(isinstance(language, str) and language, f"{side} is {language!r}")


def no_split_is_empty(text: ParallelText) -> None:
    """Training, validation and test have pairs."""
    empty = [split for split in SPLITS if not getattr(text, split)]
    demand(not empty, f"no pair in {', '.join(empty)}")


def no_source_in_two_splits(text: ParallelText) -> None:
    """No source of a split is a source of another."""
    for one, other in combinations(SPLITS, 2):
        first, second = ({pair.source for pair in getattr(text, s)} for s in (one, other))
        if both := first & second:
            raise AssertionError(f"{len(both)} sources are in {one} and {other}: {min(both)!r}")


def texts_are_clean(text: ParallelText) -> None:
    """Every pair has two texts that are not blank and stand on one line."""
    for split in SPLITS:
        for number, pair in enumerate(getattr(text, split)):
            demand(isinstance(pair, Pair), f"{split}[{number}] is a {type(pair).__name__}")
            for side in (pair.source, pair.target):
                is_text = isinstance(side, str) and side.strip() and not set(side) & {"\n", "\r"}
                demand(is_text, f"{split}[{number}] has {side!r}")


def reads_the_same_again(corpus: Corpus) -> None:
    """Two reads give the same texts in the same order, whatever torch's global generator has drawn."""
    first = fingerprints(corpus.read())
    torch.rand(3)
    demand(first == fingerprints(corpus.read()), "a second read gives other texts")


def draws_nothing_global(corpus: Corpus) -> None:
    """Reading leaves torch's global generator as it was."""
    before = torch.get_rng_state()
    corpus.read()
    demand(torch.equal(before, torch.get_rng_state()), "reading changes torch's global generator")


def reads_the_same_elsewhere(maker: Callable[[], Corpus]) -> None:
    """Another process with another hash seed reads the same texts in the same order."""
    here = fingerprints(maker().read())
    demand(
        fingerprints_elsewhere({"corpus": maker})["corpus"] == [here, here],
        "another process reads other texts",
    )


def itself(corpus: Corpus) -> Corpus:
    """Return the corpus: makes a picklable maker of an instance."""
    return corpus


def check_corpus(
    corpus: Corpus | Callable[..., Corpus],
    *,
    splits_may_overlap: bool = False,
    elsewhere: bool = True,
    **arguments: Any,
) -> None:
    """Raise `AssertionError` unless a corpus reads clean, disjoint, non-empty splits, the same each time.

    `corpus` is an instance, or a class that is made with `arguments`; give small sizes. `splits_may_overlap` is for
    splits that others published. `elsewhere=False` leaves out the fresh process with another hash seed, which takes
    some seconds and needs a class that can be imported.
    """
    # a class is not yet a corpus; pickled, an instance is its own maker
    maker = (
        partial(itself, corpus)
        if isinstance(corpus, Corpus) and not isinstance(corpus, type)
        else partial(corpus, **arguments)
    )
    made = maker()
    read = cache(made.read)
    claims = [Claim(name, partial(check, made), advice) for name, check, advice in _OF_CORPUS]
    for name, check, advice in _OF_TEXT:
        if not (splits_may_overlap and check is no_source_in_two_splits):
            claims.append(Claim(name, lambda check=check: check(read()), advice))  # type: ignore[misc]
    if elsewhere:
        sentence, elsewhere_check, advice = _ELSEWHERE
        claims.append(Claim(sentence, partial(elsewhere_check, maker), advice))
    hold(type(made).__name__, claims)


_OF_CORPUS: tuple[tuple[str, Callable[[Corpus], None], str], ...] = (
    (
        "it names its two languages",
        names_its_languages,
        "Set source_language and target_language in the constructor: en, zh, zxx for none",
    ),
    (
        "two reads give the same",
        reads_the_same_again,
        "Draw from a generator that `read` makes and seeds (`Dice(corpus_seed)`), not from one in the constructor",
    ),
    (
        "reading draws no global random number",
        draws_nothing_global,
        "Use a generator of your own: torch.Generator().manual_seed(corpus_seed)",
    ),
)
_OF_TEXT: tuple[tuple[str, Callable[[ParallelText], None], str], ...] = (
    (
        "no split is empty",
        no_split_is_empty,
        "`fill_splits` of seq2seq_lab.data.drawing and `split_pairs` of seq2seq_lab.data.split fill all three",
    ),
    (
        "no source stands in two splits",
        no_source_in_two_splits,
        "Let the text decide its split (`split_of` of seq2seq_lab.data.drawing)",
    ),
    (
        "every text is one line that is not blank",
        texts_are_clean,
        "Leave such pairs out and count them in `dropped`",
    ),
)
_ELSEWHERE = (
    "another process reads the same",
    reads_the_same_elsewhere,
    "Look for the order of a set, `hash()`, the clock or the order of a folder; elsewhere=False leaves this out for a "
    "class that no other process can import",
)
