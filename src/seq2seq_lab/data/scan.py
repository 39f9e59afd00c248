"""SCAN: commands in simple English and the actions that they mean (Lake and Baroni 2018), in the published splits.

Do models understand parts that they know in combinations that they do not? `simple` is a random split, `length` asks
for longer action sequences than any in training, `add_jump` and `add_turn_left` for a command that training shows
(almost) only by itself. The files are under the BSD licence.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.download import cache_folder, fetch
from seq2seq_lab.data.parallel import check_languages
from seq2seq_lab.data.split import Shares, by_source, split_pairs
from seq2seq_lab.data.text import BLANK, read_lines
from seq2seq_lab.errors import DataError

URL = "https://raw.githubusercontent.com/brendenlake/SCAN/c4b756cbc010d75c912f16c42c8f15dc6b7e6c8f"
FILES = {
    "simple": ("simple_split", "simple"),
    "length": ("length_split", "length"),
    "add_jump": ("add_prim_split", "addprim_jump"),
    "add_turn_left": ("add_prim_split", "addprim_turn_left"),
}
"""Split: (its folder in the repository, what its files are called after `tasks_train_` and `tasks_test_`)."""
SHA256 = {
    "tasks_train_simple.txt": "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
    "tasks_test_simple.txt": "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
    "tasks_train_length.txt": "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
    "tasks_test_length.txt": "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
    "tasks_train_addprim_jump.txt": "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
    "tasks_test_addprim_jump.txt": "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
    "tasks_train_addprim_turn_left.txt": "1b3fed86055dd7689d217f1b90cc8960aeb1cf200f4f209dc47935761b05304c",
    "tasks_test_addprim_turn_left.txt": "15a82c2d25ac7c3c1fff7e18051fb085974ef3617de895c520d02144396a10e2",
}
_REPOSITORY = "https://github.com/brendenlake/SCAN"
_ADVICE = f"or get the files from {_REPOSITORY} yourself, then data.root=FOLDER"


class Scan:
    """One of the published splits; what it gives for validation is held out of its training pairs.

    With `root` the two files are read from that folder, or from the folder of the repository in it; without it they
    are downloaded once from `url` and compared with pinned SHA-256 sums. No source is in training and validation, and
    commands of one word, which some splits repeat thousands of times, stay in training.
    """

    def __init__(
        self,
        split: Literal["simple", "length", "add_jump", "add_turn_left"] = "simple",
        root: str | None = None,
        val_fraction: float = 0.05,
        source_language: str = "en",
        target_language: str = "zxx",
        url: str = URL,
        timeout: float = 30.0,
    ):
        check_languages(source_language, target_language)
        if split not in FILES:
            raise ValueError(f"split={split}: must be one of {', '.join(FILES)}")
        if val_fraction <= 0:
            raise ValueError(f"val_fraction={val_fraction}: must be > 0; no file is for validation")
        if timeout <= 0:
            raise ValueError(f"timeout={timeout}: must be > 0 seconds")
        self.shares = Shares(val_fraction, 0.0)
        self.source_language, self.target_language = source_language, target_language
        self.split, self.root, self.url, self.timeout = split, root, url.rstrip("/"), timeout

    def read(self) -> ParallelText:
        """Read, or first download, the two files; raises `DataError` with file:line for another kind of line."""
        train, counts = read_commands(self._file("train"))
        test, test_counts = read_commands(self._file("test"))
        words = [pair for pair in train if " " not in pair.source]
        sentences = [pair for pair in train if " " in pair.source]
        where = str(self._file("train"))
        made = split_pairs(sentences, by_source(sentences), self.shares, {}, where)
        dropped = {"train": counts, "test": test_counts}
        return ParallelText(
            [*words, *made.train], made.val, test, {name: c for name, c in dropped.items() if c}
        )

    def paths(self) -> list[Path]:
        """Return the two files, once they are there."""
        parts = ("train", "test")
        return [self._cached(p) if self.root is None else self._local(p) for p in parts]

    def _name(self, part: str) -> str:
        return f"tasks_{part}_{FILES[self.split][1]}.txt"

    def _cached(self, part: str) -> Path:
        return cache_folder() / "scan" / self._name(part)

    def _local(self, part: str) -> Path:
        folder, name = Path(self.root or "").expanduser(), self._name(part)
        if not folder.is_dir():
            raise DataError(f"data.root={self.root}: no such folder; it must hold {name}")
        inner = FILES[self.split][0]
        for path in (folder / name, folder / inner / name):
            if path.exists():
                return path
        raise DataError(
            f"{folder}: holds neither {name} nor {inner}/{name}; get them from {_REPOSITORY}"
        )

    def _file(self, part: str) -> Path:
        if self.root is not None:
            return self._local(part)
        name = self._name(part)
        return fetch(
            f"{self.url}/{FILES[self.split][0]}/{name}",
            SHA256[name],
            self._cached(part),
            advice=_ADVICE,
            timeout=self.timeout,
            max_bytes=8 << 20,
        )


def read_commands(path: Path) -> tuple[Sequence[Pair], dict[str, int]]:
    """Return the pairs of lines `IN: command OUT: actions`, and what was cut or left out as {reason: lines}."""
    text = read_lines(path)
    counts, pairs = dict(text.dropped), []
    for number, line in enumerate(text.lines, start=1):
        if not line.strip():
            counts[BLANK] = counts.get(BLANK, 0) + 1
            continue
        source, mark, target = line.removeprefix("IN:").partition(" OUT:")
        if not (line.startswith("IN:") and mark and source.strip() and target.strip()):
            raise DataError(
                f"{path}:{number}: expected `IN: command OUT: actions`; get the file from {_REPOSITORY}"
            )
        pairs.append(Pair(source.strip(), target.strip()))
    if not pairs:
        raise DataError(f"{path}: no command in it; get the file from {_REPOSITORY}")
    return pairs, counts
