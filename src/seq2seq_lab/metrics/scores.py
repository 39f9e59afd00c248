"""All corpus metrics of one decoded split, and the rows that are stored of it."""

from typing import Any

from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.metrics.accuracy import by_length_quarter, exact_match, matches
from seq2seq_lab.metrics.bleu import bleu, bleu_tok_lc, bleu_tokenizer, chrf


def score(
    pairs: list[Pair], hypotheses: list[str], target_language: str
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the numbers by name, and the signatures that say how they were made."""
    references = [pair.target for pair in pairs]
    tokenize = bleu_tokenizer(target_language)
    scores = {
        "bleu": bleu(hypotheses, references, tokenize=tokenize),
        "bleu_tok_lc": bleu_tok_lc(hypotheses, references, tokenize=tokenize),
        "chrf": chrf(hypotheses, references),
    }
    numbers = {name: s.value for name, s in scores.items()}
    numbers["exact_match"] = exact_match(hypotheses, references)
    quarters = by_length_quarter([p.source for p in pairs], matches(hypotheses, references))
    numbers |= {f"exact_match_length_q{i}": value for i, value in enumerate(quarters, start=1)}
    return numbers, {name: s.signature for name, s in scores.items()}


def hypothesis_rows(
    pairs: list[Pair], hypotheses: list[str], scores: list[float]
) -> list[dict[str, Any]]:
    """Return one row per pair, in order, as hypotheses/*.jsonl stores them."""
    return [
        {"id": i, "source": p.source, "reference": p.target, "hypothesis": text, "score": score}
        for i, (p, text, score) in enumerate(zip(pairs, hypotheses, scores, strict=True))
    ]
