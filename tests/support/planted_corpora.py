"""Corpora with one planted bug each, in a module that other processes can import."""

import torch

from seq2seq_lab.data import drawing
from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.synthetic import Copy


class Overlapping(Copy):
    """A test sentence was trained."""

    def read(self) -> ParallelText:
        text = super().read()
        return ParallelText(text.train, text.val, [*text.test[1:], text.train[0]])


class WithoutValidation(Copy):
    """One split is empty."""

    def read(self) -> ParallelText:
        text = super().read()
        return ParallelText(text.train, [], text.test)


class TwoLines(Copy):
    """A text with a line end."""

    def read(self) -> ParallelText:
        text = super().read()
        return ParallelText([*text.train, Pair("a\nb", "c")], text.val, text.test)


class SharedDice(Copy):
    """The generator is made once, so a second read goes on drawing."""

    def __init__(self, num_train: int = 40, num_val: int = 5, num_test: int = 5):
        super().__init__(num_train=num_train, num_val=num_val, num_test=num_test)
        self.dice = drawing.Dice(1)

    def _draw(self, lengths, seed):
        while True:
            count = self.dice.between(*lengths)
            symbols = " ".join(str(self.dice.below(20)) for _ in range(count))
            yield Pair(symbols, symbols)


class GlobalDraws(Copy):
    """Draws from torch's global generator, from the same seed each time."""

    def read(self) -> ParallelText:
        torch.manual_seed(self.corpus_seed)
        torch.rand(1)
        return super().read()


class HashOrder(Copy):
    """The order of a set: another one in each process."""

    def read(self) -> ParallelText:
        text = super().read()
        return ParallelText(list(set(text.train)), text.val, text.test)
