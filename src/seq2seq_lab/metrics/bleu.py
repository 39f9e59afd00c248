"""BLEU, chrF and TER of detokenised text: sacreBLEU's objects, and its formulas over arrays of sums.

Post, "A Call for Clarity in Reporting BLEU Scores", 2018: a BLEU score without its tokenisation and casing cannot be
compared. The main score is therefore cased and tokenised by sacreBLEU itself, never by our own tokenizer.
"""

from typing import Any

import numpy as np

from seq2seq_lab.data.language import TOKENIZED
from seq2seq_lab.metrics.metric import Array, Columns

ORDER = 4
"""Longest n-gram of BLEU."""
WORD_ORDER = 2
"""Longest word n-gram of chrF++."""
ASIAN = "tercom-asian"
"""How `Sacrebleu` names the tokeniser of a TER signature with `asian:yes`."""
CHARACTER_LANGUAGES = frozenset({"ja", "ko", "th", "lo", "km", "my", "bo", "dz"})
"""Written without spaces between words, or (ko) with a tokeniser in sacreBLEU that needs an extra install."""


def bleu_tokenizer(language: str) -> str:
    """Return sacreBLEU's tokeniser for a target language given as a BCP 47 code.

    Chinese in any script gets `zh`; other languages without spaces get `char`; the rest `13a`. Text that is tokenized
    already, `de-x-tok`, is counted as it stands: `none`.
    """
    whole = language.replace("_", "-").lower()
    if whole.endswith(TOKENIZED):
        return "none"
    primary = whole.split("-")[0]
    if primary in {"zh", "yue", "cmn"}:
        return "zh"
    return "char" if primary in CHARACTER_LANGUAGES else "13a"


def cased_bleu(tokenize: str, references: Columns | None = None) -> Any:
    """Return sacreBLEU's cased BLEU-4, its standard."""
    from sacrebleu.metrics import BLEU

    # force: no advice on stderr about text that looks tokenised
    return BLEU(tokenize=tokenize, force=True, references=references)


def lower_cased_bleu(tokenize: str, references: Columns | None = None) -> Any:
    """Return BLEU of lower-cased text under the same tokeniser: the flavour of many older papers.

    `case:lc` is in its signature. Never compare it with the cased score.
    """
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=tokenize, lowercase=True, force=True, references=references)


def chrf2(tokenize: str, references: Columns | None = None) -> Any:  # noqa: ARG001
    """Return chrF2, the character n-gram F-score (Popović 2015), sacreBLEU's standard; it needs no tokeniser."""
    from sacrebleu.metrics import CHRF

    return CHRF(references=references)


def chrf_plus_plus(tokenize: str, references: Columns | None = None) -> Any:  # noqa: ARG001
    """Return chrF2++, chrF2 with word n-grams up to 2 (Popović 2017)."""
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=WORD_ORDER, references=references)


def translation_edit_rate(tokenize: str, references: Columns | None = None) -> Any:
    """Return TER (Snover et al. 2006), sacreBLEU's standard.

    Where BLEU counts characters (zh, ja, ...) each character of the text's script is a word: Tercom's normalisation
    with its Asian support.
    """
    from sacrebleu.metrics import TER

    by_character = tokenize in {"zh", "char", ASIAN}
    return TER(normalized=by_character, asian_support=by_character, references=references)


def bleu_of_sums(sums: Array) -> Array:
    """BLEU-4 with exponential smoothing: columns are hypothesis length, reference length, matches 1-4, totals 1-4."""
    length, reference = sums[..., 0], sums[..., 1]
    correct, total = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    with np.errstate(divide="ignore", invalid="ignore"):
        smoothing = 2.0 ** np.cumsum((correct == 0) & (total > 0), axis=-1)
        precision = np.where(correct > 0, 100.0 * correct, 100.0 / smoothing) / total
        log_mean = np.log(precision).sum(-1) / ORDER
        brevity = np.exp(np.minimum(0.0, 1.0 - reference / length))
    defined = (total > 0).all(-1) & (correct > 0).any(-1)
    return np.where(defined, brevity * np.exp(np.where(defined, log_mean, 0.0)), 0.0)


def chrf_of_sums(sums: Array) -> Array:
    """chrF2 and chrF2++: columns are n-grams of the hypothesis, of the reference, and matches, order after order."""
    counts = sums.reshape(*sums.shape[:-1], -1, 3)
    hypothesis, reference, match = counts[..., 0], counts[..., 1], counts[..., 2]
    used = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(used.sum(-1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(used, match / hypothesis, 0.0).sum(-1) / orders
        recall = np.where(used, match / reference, 0.0).sum(-1) / orders
        score = 100.0 * 5.0 * precision * recall / (4.0 * precision + recall)
    return np.where(precision + recall > 0, score, 0.0)


def ter_of_sums(sums: Array) -> Array:
    """TER in percent: columns are edits and reference words; without reference words it is 100, or 0 without edits."""
    edits, words = sums[..., 0], sums[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(words > 0, edits / words, edits > 0)
    return 100.0 * rate
