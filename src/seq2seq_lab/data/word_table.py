"""The small word tables of the package: tab-separated, the first line names the columns."""

from importlib.resources import files

from seq2seq_lab.data.corpus import Pair, ParallelText


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of this package, in order."""
    text = files("seq2seq_lab.data").joinpath(name).read_text(encoding="utf-8")
    header, *rows = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    return [dict(zip(header, row, strict=True)) for row in rows]


def hold_out_last(pairs: list[Pair], count: int) -> ParallelText:
    """Return the last `count` pairs as test, those before them as validation and all others as training split."""
    return ParallelText(pairs[: -2 * count], pairs[-2 * count : -count], pairs[-count:])
