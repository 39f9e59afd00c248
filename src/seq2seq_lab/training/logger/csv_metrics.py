"""The CSV logger of every run: metrics.csv."""

import contextlib
import csv
import os
import sys
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seq2seq_lab.errors import ResourceError
from seq2seq_lab.files import sync_path, write_text


class CsvMetrics(Logger):
    """Writes metrics.csv: one row per log call, flushed; a metric that comes later gets its column in all rows."""

    def __init__(self, run_dir: Path):
        super().__init__()
        self.path = Path(run_dir) / "metrics.csv"
        self.num_rows = 0
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """A name for Lightning; files lie in the run folder itself."""
        return ""

    @property
    def version(self) -> str:
        """A version for Lightning; files lie in the run folder itself."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder holds config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row."""
        row: dict[str, Any] = {"step": step, **{k: float(v) for k, v in metrics.items()}}
        if "epoch" in row:
            row["epoch"] = int(row["epoch"])
        new = [name for name in row if name not in self._columns]
        if new:
            self._add_columns(new)
        size = self.path.stat().st_size
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns, lineterminator="\n").writerow(row)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(
                    self.path, size
                )  # no part of a row stays for the next one to be glued to
            raise self._failed(error) from error
        self.num_rows += 1

    @rank_zero_only
    def sync(self) -> None:
        """Flush the rows to disk, so that no checkpoint that counts them outlives them."""
        try:
            if self.path.exists():
                sync_path(self.path)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ResourceError:
        what = f"cannot write {self.path}: {error.strerror or error}"
        return ResourceError(f"{what}; make room, then go on with resume=auto")

    @rank_zero_only
    def cut(self, num_rows: int) -> None:
        """Delete all but the first rows: a resumed run writes the later ones again."""
        rows = self.rows()[:num_rows]
        if len(rows) < num_rows:  # a disk may lose what was written
            sys.stderr.write(
                f"lost: {num_rows - len(rows)} of the {num_rows} rows that {self.path.name} had; the run goes on\n"
            )
        self.num_rows = len(rows)
        if self._columns:
            self._write(rows)

    def _add_columns(self, new: list[str]) -> None:
        """Write the file anew under a longer header; rows of an earlier session of the run stay."""
        rows = self.rows()
        self._columns += [name for name in new if name not in self._columns]
        self._write(rows)

    def rows(self) -> list[dict[str, str]]:
        """Return the rows and take their columns; what was cut off (no line end, too few or many cells) is left out."""
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            whole = file.read().rpartition("\n")[0]
        reader = csv.DictReader(whole.split("\n"))
        rows = [row for row in reader if None not in row and None not in row.values()]
        self._columns = list(reader.fieldnames or [])
        return rows

    def _write(self, rows: list[dict[str, str]]) -> None:
        lines = _Lines()
        writer = csv.DictWriter(lines, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, "".join(lines))


class _Lines(list[str]):
    """What `csv` writes, line by line."""

    write = list.append


class OnlyCsv(Logger):
    """No logger beside metrics.csv."""

    @property
    def name(self) -> str:
        """A name for Lightning."""
        return ""

    @property
    def version(self) -> str:
        """A version for Lightning."""
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Do nothing."""
