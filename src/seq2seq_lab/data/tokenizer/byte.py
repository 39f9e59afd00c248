"""The bytes of UTF-8 as tokens."""

from collections.abc import Iterable
from typing import Any

from seq2seq_lab.data.text_form import Normalization
from seq2seq_lab.data.tokenizer.vocabulary import Tokenizer
from seq2seq_lab.errors import DataError
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS


class ByteTokenizer(Tokenizer):
    """The 256 bytes of UTF-8: nothing to learn, nothing unknown. Broken sequences decode to U+FFFD."""

    def __init__(self, *, lowercase: bool = False, normalization: Normalization = "NFC"):
        super().__init__(lowercase=lowercase, normalization=normalization)

    def fit(self, texts: Iterable[str], language: str) -> None:  # noqa: ARG002
        """Learn nothing; like every tokenizer, refuse a training split without text."""
        if not any(text.strip() for text in texts):
            raise DataError("the training text is empty; check the data.* keys")

    def _learn(self, texts: list[str], language: str) -> None:
        pass

    def _state(self) -> dict[str, Any]:
        return {}

    def _restore(self, state: dict[str, Any]) -> None:
        pass

    def _require_fit(self) -> None:
        pass

    def __len__(self) -> int:
        return NUM_SPECIAL_TOKENS + 256

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return [[byte + NUM_SPECIAL_TOKENS for byte in text.encode()] for text in texts]

    def _decode(self, items: list[int | str]) -> str:
        written = (
            item.encode() if isinstance(item, str) else bytes([item - NUM_SPECIAL_TOKENS])
            for item in items
        )
        return b"".join(written).decode(errors="replace")

    def _cut(self, text: str) -> list[str]:
        return [self._piece(byte + NUM_SPECIAL_TOKENS) for byte in text.encode()]

    def _piece(self, id_: int) -> str:
        byte = bytes([id_ - NUM_SPECIAL_TOKENS])
        return byte.decode() if byte.isascii() else f"\\x{byte.hex()}"
