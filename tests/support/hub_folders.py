"""Folders laid out as data sets of the Hugging Face hub."""

from pathlib import Path
from typing import Any

HEAD = """---
configs:
- config_name: {name}
  data_files:
  - split: train
    path: {train}
  - split: {held_out}
    path: {other}
---
# Numbers
"""
GERMAN = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def rows(first: int, last: int) -> list[dict[str, Any]]:
    """Return rows with the digits of numbers in German and English, as `translation` of the hub has them."""
    digits = [[int(digit) for digit in str(number)] for number in range(first, last)]
    return [
        {"translation": {"de": _words(GERMAN, some), "en": _words(ENGLISH, some)}, "id": number}
        for number, some in enumerate(digits, first)
    ]


def _words(names: list[str], digits: list[int]) -> str:
    return " ".join(names[digit] for digit in digits)


def head(name: str = "de-en", train: str = "data/train-*", other: str = "data/test-*") -> str:
    """Return a README.md with one configuration of two splits."""
    return HEAD.format(name=name, train=train, held_out="test", other=other)


def parquet_folder(folder: Path) -> Path:
    """Write a data set of two training shards and a test split as Parquet, and return its folder."""
    from datasets import Dataset

    (folder / "data").mkdir(parents=True)
    for name, some in {
        "train-00000-of-00002": rows(100, 160),
        "train-00001-of-00002": rows(160, 200),
        "test-00000-of-00001": rows(200, 220),
    }.items():
        Dataset.from_list(some).to_parquet(folder / "data" / f"{name}.parquet", batch_size=10)
    (folder / "README.md").write_text(head(), encoding="utf-8")
    return folder


def text_folder(folder: Path, name: str, content: str, readme: str | None = None) -> Path:
    """Write a data set of one file, and a README.md if given; return its folder."""
    folder.mkdir(parents=True)
    (folder / name).write_text(content, encoding="utf-8")
    if readme is not None:
        (folder / "README.md").write_text(readme, encoding="utf-8")
    return folder
