"""Words by the rules of spaCy as tokens (`spacy.blank`, no model download)."""

from collections.abc import Iterable
from typing import Any

from seq2seq_lab.data.detokenize import UNSPACED, detokenize, primary_language
from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.library import tell_other_version
from seq2seq_lab.data.tokenizer.vocabulary import VocabularyTokenizer, in_any_order
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.extras import install_line


class SpacyTokenizer(VocabularyTokenizer):
    """spaCy's words. `rules` names the spaCy language whose rules to use; null: the language of the text.

    Runs of white space count as one space. What is stored is the vocabulary, the settings and spaCy's version: decoding
    needs no spaCy, encoding needs it installed. In languages written without spaces a space is a token.
    """

    collapses_spaces = True

    def __init__(
        self,
        *,
        min_frequency: int = 1,
        max_size: int | None = None,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
        copy_slots: int = 0,
        rules: str | None = None,
    ):
        super().__init__(
            min_frequency=min_frequency,
            max_size=max_size,
            lowercase=lowercase,
            normalization=normalization,
            copy_slots=copy_slots,
        )
        if rules is not None and not rules.strip():
            raise ValueError("rules='': must be a spaCy language code such as en, or null")
        self.rules = rules
        self._spacy_version = ""
        self._rule_language = ""
        self._words: Any = None

    @in_any_order
    def _learn(self, texts: Iterable[str], language: str) -> None:
        import_spacy()
        self._rule_language = primary_language(self.rules or language)
        super()._learn(texts, language)

    def _cut(self, text: str) -> list[str]:
        if self._words is None:
            self._words = self._load()
        document = self._words(text)
        if self._rule_language not in UNSPACED:
            return [word.text for word in document if not word.is_space]
        return [piece for word in document for piece in (word.text, word.whitespace_) if piece]

    def _join(self, pieces: list[str]) -> str:
        return detokenize(
            pieces, self._rule_language, hyphen_joins=self._rule_language not in {"de", "xx"}
        )

    def _load(self) -> Any:
        """Return spaCy's word splitter, made at the first use."""
        spacy = import_spacy()
        self._spacy_version = self._spacy_version or spacy.__version__
        tell_other_version("spaCy", self._spacy_version, spacy.__version__)
        try:
            return spacy.blank(self._rule_language).tokenizer
        except ImportError as error:
            raise ConfigError(
                f"spaCy cannot cut text of language {self._rule_language!r} ({error}); set the "
                "tokenizer's rules=xx (neutral rules) or choose data/tokenizer=word"
            ) from error

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"spacy": self._spacy_version, "rules": self._rule_language}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self._spacy_version, self._rule_language = str(state["spacy"]), str(state["rules"])


def import_spacy() -> Any:
    """Return the spacy module, or say how to install it."""
    try:
        import spacy
    except ImportError as error:
        raise ConfigError(
            f"the spaCy tokenizer needs spaCy, which is not installed: {install_line('spacy')}, "
            "or choose data/tokenizer=word"
        ) from error
    return spacy
