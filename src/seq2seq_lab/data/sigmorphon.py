"""Inflection tables of SIGMORPHON and UniMorph: lemma, inflected form and features between tabs, a file per split.

The source is `lemma<TAB>features`, as the tokenizer `features` reads it, the target the form.
"""

from pathlib import Path
from typing import Literal

from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.parallel import check_languages
from seq2seq_lab.data.split import Shares, by_source, split_pairs
from seq2seq_lab.data.text import BLANK, read_lines
from seq2seq_lab.errors import ConfigError, DataError

COLUMNS = {"lemma_form_features": (0, 1, 2), "lemma_features_form": (0, 2, 1)}
"""Order of the columns: the places of lemma, form and features."""
WHERE_TO_GET_THEM = "https://sigmorphon.github.io/sharedtasks/ and https://unimorph.github.io/"


class Sigmorphon:
    """The training, validation (dev) and test files of one language.

    `columns` is `lemma_form_features` (UniMorph, and the shared tasks of 2017 and 2018) or `lemma_features_form` (that
    of 2016, whose features stand between commas). A split without a file is held out of the training pairs (`split.py`:
    no lemma with the same features lies in two splits); given ones are read as they are. A lemma or a form may hold
    spaces, none may be empty: test files without forms are for `translate`, not for training.
    """

    def __init__(
        self,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        columns: Literal["lemma_form_features", "lemma_features_form"] = "lemma_form_features",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        source_language: str = "und",
        target_language: str = "und",
        *,
        all_in_training: bool = False,
    ):
        check_languages(source_language, target_language)
        if columns not in COLUMNS:
            raise ValueError(f"columns={columns}: must be one of {', '.join(COLUMNS)}")
        self.source_language, self.target_language = source_language, target_language
        self.columns = columns
        self.files = {"train": train, "val": val, "test": test}
        shares = Shares(val_fraction, test_fraction)
        self.shares = Shares(0.0, 0.0) if all_in_training else shares

    def paths(self) -> list[Path]:
        """Return the files that were given."""
        return [Path(path) for path in self.files.values() if path is not None]

    def read(self) -> ParallelText:
        """Read all files; raises `DataError` with file:line for a row that does not fit."""
        if self.files["train"] is None:
            raise ConfigError(
                f"data.train is not set: get tables from {WHERE_TO_GET_THEM}, then data.train=FILE data.val=FILE "
                "data.test=FILE"
            )
        given: dict[str, list[Pair]] = {}
        dropped: dict[str, dict[str, int]] = {}
        for name, path in self.files.items():
            if path is not None:
                given[name], dropped[name] = self._rows(path)
        train = given.pop("train")
        shares = Shares(
            0.0 if "val" in given else self.shares.val, 0.0 if "test" in given else self.shares.test
        )
        where = self.files["train"]
        made = split_pairs(train, by_source(train), shares, dropped.pop("train"), where)
        counts = {n: c for n, c in made.dropped.items() if n not in given} | dropped
        return ParallelText(
            made.train,
            given.get("val", made.val),
            given.get("test", made.test),
            {name: c for name, c in counts.items() if c},
        )

    def _rows(self, path: str) -> tuple[list[Pair], dict[str, int]]:
        text = read_lines(path)
        counts, pairs = dict(text.dropped), []
        for number, line in enumerate(text.lines, start=1):
            if not line.strip():
                counts[BLANK] = counts.get(BLANK, 0) + 1
                continue
            cells = [cell.strip() for cell in line.split("\t")]
            if len(cells) != 3 or not all(cells):
                raise DataError(f"{path}:{number}: {self._expected(cells)}")
            lemma, form, features = (cells[place] for place in COLUMNS[self.columns])
            self._refuse_the_other_order(f"{path}:{number}", form, features)
            pairs.append(Pair(f"{lemma}\t{features}", form))
        if not pairs:
            raise DataError(f"{path}: no row in it; get tables from {WHERE_TO_GET_THEM}")
        return pairs, counts

    def _expected(self, cells: list[str]) -> str:
        found = f"{len(cells)} columns between tabs" if len(cells) != 3 else "an empty column"
        names = self.columns.replace("_", ", ")
        return f"{found}, expected {names}; fix the row, or choose other files"

    def _refuse_the_other_order(self, place: str, form: str, features: str) -> None:
        """Refuse a row whose form looks like a bundle of features where its features do not."""
        if ";" in form and form.isascii() and form.upper() == form and ";" not in features:
            other = next(name for name in COLUMNS if name != self.columns)
            raise DataError(
                f"{place}: the form {form!r} looks like features; write data.columns={other}"
            )
