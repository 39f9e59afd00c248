"""Chinese words by jieba's dictionary and its model of unknown words (no download: both are in the package)."""

from collections.abc import Iterable
from typing import Any

from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.library import tell_other_version
from seq2seq_lab.data.tokenizer.vocabulary import VocabularyTokenizer, in_any_order
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.extras import install_line


class JiebaTokenizer(VocabularyTokenizer):
    """jieba's words; a space is a token, so that decoding joins pieces and adds nothing.

    `new_words`: words that are not in the dictionary are found by a hidden Markov model; otherwise their characters
    are tokens. What is stored is the vocabulary and jieba's version: decoding needs no jieba, encoding does.
    """

    collapses_spaces = True

    def __init__(
        self,
        *,
        min_frequency: int = 1,
        max_size: int | None = None,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
        new_words: bool = True,
    ):
        super().__init__(
            min_frequency=min_frequency,
            max_size=max_size,
            lowercase=lowercase,
            normalization=normalization,
        )
        self.new_words = new_words
        self._version = ""
        self._words: Any = None

    @in_any_order
    def _learn(self, texts: Iterable[str], language: str) -> None:
        import_jieba()
        super()._learn(texts, language)

    def _cut(self, text: str) -> list[str]:
        if self._words is None:
            self._words = self._load()
        return self._words.lcut(text, HMM=self.new_words)

    def _join(self, pieces: list[str]) -> str:
        return "".join(pieces)

    def _load(self) -> Any:
        """Return jieba's word splitter, made at the first use."""
        jieba = import_jieba()
        self._version = self._version or jieba.__version__
        tell_other_version("jieba", self._version, jieba.__version__)
        words = jieba.Tokenizer()
        # its own `initialize` talks on stderr and reads a cache that anybody may have put into TMPDIR
        words.FREQ, words.total = words.gen_pfdict(words.get_dict_file())
        words.initialized = True
        return words

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"jieba": self._version}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._version = str(state["jieba"])


def import_jieba() -> Any:
    """Return the jieba module, or say how to install it."""
    try:
        import jieba
    except ImportError as error:
        raise ConfigError(
            f"the jieba tokenizer needs jieba, which is not installed: {install_line('jieba')}, "
            "or choose data/tokenizer=character"
        ) from error
    return jieba
