"""Corpus BLEU and chrF of detokenised text, by sacreBLEU, with the signature that says how they were made.

Post, "A Call for Clarity in Reporting BLEU Scores", 2018: a BLEU score without its tokenisation and casing cannot be
compared. The main score is therefore cased and tokenised by sacreBLEU itself, never by our own tokenizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CHARACTER_LANGUAGES = frozenset({"ja", "ko", "th", "lo", "km", "my", "bo", "dz"})
"""Written without spaces between words, or (ko) with a tokeniser in sacreBLEU that needs an extra install."""


@dataclass(frozen=True)
class Score:
    """A corpus score on the 0-100 scale, with sacreBLEU's signature."""

    value: float
    signature: str


def check_parallel(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """Raise `ValueError` unless both lists have the same length and something in them."""
    if len(hypotheses) != len(references):
        raise ValueError(
            f"{len(hypotheses)} hypotheses for {len(references)} references: one line each is needed"
        )
    if not hypotheses:
        raise ValueError("no hypotheses: a score of nothing is not defined; give at least one pair")


def bleu_tokenizer(language: str) -> str:
    """Return sacreBLEU's tokeniser for a target language given as a BCP 47 code.

    Chinese in any script gets `zh`; other languages without spaces get `char`; the rest `13a`.
    """
    primary = language.replace("_", "-").split("-")[0].lower()
    if primary in {"zh", "yue", "cmn"}:
        return "zh"
    return "char" if primary in CHARACTER_LANGUAGES else "13a"


def _score(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    check_parallel(hypotheses, references)
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score(float(value), str(metric.get_signature()))  # complete only after scoring


def bleu(hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str) -> Score:
    """Return cased BLEU-4 of detokenised text, sacreBLEU's standard."""
    from sacrebleu.metrics import BLEU

    # force: no advice on stderr about text that looks tokenised
    return _score(BLEU(tokenize=tokenize, force=True), hypotheses, references)


def bleu_tok_lc(hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str) -> Score:
    """Return BLEU of lower-cased text under the same tokeniser: the flavour of many older papers.

    It is sacreBLEU with `lowercase=True` (`case:lc` in the signature). Never compare it with `bleu`.
    """
    from sacrebleu.metrics import BLEU

    return _score(BLEU(tokenize=tokenize, lowercase=True, force=True), hypotheses, references)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """Return chrF2, the character n-gram F-score (Popović 2015), sacreBLEU's standard."""
    from sacrebleu.metrics import CHRF

    return _score(CHRF(), hypotheses, references)
