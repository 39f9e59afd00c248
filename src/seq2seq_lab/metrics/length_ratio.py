"""How long outputs are, beside their references."""

from seq2seq_lab.metrics.metric import Texts
from seq2seq_lab.metrics.word_rarity import Frequencies, is_by_character

LENGTH_RATIO = "length_ratio"
"""The name of the number in result.json. Neither more nor less of it is better, so it is no row of METRICS."""


def length_ratio(hypotheses: Texts, references: Texts, language: str) -> float:
    """Return words of the outputs / words of the (first) references; a word is what `word_rarity` counts.

    NaN where the references have no word.
    """
    words = Frequencies({}, is_by_character(language)).words
    written, wanted = (
        sum(len(words(text)) for text in texts) for texts in (hypotheses, references)
    )
    return written / wanted if wanted else float("nan")
