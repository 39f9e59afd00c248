"""All tokenizers by the name of their class, and a fitted tokenizer from its stored form.

Imports no tokenizer library: each loads its own at its first use.
"""

import json
from collections.abc import Callable

from seq2seq_lab.data.tokenizer.byte import ByteTokenizer
from seq2seq_lab.data.tokenizer.character import CharacterTokenizer
from seq2seq_lab.data.tokenizer.features import FeaturesTokenizer
from seq2seq_lab.data.tokenizer.file import FileTokenizer
from seq2seq_lab.data.tokenizer.jieba import JiebaTokenizer
from seq2seq_lab.data.tokenizer.spacy import SpacyTokenizer
from seq2seq_lab.data.tokenizer.subword import BpeTokenizer, UnigramTokenizer
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.errors import CheckpointError, UnsafeError

TOKENIZERS: dict[str, type[Tokenizer]] = {
    "WordTokenizer": WordTokenizer,
    "SpacyTokenizer": SpacyTokenizer,
    "JiebaTokenizer": JiebaTokenizer,
    "CharacterTokenizer": CharacterTokenizer,
    "BpeTokenizer": BpeTokenizer,
    "UnigramTokenizer": UnigramTokenizer,
    "ByteTokenizer": ByteTokenizer,
    "FileTokenizer": FileTokenizer,
    "FeaturesTokenizer": FeaturesTokenizer,
}
"""The exact table of classes that a stored tokenizer may name."""


Find = Callable[[str], type[Tokenizer] | None]


def tokenizer_from_json(text: str, find: Find = TOKENIZERS.get) -> Tokenizer:
    """Return the fitted tokenizer of `to_json()`; `UnsafeError` for another class, `CheckpointError` if damaged.

    `find` returns the class of a stored name, None for what may not be made.
    """
    try:
        record = json.loads(text)
        name, settings, language = record["class"], record["settings"], record["language"]
        state = record["state"]
        if not (isinstance(name, str) and isinstance(settings, dict) and isinstance(state, dict)):
            raise TypeError("class, settings and state have the wrong types")
        if not isinstance(language, str | None):
            raise TypeError("the language is no text")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"the stored tokenizer is damaged: {error!r}") from error
    kind = find(name)
    if kind is None:
        raise UnsafeError(
            f"the stored tokenizer names the class {name!r}; allowed are {', '.join(TOKENIZERS)}"
        )
    try:
        tokenizer = kind(**settings)
        tokenizer.language = language
        tokenizer._require_fit()  # a language, unless nothing is learned
        parts = {key: tokenizer_from_json(json.dumps(state[key]), find) for key in kind.inner}
        tokenizer._restore(state | parts)
    except (
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        AttributeError,
        ArithmeticError,
    ) as error:
        raise CheckpointError(f"the stored {name} is damaged: {error!r}") from error
    return tokenizer
