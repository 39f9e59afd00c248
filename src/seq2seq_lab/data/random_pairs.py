"""The smoke-test corpus: random sources with random targets, so that a model can only memorise the pairs."""

from collections.abc import Iterator

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.drawing import Dice, check_range, check_sizes, fill_splits
from seq2seq_lab.data.parallel import check_languages


class RandomPairs:
    """Pairs of unrelated symbol sequences; the symbols are the numbers from 0 to vocab_size - 1.

    The training loss can fall to zero, the validation loss cannot. Sources never repeat; see `drawing.py` for the
    splits. The languages only name the sides (`zxx`: no language).
    """

    def __init__(
        self,
        source_language: str = "zxx",
        target_language: str = "zxx",
        vocab_size: int = 10,
        min_length: int = 3,
        max_length: int = 7,
        num_train: int = 128,
        num_val: int = 16,
        num_test: int = 16,
        corpus_seed: int = 1,
    ):
        check_languages(source_language, target_language)
        check_range("min_length", min_length, "max_length", max_length)
        if vocab_size < 2:
            raise ValueError(f"vocab_size={vocab_size}: must be >= 2")
        self.source_language, self.target_language = source_language, target_language
        self.vocab_size, self.lengths = vocab_size, (min_length, max_length)
        self.sizes = check_sizes(num_train, num_val, num_test)
        self.corpus_seed = corpus_seed

    def read(self) -> ParallelText:
        """Make the text; raises `DataError` when there are too few different sources."""
        advice = "raise data.max_length or data.vocab_size, or lower data.corpus.num_train"
        return fill_splits(self._draw(), self.sizes, advice)

    def _draw(self) -> Iterator[Pair]:
        dice = Dice(self.corpus_seed)
        while True:
            yield Pair(self._sequence(dice), self._sequence(dice))

    def _sequence(self, dice: Dice) -> str:
        return " ".join(
            str(dice.below(self.vocab_size)) for _ in range(dice.between(*self.lengths))
        )
