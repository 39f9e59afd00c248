"""BPE-dropout: without dropout the usual pieces, with it the paper's distribution, and what planted bugs change."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from seq2seq_lab.data.tokenizer.bpe_dropout import merged
from seq2seq_lab.data.tokenizer.registry import tokenizer_from_json
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer
from seq2seq_lab.special_tokens import UNK

TEXTS = ["the cat sat on the mat", "a hat and a bat", "that cat, this hat!", "Ärger ärgert Bären"]
RANKS = {("a", "t"): 0, ("c", "at"): 1, ("a", "b"): 2}


def made(**settings) -> BpeTokenizer:
    tokenizer = BpeTokenizer(**{"vocab_size": 400, "min_frequency": 1, **settings})
    tokenizer.fit(TEXTS, "en")
    return tokenizer


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("byte_level", [True, False])
def test_without_dropout_the_pieces_are_the_usual_ones(byte_level):
    tokenizer = made(byte_level=byte_level)
    for text in (*TEXTS, "", " ", "unseen words, 日本 the  cat"):
        assert tokenizer.sample(text, generator()) == tokenizer.encode(text)
    assert not tokenizer.samples


def by_hand(dropout: float) -> dict[tuple[str, ...], float]:
    """Return the distribution of the pieces of `catab` by enumeration of every draw."""
    found: Counter[tuple[str, ...]] = Counter()

    def go(symbols: tuple[str, ...], weight: float) -> None:
        places = range(len(symbols) - 1)
        for kept in product((True, False), repeat=len(places)):
            share = weight * np.prod([1 - dropout if k else dropout for k in kept])
            ranked = [
                (RANKS[symbols[i], symbols[i + 1]], i)
                for i in places
                if kept[i] and (symbols[i], symbols[i + 1]) in RANKS
            ]
            if not ranked:
                found[symbols] += share
                continue
            i = min(ranked)[1]
            go((*symbols[:i], symbols[i] + symbols[i + 1], *symbols[i + 2 :]), share)

    go(tuple("catab"), 1.0)
    return dict(found)


def follows_the_distribution(dropout: float = 0.3, draws: int = 20_000) -> None:
    expected, drawn = by_hand(dropout), generator(5)
    counts = Counter(tuple(merged(list("catab"), RANKS, dropout, drawn)) for _ in range(draws))
    assert sum(expected.values()) == pytest.approx(1.0)
    assert set(counts) <= set(expected)
    for pieces, share in expected.items():
        sigma = (share * (1 - share) / draws) ** 0.5
        assert abs(counts[pieces] / draws - share) <= 4.5 * sigma + 1e-9


def test_the_pieces_follow_the_distribution_of_the_paper():
    follows_the_distribution()


def test_sampled_pieces_are_the_text_and_differ():
    tokenizer = made(dropout=0.5)
    assert tokenizer.samples
    drawn = generator()
    for text in TEXTS:
        found = [tokenizer.sample(text, drawn) for _ in range(20)]
        assert {tokenizer.decode(ids) for ids in found} == {text}
        assert len({tuple(ids) for ids in found}) > 5
        assert all(len(ids) >= len(tokenizer.encode(text)) for ids in found)
    assert tokenizer.encode(TEXTS[0]) == made().encode(TEXTS[0])


def test_the_setting_is_stored_and_unknown_characters_stay_unknown():
    tokenizer = tokenizer_from_json(made(dropout=0.25, byte_level=False).to_json())
    assert (tokenizer.dropout, tokenizer.samples) == (0.25, True)
    assert tokenizer.sample("日", generator())[-1] == UNK


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_probability_out_of_range_is_refused(dropout):
    with pytest.raises(ValueError, match=rf"dropout={dropout}: must be >= 0 and < 1"):
        BpeTokenizer(dropout=dropout)


# planted bugs


@pytest.mark.parametrize("bug", ["one draw for a word", "inverted", "last merge first"])
def test_planted_wrong_draws_are_caught(bug, monkeypatch):
    right = merged

    def wrong(symbols, ranks, dropout, generator):
        if bug == "inverted":
            return right(symbols, ranks, 1 - dropout, generator)
        if bug == "one draw for a word":
            return right(symbols, ranks, float(generator.random() < dropout), generator)
        return right(symbols, {pair: -rank for pair, rank in ranks.items()}, dropout, generator)

    monkeypatch.setitem(globals(), "merged", wrong)
    with pytest.raises(AssertionError):
        follows_the_distribution()
