"""Subword tokenizers: byte-pair encoding (Sennrich et al. 2016), with dropout, and the unigram model (Kudo 2018).

Both put one space before the text and take it off again, so that a word has the same pieces at the start of a
sentence as inside it; apart from that spaces are ordinary text, and decoding is exact.
"""

import base64
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.bpe_dropout import Generator, merged
from seq2seq_lab.data.tokenizer.pieces import checked_pieces, decode_runs
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer, in_any_order
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, UNK

_WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s"
"""A pair is merged only inside one of these: letters, digits or punctuation with the space before, or white space."""

_NO_PIECE = ("a pad", "a bos", "a eos", "a unk")
"""Names for ids 0..3 inside the libraries. A space inside a piece cannot come from text."""

_MARK, _GAP, _ESCAPE = "\u2581", "\u2585", "\ue000"
"""sentencepiece writes spaces as U+2581 and drops sentences with U+2585: both are escaped when a user types them."""
_TO_SAFE = str.maketrans({_MARK: _ESCAPE + "1", _GAP: _ESCAPE + "5", _ESCAPE: _ESCAPE + "0"})
_FROM_SAFE = ((_ESCAPE + "1", _MARK), (_ESCAPE + "5", _GAP), (_ESCAPE + "0", _ESCAPE))


def _check_vocab_size(vocab_size: int) -> None:
    if vocab_size <= NUM_SPECIAL_TOKENS:
        raise ValueError(
            f"vocab_size={vocab_size}: must be > {NUM_SPECIAL_TOKENS} (the special tokens count)"
        )


def _with_space(text: str) -> str:
    return " " + text if text else text


class BpeTokenizer(Tokenizer):
    """Byte-pair encoding. `vocab_size` caps the vocabulary, special tokens included.

    `byte_level`: start from the 256 bytes of UTF-8, so that nothing is ever unknown; otherwise from the characters
    that occur at least `min_frequency` times. Only pairs that occur as often are merged.

    `dropout`: in training each possible merge of a word is left out with this probability, anew at every merge and in
    every epoch (BPE-dropout, Provilkov et al. 2020); validation, test and translation use all merges.
    """

    def __init__(
        self,
        *,
        vocab_size: int = 8000,
        min_frequency: int = 2,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
        byte_level: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__(lowercase=lowercase, normalization=normalization)
        _check_vocab_size(vocab_size)
        if min_frequency < 1:
            raise ValueError(f"min_frequency={min_frequency}: must be >= 1; 1 merges every pair")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(
                f"dropout={dropout}: must be >= 0 and < 1; for characters data/tokenizer=character"
            )
        self.dropout, self.samples = dropout, dropout > 0.0
        self.vocab_size, self.min_frequency, self.byte_level = vocab_size, min_frequency, byte_level
        self._alphabet: list[str] = []
        self._merges: list[tuple[str, str]] = []

    def _pipeline(self, model: Any) -> Any:
        """Return a `tokenizers.Tokenizer` without special tokens around a model."""
        import tokenizers
        from tokenizers import pre_tokenizers

        # its threads would warn on stderr at every fork of a data worker, and save less than a second
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        pipeline = tokenizers.Tokenizer(model)
        steps: list[Any] = [pre_tokenizers.Split(tokenizers.Regex(_WORDS), "isolated")]
        if self.byte_level:
            steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
        pipeline.pre_tokenizer = pre_tokenizers.Sequence(steps)
        return pipeline

    @in_any_order
    def _learn(self, texts: Iterable[str], language: str) -> None:  # noqa: ARG002
        from tokenizers import models, pre_tokenizers, trainers

        counts: Counter[str] = Counter()

        def spaced() -> Iterator[str]:
            for text in map(_with_space, texts):
                if not self.byte_level:
                    counts.update(text)
                yield text

        pipeline = self._pipeline(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab_size - NUM_SPECIAL_TOKENS,
            min_frequency=self.min_frequency,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if self.byte_level else [],
            show_progress=False,
        )
        pipeline.train_from_iterator(spaced(), trainer)
        learned = json.loads(pipeline.to_str())["model"]
        alphabet = sorted(piece for piece in learned["vocab"] if len(piece) == 1)
        if not self.byte_level:
            alphabet = [c for c in alphabet if counts[c] >= self.min_frequency]
        if not alphabet:
            raise DataError(
                f"min_frequency={self.min_frequency} leaves an empty vocabulary; lower the "
                "tokenizer's min_frequency"
            )
        if len(alphabet) + NUM_SPECIAL_TOKENS > self.vocab_size:
            raise DataError(
                f"vocab_size={self.vocab_size}: the text has {len(alphabet)} different "
                f"{'bytes' if self.byte_level else 'characters'}; raise the tokenizer's vocab_size to "
                f"{len(alphabet) + NUM_SPECIAL_TOKENS} or more"
            )
        self._set_merges(alphabet, [(left, right) for left, right in learned["merges"]])

    def _set_merges(self, alphabet: list[str], merges: list[tuple[str, str]]) -> None:
        """Build the vocabulary: alphabet, then one piece for each merge in the order learned."""
        from tokenizers import decoders, models

        pieces = list(dict.fromkeys([*alphabet, *(left + right for left, right in merges)]))
        ids = {piece: i for i, piece in enumerate(pieces, NUM_SPECIAL_TOKENS)}
        ids[_NO_PIECE[UNK]] = UNK
        self._ids, self._ranks = ids, {pair: rank for rank, pair in enumerate(merges)}
        self._alphabet, self._merges, self._pieces = alphabet, merges, pieces
        try:
            model = models.BPE(vocab=ids, merges=merges, unk_token=_NO_PIECE[UNK])
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"the merges do not fit the alphabet: {error}") from error
        self._encoder = self._pipeline(model)
        self._bytes = decoders.ByteLevel() if self.byte_level else None

    def _state(self) -> dict[str, Any]:
        return {"alphabet": self._alphabet, "merges": [list(pair) for pair in self._merges]}

    def _restore(self, state: dict[str, Any]) -> None:
        self._set_merges(
            checked_pieces(state["alphabet"]), [(left, right) for left, right in state["merges"]]
        )

    def __len__(self) -> int:
        self._require_fit()
        return NUM_SPECIAL_TOKENS + len(self._pieces)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        spaced = [_with_space(text) for text in texts]
        return [encoding.ids for encoding in self._encoder.encode_batch_fast(spaced)]

    def sample(self, text: str, generator: Generator) -> list[int]:
        """Return the ids of a text whose merges are dropped at random."""
        self._require_fit()
        words = self._encoder.pre_tokenizer.pre_tokenize_str(_with_space(self.normalize(text)))
        pieces = [
            piece
            for word, _ in words
            for piece in merged(list(word), self._ranks, self.dropout, generator)
        ]
        return [self._ids.get(piece, UNK) for piece in pieces]

    def _decode(self, items: list[int | str]) -> str:
        def run(ids: list[int]) -> str:
            return self._text([self._pieces[i - NUM_SPECIAL_TOKENS] for i in ids])

        return decode_runs(items, run).removeprefix(" ")

    def _text(self, pieces: list[str]) -> str:
        return "".join(pieces) if self._bytes is None else self._bytes.decode(pieces)

    def _cut(self, text: str) -> list[str]:
        spaced = _with_space(text)
        encoding = self._encoder.encode(spaced)
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        return [spaced[start:end] if i == UNK else self._piece(i) for i, (start, end) in spans]

    def _piece(self, id_: int) -> str:
        return self._text([self._pieces[id_ - NUM_SPECIAL_TOKENS]])


class UnigramTokenizer(Tokenizer):
    """The unigram language model of sentencepiece. `vocab_size` caps the vocabulary, special tokens included."""

    def __init__(
        self,
        *,
        vocab_size: int = 8000,
        lowercase: bool = False,
        normalization: Normalization = "NFC",
    ):
        super().__init__(lowercase=lowercase, normalization=normalization)
        _check_vocab_size(vocab_size)
        self.vocab_size = vocab_size

    def _learn(self, texts: list[str], language: str) -> None:  # noqa: ARG002
        import sentencepiece

        specials: dict[str, Any] = {}
        for id_, name in enumerate(("pad", "bos", "eos", "unk")):
            specials |= {f"{name}_id": id_, f"{name}_piece": _NO_PIECE[id_]}
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=map(_safe, texts),
                model_writer=model,
                model_type="unigram",
                vocab_size=self.vocab_size,
                hard_vocab_limit=False,  # a small text gives fewer pieces
                character_coverage=1.0,
                max_sentence_length=2**30,  # longer ones are left out silently
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                num_threads=1,
                minloglevel=2,
                **specials,
            )
        except RuntimeError as error:
            raise DataError(
                f"vocab_size={self.vocab_size}: sentencepiece cannot learn from this text; raise the "
                f"tokenizer's vocab_size or choose data/tokenizer=bpe ({error})"
            ) from error
        self._set_model(model.getvalue())

    def _set_model(self, model: bytes) -> None:
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._model, self._processor = model, processor
        self._pieces = [processor.id_to_piece(i) for i in range(len(processor))]
        if tuple(self._pieces[:NUM_SPECIAL_TOKENS]) != _NO_PIECE:
            raise ValueError("the sentencepiece model has other special tokens")

    def _state(self) -> dict[str, Any]:
        return {"model": base64.b64encode(self._model).decode()}

    def _restore(self, state: dict[str, Any]) -> None:
        self._set_model(base64.b64decode(state["model"], validate=True))

    def __len__(self) -> int:
        self._require_fit()
        return len(self._pieces)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return self._processor.encode([_safe(text) for text in texts], num_threads=1)

    def _decode(self, items: list[int | str]) -> str:
        def run(ids: list[int]) -> str:
            return _plain("".join(self._pieces[i] for i in ids))

        return decode_runs(items, run).removeprefix(" ")

    def _cut(self, text: str) -> list[str]:
        return [_plain(piece) for piece in self._processor.encode(_safe(text), out_type=str)]

    def _piece(self, id_: int) -> str:
        return _plain(self._pieces[id_])


def _safe(text: str) -> str:
    """Return a text as it goes to sentencepiece: a space in front, its own marks escaped."""
    return _with_space(text).translate(_TO_SAFE)


def _plain(pieces: str) -> str:
    """Return text from joined pieces: U+2581 is a space, what a user typed is unescaped."""
    text = pieces.replace(_MARK, " ")
    for escaped, character in _FROM_SAFE:
        text = text.replace(escaped, character)
    return text
