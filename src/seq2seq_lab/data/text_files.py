"""A corpus of your own parallel text: two files per split, line i of one the translation of line i of the other."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.parallel import check_languages, drop_empty, read_references
from seq2seq_lab.data.split import Shares, by_source, split_pairs
from seq2seq_lab.errors import ConfigError, DataError


class TextFiles:
    """Plain or gzip UTF-8 files; `train`, `val` and `test` are [SOURCE FILE, TARGET FILE].

    `val` and `test` may name further files after the target: more references, line by line, an empty line for none.
    Scores count against all references of a sentence, losses know the first.

    A split without files is held out of the training pairs (`val_fraction`, `test_fraction`, at most 2,000 pairs;
    see `split.py`: by the texts alone, no source in two splits). A fraction of 0, or `all_in_training`, holds
    nothing out: such a split repeats the training pairs. Pairs with an empty side are left out of training and
    counted; `val` and `test` files keep every line.
    """

    def __init__(
        self,
        source_language: str,
        target_language: str,
        train: list[str] | None = None,
        val: list[str] | None = None,
        test: list[str] | None = None,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        *,
        all_in_training: bool = False,
    ):
        check_languages(source_language, target_language)
        for name, files in (("train", train), ("val", val), ("test", test)):
            if files is None or len(files) == 2 or (len(files) > 2 and name != "train"):
                continue
            more = "" if name == "train" else ", and files of further references may follow"
            text = f"{name}={list(files)}: must be two files, data.{name}=[SOURCE,TARGET]{more}"
            raise ValueError(text)
        self.source_language, self.target_language = source_language, target_language
        self.files = {"train": train, "val": val, "test": test}
        shares = Shares(val_fraction, test_fraction)
        self.shares = Shares(0.0, 0.0) if all_in_training else shares

    def paths(self) -> list[Path]:
        """Return the files that were given."""
        return [Path(path) for files in self.files.values() for path in files or ()]

    def read(self) -> ParallelText:
        """Read all files; errors are reported with file:line."""
        if self.files["train"] is None:
            raise ConfigError(
                "data.train is not set: name two parallel files, data.train=[SOURCE,TARGET]"
            )
        given: dict[str, Sequence[Pair]] = {}
        dropped: dict[str, dict[str, int]] = {}
        for name, files in self.files.items():
            if files is not None:
                given[name], dropped[name] = read_references(files[0], files[1:])
        train, empty = drop_empty(given.pop("train"))
        counts = Counter(dropped.pop("train")) + Counter(empty)
        where = " and ".join(self.files["train"])
        if not train:
            raise DataError(f"{where}: no pair with text on both sides; choose other files")
        rest = {
            name: 0.0 if name in given else getattr(self.shares, name) for name in ("val", "test")
        }
        made = split_pairs(train, by_source(train), Shares(**rest), dict(counts), where)
        return ParallelText(
            made.train,
            given.get("val", made.val),
            given.get("test", made.test),
            {name: c for name, c in (made.dropped | dropped).items() if c},
        )
