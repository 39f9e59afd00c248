"""The antonym corpus: words and their opposites, to be spelled letter by letter: man -> woman, 大 -> 小."""

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.word_table import hold_out_last, read_table

HELD_OUT = 6
LANGUAGES = ("en", "zh")


class Antonyms:
    """The word pairs of `antonyms.tsv`: the source word, and its opposite in the target language (en or zh).

    The last six pairs are the test split and the six before them the validation split. Nobody can guess the
    opposite of a word never seen, so scores on these splits stay near zero: the corpus shows that a model can learn
    by heart (`debug=overfit`), and nothing more.
    """

    def __init__(self, source_language: str = "en", target_language: str = "en"):
        for name, code in (
            ("source_language", source_language),
            ("target_language", target_language),
        ):
            if code not in LANGUAGES:
                raise ValueError(f"{name}={code}: must be one of {', '.join(LANGUAGES)}")
        self.source_language, self.target_language = source_language, target_language

    def read(self) -> ParallelText:
        """Read the pairs that come with the package."""
        rows = read_table("antonyms.tsv")
        opposite = f"{self.target_language}_opposite"
        return hold_out_last(
            [Pair(row[self.source_language], row[opposite]) for row in rows], HELD_OUT
        )
