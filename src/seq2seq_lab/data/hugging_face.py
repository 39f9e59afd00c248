"""A data set of the Hugging Face hub, or a folder in the hub's layout, as a corpus.

The rows are streamed, so that a set of any size is read as far as `max_rows` and no further. Only tables are read
(`data/hub_table.py`), at one commit; nothing of the repository is executed.
"""

import re
from typing import Any

from seq2seq_lab.data.corpus import ParallelText
from seq2seq_lab.data.hub_table import HubTable, open_table
from seq2seq_lab.data.json_lines import fields_at, text_at
from seq2seq_lab.data.pairs import Pairs, collect
from seq2seq_lab.data.parallel import check_languages, drop_empty
from seq2seq_lab.data.split import Shares, by_source, split_pairs
from seq2seq_lab.data.text import single_line
from seq2seq_lab.errors import ConfigError, DataError

_USUAL = {"val": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""What the hub's data sets call their splits."""
_UNKNOWN = "und"


class HuggingFace:
    """Pairs of two columns of a data set: `repository` is OWNER/NAME on the hub, or a folder.

    `columns` are [SOURCE, TARGET], each a name; `translation.de` is the field `de` of the column `translation`, and
    null is `translation.<language>`. A language that is `und` is the last part of its column, where that is a code.
    `val_split` and `test_split` of null take the split with a usual name, and where there is none it is held out of
    the training rows as by `TextFiles` (see `split.py`). `max_rows` is how many rows of each split are read. Pairs
    with an empty side are left out of training and counted; other splits of the data set keep every row.
    """

    def __init__(
        self,
        repository: str | None,
        source_language: str = _UNKNOWN,
        target_language: str = _UNKNOWN,
        config: str | None = None,
        revision: str | None = None,
        columns: list[str | None] | None = None,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        max_rows: int | None = None,
        *,
        all_in_training: bool = False,
    ):
        languages = (source_language, target_language)
        check_languages(*languages)
        if max_rows is not None and max_rows < 1:
            raise ValueError(f"max_rows={max_rows}: must be >= 1, or null for all rows")
        given = [None, None] if columns is None else list(columns)
        if len(given) != 2:
            raise ValueError(f"columns={given}: must be two, [SOURCE,TARGET]")
        pairs = list(zip(given, languages, strict=True))
        self.columns = [column or f"translation.{language}" for column, language in pairs]
        self.source_language, self.target_language = (_language(*pair) for pair in pairs)
        self.repository, self.config, self.revision = repository, config, revision
        self.splits = {"train": train_split, "val": val_split, "test": test_split}
        shares = Shares(val_fraction, test_fraction)
        self.shares = Shares(0.0, 0.0) if all_in_training else shares
        self.max_rows = max_rows

    def read(self) -> ParallelText:
        """Stream the splits; raises `DataError` with the split and the row for what cannot be used."""
        if self.repository is None:
            raise ConfigError(
                "data.repository is not set: OWNER/NAME of a data set on the hub, or a folder"
            )
        if self.columns[0] == self.columns[1]:
            raise ConfigError(
                f"source and target are both the column {self.columns[0]}; set data.source_language and "
                "data.target_language, or data.source_column and data.target_column"
            )
        table = open_table(self.repository, self.config, self.revision)
        names = self._names(table)
        rows = {split: self._pairs(table, name) for split, name in names.items()}
        train, empty = drop_empty(rows["train"])
        where = f"{self.repository}, split {names['train']}"
        if not train:
            raise DataError(f"{where}: no pair with text on both sides; choose other columns")
        held = {s: 0.0 if s in rows else getattr(self.shares, s) for s in ("val", "test")}
        made = split_pairs(train, by_source(train), Shares(**held), empty, where)
        given = {split: pairs for split, pairs in rows.items() if split != "train"}
        return ParallelText(
            made.train,
            given.get("val", made.val),
            given.get("test", made.test),
            {split: counts for split, counts in made.dropped.items() if split not in given},
            {**table.origin, "splits": names, "rows": {s: len(p) for s, p in rows.items()}},
        )

    def _names(self, table: HubTable) -> dict[str, str]:
        """Return the name of each split that the data set has."""
        found: dict[str, str] = {}
        for split, wanted in self.splits.items():
            if wanted is None:
                usual = [name for name in _USUAL[split] if name in table.splits]
                found |= {split: usual[0]} if usual else {}
            elif wanted in table.splits:
                found[split] = wanted
            else:
                known = ", ".join(table.splits)
                raise DataError(
                    f"{self.repository}: no split {wanted!r}; set data.{split}_split to one of {known}"
                )
        return found

    def _pairs(self, table: HubTable, split: str) -> Pairs:
        place, (source, target) = f"{self.repository}, split {split}, row", self.columns
        rows = enumerate(table.rows(split, self.columns, self.max_rows), start=1)
        return collect(
            (_text(row, source, f"{place} {number}"), _text(row, target, f"{place} {number}"))
            for number, row in rows
        )


def _language(column: str | None, language: str) -> str:
    """Return the language of a side: as given, else the code at the end of its column's name."""
    last = (column or "").rpartition(".")[2]
    is_code = re.fullmatch("[a-z]{2}" if last == column else "[a-z]{2,3}", last) is not None
    return last if language == _UNKNOWN and is_code else language


def _text(row: dict[str, Any], column: str, place: str) -> str:
    """Return the text of a column on one line; nothing at all (null) is the empty text."""
    return "" if fields_at(row, column) == [None] else single_line(text_at(row, column, place))
