"""A tokenizer that was made elsewhere: any `tokenizer.json` of the library `tokenizers`, as the hub has them.

The ids of the file are renumbered, its special tokens left out: 0..3 are ours, as with every tokenizer. The content of
the file is stored with the model, so that the file itself is needed for training only.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer, in_any_order
from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, UNK

_MAX_BYTES = 256 << 20
_SPELLINGS = {
    "pad_token": ("<pad>", "[PAD]", "<|pad|>"),
    "bos_token": ("<s>", "<bos>", "[BOS]", "[CLS]", "<|startoftext|>", "<|begin_of_text|>"),
    "eos_token": ("</s>", "<eos>", "[EOS]", "[SEP]", "<|endoftext|>", "<|end_of_text|>"),
    "unk_token": ("<unk>", "[UNK]"),
}
"""How the special tokens are spelled in files that do not mark them as special."""
_RARE = "\U00012000"
"""A cuneiform sign, which hardly any vocabulary holds."""
_PIECE = "\U000f1a1a\U000f2b2b"
"""Stands for a given piece while the file's decoder joins the tokens around it."""


class FileTokenizer(Tokenizer):
    """The vocabulary and the rules of a `tokenizer.json`; nothing is learned.

    `pad_token`, `bos_token`, `eos_token` and `unk_token` name those of the file where it neither marks them as special
    nor spells them as usual; one that the file does not have needs no name, since ours have ids of their own. Text
    that is spelled like a special token is cut like other text. What the file's own normalizer changes (upper case,
    accents) does not come back by decoding.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        pad_token: str | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        unk_token: str | None = None,
        lowercase: bool = False,
        normalization: Normalization = "none",
    ):
        super().__init__(lowercase=lowercase, normalization=normalization)
        self.path = path
        self.pad_token, self.bos_token, self.eos_token = pad_token, bos_token, eos_token
        self.unk_token = unk_token

    @in_any_order
    def _learn(self, texts: Iterable[str], language: str) -> None:  # noqa: ARG002
        if self.path is None:
            raise ConfigError("data.tokenizer.path is not set: name a tokenizer.json")
        path = Path(self.path).expanduser()
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise DataError(
                    f"{path}: larger than {_MAX_BYTES:,} bytes; is it a tokenizer.json?"
                )
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{path}: cannot be read as a tokenizer.json: {reason}") from error
        try:
            self._set_file(content)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error
        self.path = (
            path.name
        )  # it is stored with the model, and where the file lay says nothing there

    def _set_file(self, content: str) -> None:
        """Set the rules of a file and number its tokens; `ValueError` for what is no such file or cannot serve."""
        made, record = _made(content)
        vocabulary: dict[str, int] = made.get_vocab(with_added_tokens=True)
        special = {one["content"] for one in record.get("added_tokens") or [] if one.get("special")}
        unknown = self._unknown(record, vocabulary)
        special |= {unknown} if unknown else set()
        for name, usual in _SPELLINGS.items():
            given = getattr(self, name)
            if given is not None and given not in vocabulary:
                shown = ", ".join(sorted(special)) or "none"
                raise ValueError(
                    f"{name}={given!r} is not in its vocabulary; its special tokens are {shown}"
                )
            special |= set(usual) & vocabulary.keys() if given is None else {given}
        if unknown is not None:
            made, record = _with_unknown(record, unknown, vocabulary)
        if _drops(made, _RARE):
            raise ValueError(
                "it drops characters that it does not know and has no token for them; name the one of its vocabulary, "
                "data.tokenizer.unk_token=TOKEN, or choose another file"
            )
        kept = sorted((id_, token) for token, id_ in vocabulary.items() if token not in special)
        if not kept:
            raise ValueError("its vocabulary has no token besides special ones")
        self._content, self._tokenizer = content, made
        self._tokens = [token for _, token in kept]
        self._ids = {id_: number for number, (id_, _) in enumerate(kept, NUM_SPECIAL_TOKENS)}
        self._leading = self._text(made.encode("a", add_special_tokens=False).tokens).startswith(
            " "
        )

    def _unknown(self, record: dict[str, Any], vocabulary: dict[str, int]) -> str | None:
        """Return the token that stands for what is unknown: the one named here, the file's own, a usual spelling."""
        model = record["model"]
        own = model.get("unk_token")
        if own is None and isinstance(model.get("unk_id"), int):
            own = next((token for token, id_ in vocabulary.items() if id_ == model["unk_id"]), None)
        usual = next((token for token in _SPELLINGS["unk_token"] if token in vocabulary), None)
        return self.unk_token or own or usual

    def _state(self) -> dict[str, Any]:
        return {"file": self._content}

    def _restore(self, state: dict[str, Any]) -> None:
        if not isinstance(state["file"], str):
            raise TypeError("the file is no text")
        self._set_file(state["file"])

    def __len__(self) -> int:
        self._require_fit()
        return NUM_SPECIAL_TOKENS + len(self._tokens)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [[self._ids.get(id_, UNK) for id_ in one.ids] for one in found]

    def _decode(self, items: list[int | str]) -> str:
        tokens = [
            _PIECE if isinstance(i, str) else self._tokens[i - NUM_SPECIAL_TOKENS] for i in items
        ]
        text = self._text(tokens)
        text = text.removeprefix(" ") if self._leading else text
        for piece in (item for item in items if isinstance(item, str)):
            text = text.replace(_PIECE, piece, 1)
        return text

    def _text(self, tokens: list[str]) -> str:
        """Return the text of tokens of the file, as its decoder joins them."""
        decoder = self._tokenizer.decoder
        return " ".join(tokens) if decoder is None else decoder.decode(tokens)

    def _cut(self, text: str) -> list[str]:
        found = self._tokenizer.encode(text, add_special_tokens=False)
        ids = [self._ids.get(id_, UNK) for id_ in found.ids]
        spans = zip(ids, found.offsets, strict=True)
        return [text[start:end] if i == UNK else self._piece(i) for i, (start, end) in spans]

    def _piece(self, id_: int) -> str:
        token = self._tokens[id_ - NUM_SPECIAL_TOKENS]
        return self._text(["a", token]).removeprefix(self._text(["a"])) or token


def _made(content: str) -> tuple[Any, dict[str, Any]]:
    """Return the library's tokenizer of a file, and the file as an object."""
    import tokenizers

    try:
        record = json.loads(content)
        if not isinstance(record, dict) or not isinstance(record.get("model"), dict):
            raise TypeError("it has no model")
        made = tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"not a tokenizer.json: {str(error)[:200]}") from error
    made.encode_special_tokens = True  # text that is spelled like one is text
    made.no_padding()
    made.no_truncation()
    return made, record


def _drops(made: Any, character: str) -> bool:
    """Tell whether a character that is not in the vocabulary has no token at all."""
    try:
        return not made.encode(character, add_special_tokens=False).ids
    except Exception:  # so do words: "WordLevel error: Missing [UNK] token from the vocabulary"
        return True


def _with_unknown(
    record: dict[str, Any], token: str, vocabulary: dict[str, int]
) -> tuple[Any, dict[str, Any]]:
    """Return the same where the model itself knows its token for what is unknown."""
    own = (
        {"unk_id": vocabulary[token]}
        if record["model"].get("type") == "Unigram"
        else {"unk_token": token}
    )
    return _made(json.dumps({**record, "model": {**record["model"], **own}}))
