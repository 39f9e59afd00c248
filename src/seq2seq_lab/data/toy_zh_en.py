"""Everyday Chinese-English sentence pairs of our own, cut into words: small enough to read, and to learn by heart."""

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.word_table import hold_out_last, read_table

HELD_OUT = 6


class ToyZhEn:
    """The pairs of `toy_zh_en.tsv`, in either direction; Chinese words are separated by spaces.

    The last six pairs are the test split and the six before them the validation split; their words all occur in
    the training pairs, their sentences do not. Scores on six sentences say little: use it to watch a model learn
    (`debug=overfit`), not to compare models.
    """

    def __init__(self, source_language: str = "zh", target_language: str = "en"):
        if {source_language, target_language} != {"zh", "en"}:
            raise ValueError(
                f"source_language={source_language} and target_language={target_language}: must be zh and en, "
                "in either order"
            )
        self.source_language, self.target_language = source_language, target_language

    def read(self) -> ParallelText:
        """Read the pairs that come with the package."""
        rows = read_table("toy_zh_en.tsv")
        pairs = [Pair(row[self.source_language], row[self.target_language]) for row in rows]
        return hold_out_last(pairs, HELD_OUT)
