"""Tokenizers with one planted bug each, in a module that other processes can import."""

from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.special_tokens import EOS


class HashOrderTokenizer(WordTokenizer):
    """Its vocabulary has the order of a set: another one in each process."""

    def _learn(self, texts, language):
        super()._learn(texts, language)
        self._restore(self._state() | {"vocabulary": list(set(self._state()["vocabulary"]))})


class TypedEndTokenizer(WordTokenizer):
    """A user can type the end token."""

    def _encode(self, texts):
        found = super()._encode(texts)
        return [
            [EOS if word == "<eos>" else i for i, word in zip(ids, text.split(), strict=True)]
            for ids, text in zip(found, texts, strict=True)
        ]


class LosesSpacesTokenizer(WordTokenizer):
    """Decoding joins the words."""

    def _decode(self, items):
        return super()._decode(items).replace(" ", "")


class ForgetfulTokenizer(WordTokenizer):
    """A setting that is not stored."""

    def __init__(self, *, suffix: str = "", min_frequency: int = 1):
        super().__init__(min_frequency=min_frequency)
        self._suffix = suffix
