"""Files of tokenizers, made by the library whose format they have."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from seq2seq_lab.testing.tokenizer import TEXTS


def byte_level(*, spaced: bool = False) -> Any:
    """A tokenizer of GPT-2's kind: pieces of bytes, one special token; `spaced` puts a space before a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )  # fmt: skip
    made.train_from_iterator(TEXTS * 3, trainer)
    return made


def word_pieces() -> Any:
    """A tokenizer of BERT's kind: it lower-cases, frames a sentence, cuts it and fills it up."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    )
    made.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    made.train_from_iterator(TEXTS * 3, trainer)
    frame = {"single": "[CLS] $A [SEP]", "special_tokens": [("[CLS]", 2), ("[SEP]", 3)]}
    made.post_processor = TemplateProcessing(**frame)
    made.enable_truncation(4)
    made.enable_padding(length=9)
    return made


def unigram() -> Any:
    """A tokenizer of T5's kind: spaces are marks of the pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=80, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(TEXTS * 3, trainer)
    return made


def characters() -> Any:
    """A tokenizer of merged characters that says nothing of unknown ones; `oov` is a token of it."""
    from tokenizers import Tokenizer, decoders, models, trainers

    made = Tokenizer(models.BPE())
    made.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(vocab_size=90, special_tokens=["pad", "oov"], show_progress=False)
    made.train_from_iterator(TEXTS * 3, trainer)
    return made


def saved(made: Any, folder: Path) -> str:
    """Return the path of a tokenizer.json in this folder."""
    path = folder / "tokenizer.json"
    made.save(str(path))
    return str(path)


@functools.cache
def byte_level_path() -> str:
    """Return the path of one file for all tests of a process."""
    return saved(byte_level(), Path(tempfile.mkdtemp(prefix="tokenizer-")))
