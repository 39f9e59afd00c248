"""Bad files of every kind, and a run of an entry point on them that keeps what came out."""

import contextlib
import gzip
import io
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch

ROWS = "".join(f"a{i % 7} b{i} c\tx{i} y{i % 5}\n" for i in range(40))
EXPERIMENTS = {
    "misspelt_key": "model:\n  dimm: 8\n",
    "broken": "model: [1\n",
    "python_tag": "model:\n  dim: !!python/object/apply:os.system ['touch executed']\n",
    "latin": "name: caf\xe9\n",
    "foreign_target": "training:\n  loss:\n    _target_: builtins.open\n    file: executed\n    mode: w\n",
    "misspelt_option": "defaults:\n  - override /model: lstm_atn\n",
}


@dataclass
class Outcome:
    """What a user sees of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of the output, cut at LF alone."""
        return self.out.split("\n")[:-1]


def carry_out(main: Callable[[], int], argv: list[str], stdin: bytes = b"") -> Outcome:
    """Call an entry point in this process with its own arguments and streams."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n"), io.StringIO()
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main()
    out.flush()
    return Outcome(code, out.buffer.getvalue().decode(), err.getvalue())


def assert_told(outcome: Outcome, code: int, says: tuple[str, ...]) -> None:
    """Check the contract: the exit code, one line for each mistake, no traceback, the values and the ways out."""
    assert "Traceback" not in outcome.err + outcome.out, outcome.err[-800:]
    assert outcome.code == code, outcome.err
    assert_error_lines(outcome.err)
    assert [text for text in says if text not in outcome.err] == [], outcome.err


def assert_error_lines(err: str) -> None:
    """Check that an error is one printable line, or `error: N problems:` and N indented lines of one problem each."""
    assert err.endswith("\n")
    first, *rest = err.removesuffix("\n").split("\n")
    assert first.startswith("error: "), err
    assert all(map(str.isprintable, [first, *rest])), err
    if rest:
        assert first == f"error: {len(rest)} problems:", err
        assert all(line.startswith("  ") and line[2:3].strip() for line in rest), err


def make_files(folder: Path) -> Path:
    """Write every bad file of the cases into the folder."""
    texts: dict[str, str | bytes] = {
        "good.tsv": ROWS,
        "utf16.tsv": ROWS.encode("utf-16"),
        "nul.tsv": b"a\tb\nc\0\td\n" + ROWS.encode(),
        "latin.tsv": b"a\tb\ncaf\xe9\td\n",
        "cut.tsv.gz": gzip.compress(ROWS.encode() * 50)[:-20],
        "flipped.tsv.gz": b"\x1f\x8b" + b"\xff" * 40,
        "empty.tsv": "",
        "blank.tsv": "\n \n\n",
        "one.tsv": "a\tb\n",
        "narrow.tsv": "a\nb\n",
        "ragged.tsv": ROWS + "a\tb\tc\n",
        "long.tsv": "".join(f"{'a ' * 9}{i}\t{'b ' * 9}{i}\n" for i in range(40)),
        "unlike.tsv": "".join(f"s{i}\tt{i}\n" for i in range(40)),
        "semicolons.csv": "a;b\nc;d\n",
        "quote.csv": 'a,b\n"c,d\n',
        "broken.jsonl": '{"a": "x", "b": "y"}\n{"a": "x",\n',
        "number.jsonl": '{"a": 1, "b": "y"}\n',
        "book.xlsx": b"PK\x03\x04",
        "zipped.tsv": b"PK\x03\x04rest",
        "a.txt": "".join(f"a{i} b c\n" for i in range(30)),
        "shorter.txt": "".join(f"x{i} y\n" for i in range(29)),
        "empty.txt": "",
        "utf16.txt": "a b\nc\n".encode("utf-16"),
        "not.ckpt": "hello\n",
        "code.ckpt": pickle.dumps(_Bomb(str(folder / "executed"))),
    }
    for name, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name).write_bytes(data)
    torch.save({"a": torch.zeros(2)}, folder / "other.ckpt")
    torch.save({"a": _Bomb(str(folder / "executed"))}, folder / "hidden_code.ckpt")
    (folder / "folder").mkdir()
    (folder / "used").mkdir()
    (folder / "used" / "config.yaml").touch()
    (folder / "conf" / "experiment").mkdir(parents=True)
    for name, text in EXPERIMENTS.items():
        (folder / "conf" / "experiment" / f"{name}.yaml").write_text(
            f"# @package _global_\n{text}", encoding="latin-1"
        )
    return folder


class _Bomb:
    """Unpickled without care, it writes a file."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> tuple:
        return (exec, (f"open({self.path!r}, 'w')",))
