"""Unicode characters as tokens."""

from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.vocabulary import VocabularyTokenizer


class CharacterTokenizer(VocabularyTokenizer):
    """Unicode code points; a space is a character like any other."""

    def __init__(
        self,
        *,
        min_frequency: int = 1,
        max_size: int | None = None,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
    ):
        super().__init__(
            min_frequency=min_frequency,
            max_size=max_size,
            lowercase=lowercase,
            normalization=normalization,
        )

    def _cut(self, text: str) -> list[str]:
        return list(text)

    def _join(self, pieces: list[str]) -> str:
        return "".join(pieces)
