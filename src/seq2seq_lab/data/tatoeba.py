"""The Tatoeba corpus in the format of manythings.org: English<TAB>other language<TAB>attribution."""

from collections.abc import Sequence
from pathlib import Path

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.parallel import check_languages, drop_empty
from seq2seq_lab.data.split import Shares, by_either_side, split_pairs
from seq2seq_lab.data.text import read_lines
from seq2seq_lab.errors import ConfigError, DataError

WHERE_TO_GET_IT = "https://www.manythings.org/anki/ (cmn-eng.zip holds cmn.txt; CC BY 2.0 FR)"


class Tatoeba:
    """Short sentences, English to or from the language of the file.

    No sentence of either language lies in two splits: pairs that share one, also through other pairs, stay
    together; which split they go to depends on their texts alone, not on the direction. Repeated pairs are read
    once and counted. A fraction of 0, or `all_in_training`, repeats the training pairs.
    """

    def __init__(
        self,
        path: str | None,
        source_language: str = "zh",
        target_language: str = "en",
        val_fraction: float = 0.04,
        test_fraction: float = 0.04,
        *,
        all_in_training: bool = False,
    ):
        check_languages(source_language, target_language)
        if (source_language == "en") == (target_language == "en"):
            both = f"source_language={source_language} and target_language={target_language}"
            raise ValueError(f"{both}: exactly one must be en, as in the files of manythings.org")
        self.path = path
        self.source_language, self.target_language = source_language, target_language
        shares = Shares(val_fraction, test_fraction)
        self.shares = Shares(0.0, 0.0) if all_in_training else shares

    def paths(self) -> list[Path]:
        """Return the file of the corpus."""
        return [] if self.path is None else [Path(self.path)]

    def read(self) -> ParallelText:
        """Read the file; raises `DataError` with file:line for a line without two or three columns."""
        if self.path is None:
            raise ConfigError(
                f"data.path is not set: get the file from {WHERE_TO_GET_IT}, then data.path=cmn.txt"
            )
        text = read_lines(self.path)
        english_first, empty = drop_empty(self._rows(text.lines))
        pairs = list(dict.fromkeys(english_first))
        if not pairs:
            raise DataError(
                f"{self.path}: no pair with text on both sides; get it from {WHERE_TO_GET_IT}"
            )
        repeated = len(english_first) - len(pairs)
        dropped = text.dropped | empty | ({"repeated pair": repeated} if repeated else {})
        made = split_pairs(pairs, by_either_side(pairs), self.shares, dropped, self.path)
        if self.source_language == "en":
            return made
        return ParallelText(
            _swapped(made.train), _swapped(made.val), _swapped(made.test), made.dropped
        )

    def _rows(self, lines: list[str]) -> list[Pair]:
        pairs = []
        for number, line in enumerate(lines, start=1):
            columns = line.split("\t")
            if line.strip() and len(columns) not in {2, 3}:
                raise DataError(
                    f"{self.path}:{number}: {len(columns)} columns between tabs, expected English, translation and "
                    f"attribution; get the file from {WHERE_TO_GET_IT}"
                )
            pairs.append(Pair(columns[0], columns[1]) if len(columns) > 1 else Pair("", ""))
        return pairs


def _swapped(pairs: Sequence[Pair]) -> list[Pair]:
    return [Pair(pair.target, pair.source) for pair in pairs]
