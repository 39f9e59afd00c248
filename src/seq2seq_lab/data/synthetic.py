"""The synthetic tasks copy, reverse and sort: symbol sequences of any length and vocabulary, with known targets."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from seq2seq_lab.data.alignment import Alignment, word_spans
from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.drawing import Dice, check_range, check_sizes, fill_splits
from seq2seq_lab.data.parallel import check_languages


def copied(symbols: list[int]) -> list[int]:
    """Return the symbols as they are."""
    return list(symbols)


def backwards(symbols: list[int]) -> list[int]:
    """Return the symbols from last to first."""
    return symbols[::-1]


def ascending(symbols: list[int]) -> list[int]:
    """Return the symbols from smallest to largest, repeated ones included."""
    return sorted(symbols)


class _Sequences:
    """Random sequences of the numbers from 0 to vocab_size - 1; subclasses define the target.

    Lengths are uniform from `min_length` to `max_length`; the test split has its own range where one is given, to
    ask for longer sequences than were trained. Sources never repeat; see `drawing.py` for the splits. The languages
    only name the sides (`zxx`: no language). `corpus_seed` is not the seed of the run.
    """

    ties_are_open = False

    def __init__(
        self,
        source_language: str = "zxx",
        target_language: str = "zxx",
        vocab_size: int = 20,
        min_length: int = 3,
        max_length: int = 10,
        test_min_length: int | None = None,
        test_max_length: int | None = None,
        num_train: int = 8_000,
        num_val: int = 500,
        num_test: int = 500,
        corpus_seed: int = 1,
    ):
        check_languages(source_language, target_language)
        if vocab_size < 2:
            raise ValueError(f"vocab_size={vocab_size}: must be >= 2")
        check_range("min_length", min_length, "max_length", max_length)
        test_low = min_length if test_min_length is None else test_min_length
        test_high = max_length if test_max_length is None else test_max_length
        check_range("test_min_length", test_low, "test_max_length", test_high)
        self.source_language, self.target_language = source_language, target_language
        self.vocab_size = vocab_size
        self.lengths, self.test_lengths = (min_length, max_length), (test_low, test_high)
        self.sizes = check_sizes(num_train, num_val, num_test)
        self.corpus_seed = corpus_seed

    def answer(self, symbols: list[int]) -> list[int]:
        """Return the target of a source."""
        raise NotImplementedError

    def origins(self, symbols: list[int]) -> list[int]:
        """Return from which place of the source each target symbol is."""
        raise NotImplementedError

    def alignments(self, pairs: Sequence[Pair]) -> list[Alignment | None]:
        """Return the alignment of each pair: every target symbol with the one that it is.

        Equal symbols of a sorted sequence could be any of each other: links between them are only possible, not sure.
        """
        return [self._alignment(pair) for pair in pairs]

    def _alignment(self, pair: Pair) -> Alignment:
        source, target = word_spans(pair.source), word_spans(pair.target)
        symbols = [int(word) for word in pair.source.split()]
        links = [(source[i], target[j]) for j, i in enumerate(self.origins(symbols))]
        if not self.ties_are_open:
            return Alignment(tuple(links))
        answer = self.answer(symbols)
        sure = [
            link for link, symbol in zip(links, answer, strict=True) if symbols.count(symbol) == 1
        ]
        possible = [
            (source[i], target[j])
            for j, wanted in enumerate(answer)
            for i, symbol in enumerate(symbols)
            if symbol == wanted
        ]
        return Alignment(tuple(sure), tuple(possible))

    def read(self) -> ParallelText:
        """Make the text; raises `DataError` when there are too few different sequences."""
        advice = "raise data.max_length or data.vocab_size, or lower data.corpus.num_train"
        test_size = {"test": self.sizes["test"]}
        others = {name: size for name, size in self.sizes.items() if name != "test"}
        text = fill_splits(self._draw(self.lengths, self.corpus_seed), others, advice)
        # Same seed, own draws: with equal ranges the test split is what one stream for all three would give.
        test = fill_splits(self._draw(self.test_lengths, self.corpus_seed), test_size, advice)
        return replace(text, test=test.test)

    def _draw(self, lengths: tuple[int, int], seed: int) -> Iterator[Pair]:
        dice = Dice(seed)
        while True:
            symbols = [dice.below(self.vocab_size) for _ in range(dice.between(*lengths))]
            yield Pair(" ".join(map(str, symbols)), " ".join(map(str, self.answer(symbols))))


class Copy(_Sequences):
    """The target is the source."""

    def answer(self, symbols: list[int]) -> list[int]:
        """Return the symbols as they are."""
        return copied(symbols)

    def origins(self, symbols: list[int]) -> list[int]:
        """Return each place."""
        return copied(list(range(len(symbols))))


class Reverse(_Sequences):
    """The target is the source backwards."""

    def answer(self, symbols: list[int]) -> list[int]:
        """Return the symbols from last to first."""
        return backwards(symbols)

    def origins(self, symbols: list[int]) -> list[int]:
        """Return the places from last to first."""
        return backwards(list(range(len(symbols))))


class Sort(_Sequences):
    """The target is the source in ascending order."""

    ties_are_open = True

    def answer(self, symbols: list[int]) -> list[int]:
        """Return the symbols from smallest to largest."""
        return ascending(symbols)

    def origins(self, symbols: list[int]) -> list[int]:
        """Return the places in the order of their symbols, equal ones from left to right."""
        return sorted(range(len(symbols)), key=symbols.__getitem__)
