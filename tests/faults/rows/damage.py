"""Damaged checkpoints and exports, with and without a checksum file: refused, or read exactly as they were written."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from faults.child import run_train, start
from faults.row import Attempts, Scale, row
from faults.training_runs import RUN, RUN_DIR, ended_well
from seq2seq_lab.errors import CheckpointError, UnsafeError, one_line
from seq2seq_lab.files import sidecar_of
from seq2seq_lab.inference.checkpoint_file import newest_whole, read_checkpoint
from seq2seq_lab.inference.stored_model import make_folder, write_export
from seq2seq_lab.inference.trained import read_model
from support.resume_equality import the_same

Damage = Callable[[bytearray, bytes, random.Random], object]


def _flip(whole: bytearray, other: bytes, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 1, 1, 8])):
        whole[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)


def _flip_in_the_pickle(whole: bytearray, other: bytes, dice: random.Random) -> None:
    begin = max(whole.find(b"data.pkl"), 0)
    whole[begin + dice.randrange(min(len(whole) - begin, 4000))] ^= 1 << dice.randrange(8)


def _flip_in_the_directory(whole: bytearray, other: bytes, dice: random.Random) -> None:
    whole[-1 - dice.randrange(min(len(whole), 3000))] ^= 1 << dice.randrange(8)


def _cut(whole: bytearray, other: bytes, dice: random.Random) -> None:
    del whole[dice.choice([0, dice.randrange(len(whole)), len(whole) - 1 - dice.randrange(30)]) :]


def _zeros(whole: bytearray, other: bytes, dice: random.Random) -> None:
    begin = dice.choice([0, dice.randrange(len(whole))])
    length = dice.choice([1, 64, 512, 4096, len(whole)])
    whole[begin : begin + length] = bytes(min(length, len(whole) - begin))


def _exchange(whole: bytearray, other: bytes, dice: random.Random) -> None:
    """A block of the other checkpoint at its own place: the most dangerous, since everything parses."""
    size = dice.choice([64, 512, 4096])
    begin = dice.randrange(max(min(len(whole), len(other)) - size, 1)) // size * size
    whole[begin : begin + size] = other[begin : begin + size]


def _append(whole: bytearray, other: bytes, dice: random.Random) -> None:
    whole += dice.choice([b"\0", b"\n", dice.randbytes(100), bytes(4096), other])


def _insert(whole: bytearray, other: bytes, dice: random.Random) -> None:
    begin = dice.randrange(len(whole))
    whole[begin:begin] = dice.randbytes(dice.choice([1, 3, 512]))


def _swap(whole: bytearray, other: bytes, dice: random.Random) -> None:
    whole[:] = other


def _nothing(whole: bytearray, other: bytes, dice: random.Random) -> None:
    """The file is whole: only what lies beside it may be wrong."""


DAMAGES: dict[str, Damage] = {
    "flipped bits": _flip, "flipped in the pickle": _flip_in_the_pickle,
    "flipped in the zip directory": _flip_in_the_directory, "cut": _cut, "zeros": _zeros,
    "block of another": _exchange, "appended": _append, "inserted": _insert, "swapped": _swap, "whole": _nothing,
}  # fmt: skip


def _sidecar(kind: str, path: Path, original: Path, other: Path, dice: random.Random) -> None:
    beside, right = sidecar_of(path), sidecar_of(original).read_bytes()
    if kind == "right":
        beside.write_bytes(right)
    elif kind == "of another":
        beside.write_bytes(sidecar_of(other).read_bytes())
    elif kind == "garbage":
        content = [b"", b"[]", b"null", b"\xff\xfe", right[: len(right) // 2], b'{"sha256": 7}']
        beside.write_bytes(dice.choice(content))
    elif kind == "folder":
        beside.mkdir()


SIDECARS = ("none", "right", "of another", "garbage", "folder")


_ALL_STEPS = "training/callback=[bleu,early_stopping,checkpoint,recent_checkpoints]"


def two_checkpoints(folder: Path) -> list[Path]:
    """Train a little and return two checkpoints of one run, of different steps."""
    ended_well(run_train(folder, *RUN, _ALL_STEPS, RUN_DIR))
    found = sorted((folder / "run" / "checkpoints").glob("*.ckpt"))
    steps = {int(read_checkpoint(path)["global_step"]): path for path in found}
    assert len(steps) >= 2, f"one step only: {steps}"
    return [steps[max(steps)], steps[min(steps)]]


def verdict(path: Path, expected: Any, other: Any, kind: str) -> str:
    """Return what is wrong with how this file is taken: an empty text if it is refused, or read as it was written."""
    try:
        found = read_checkpoint(path)
    except (CheckpointError, UnsafeError) as error:
        return "" if str(path) in str(error) else f"does not name the file: {one_line(error)}"
    except BaseException as error:
        return f"{type(error).__name__}: {one_line(error)[:200]}"
    for content in (expected, other) if kind == "swapped" else (expected,):
        try:
            the_same(found, content)
        except AssertionError as place:
            wrong = f"READ, BUT OTHER CONTENT at {place}"
        else:
            return ""
    return wrong


def damage_many(
    name: str, sidecar: str, count: int, seed: int, folder: Path, attempts: Attempts
) -> None:
    """Damage a checkpoint so many times and read it in a process of its own."""
    original, other = two_checkpoints(folder / "trained")
    whole, second = original.read_bytes(), other.read_bytes()
    dice = random.Random(f"{seed} {name} {sidecar}")

    def judge() -> None:
        torch.set_num_threads(1)
        expected, foreign = read_checkpoint(original), read_checkpoint(other)
        for number in range(count):
            place = Path(str(number))
            place.mkdir()
            bad = bytearray(whole)
            DAMAGES[name](bad, second, dice)
            (place / "bad.ckpt").write_bytes(bad)
            _sidecar(sidecar, place / "bad.ckpt", original, other, dice)
            found = verdict(place / "bad.ckpt", expected, foreign, name)
            (place / "verdict.json").write_text(json.dumps(found))

    outcome = start(judge, folder / "judged", memory=3 << 30).wait()
    for number in range(count):
        with attempts.one(f"number {number}:"):
            path = folder / "judged" / str(number) / "verdict.json"
            assert path.exists(), (
                f"the process ended: exit {outcome.code} {one_line(outcome.err[-300:])}"
            )
            found = json.loads(path.read_text())
            assert not found, found


def damaged_neighbour(count: int, seed: int, folder: Path, attempts: Attempts) -> None:
    """The newest of two is damaged: the older one is found, or the newest if it still reads as written."""
    original, other = two_checkpoints(folder / "trained")
    whole, dice = original.read_bytes(), random.Random(f"{seed} neighbour")
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        bad = bytearray(whole)
        name = dice.choice(list(DAMAGES))
        DAMAGES[name](bad, other.read_bytes(), dice)
        (place / "last.ckpt").write_bytes(bad)
        with attempts.one(f"number {number}, {name}:"):
            for from_, to in ((other, "best.ckpt"), (sidecar_of(other), "best.ckpt.sha256.json")):
                shutil.copy(from_, place / to)
            shutil.copy(sidecar_of(original), place / "last.ckpt.sha256.json")
            found, _ = newest_whole(place)
            assert found is not None
            wanted = original if bad == whole else other
            assert found.read_bytes() == wanted.read_bytes(), found.name


def damage_export(count: int, seed: int, folder: Path, attempts: Attempts) -> None:
    """Each file of an export, damaged: refused, or read exactly."""
    original, _ = two_checkpoints(folder / "trained")
    stored, dice = read_model(original), random.Random(f"{seed} export")
    make_folder(folder / "export")
    write_export(folder / "export", stored)
    stored = read_model(folder / "export")
    names = sorted(path.name for path in (folder / "export").iterdir())
    for number in range(count):
        shutil.copytree(folder / "export", folder / "bad")
        path, name = folder / "bad" / names[number % len(names)], dice.choice(list(DAMAGES)[:-2])
        bad = bytearray(path.read_bytes())
        DAMAGES[name](bad, (folder / "export" / dice.choice(names)).read_bytes(), dice)
        path.write_bytes(bad)
        with attempts.one(f"number {number}, {path.name}, {name}:"):
            try:
                found = read_model(folder / "bad")
            except (CheckpointError, UnsafeError):
                continue
            finally:
                shutil.rmtree(folder / "bad")
            the_same(vars(found), vars(stored))


@row("damage")
def damaged(scale: Scale) -> Iterator[tuple[str, Callable[[Path, Attempts], object]]]:
    """Every kind of damage beside every kind of checksum file."""
    each = scale.pick(20, 8, 4)
    pairs = [(name, sidecar) for sidecar in SIDECARS for name in DAMAGES]
    if scale.size == "slice":
        pairs = [("block of another", "right")]
    for name, sidecar in pairs:
        yield (
            f"{name}, checksum file {sidecar}",
            lambda f, a, n=name, s=sidecar: damage_many(n, s, each, scale.seed, f, a),
        )
    if scale.size == "slice":
        return
    yield "beside a good one", lambda f, a: damaged_neighbour(each, scale.seed, f, a)
    yield "export", lambda f, a: damage_export(2 * each, scale.seed, f, a)
