"""A finished study as one small file, NAME.tar.xz: what its report, its prediction and its provenance need.

Packed twice, a study gives the same bytes: names are sorted, times and owners are zero. Checkpoints, tokenizers and
pictures stay out. So do the log-probabilities of hypotheses, which no table reads and no compressor shortens, and the
counts of sentences that texts determine. The folder of the study becomes a relative one. A run's sums are compared
before that; done.json then has those of the stored files, under which the run counts as done, and those of the run as
it ended (`sha256_of_run`).
"""

import contextlib
import io
import lzma
import re
import socket
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

from seq2seq_lab.errors import CheckpointError, ConfigError, UnsafeError
from seq2seq_lab.files import json_lines, json_text, sha256_of, write_atomically
from seq2seq_lab.stored_text import read_json, read_json_lines, read_yaml
from seq2seq_lab.study.matrix import ROOT, Study
from seq2seq_lab.study.run import read_done

SUFFIX = ".tar.xz"
LARGEST = 1 << 29
"""Bytes of all files of a stored study together: 30 runs of 8,000 sentences are a fifth of it."""
_MOST_FILES = 20_000
_MEMORY = 1 << 28
"""Bytes that the dictionary of an archive may take when it is read."""
_COMPRESSION = [
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26, "lc": 4, "pb": 0}
]  # fmt: skip
"""For text, with a dictionary that reaches over many runs: they have the same sources and references."""
_OF_STUDY = ("study.json", "ledger.jsonl", "arm_names.yaml")
_FACTS = (
    "manifest.json",
    "data_report.json",
    "metrics.csv",
    "exposure_bias/*.json",
    "hypotheses/word_counts.json",
)
_HYPOTHESES = ("val.jsonl", "test.jsonl")
_SEARCH = "search.json"
"""Has the sums of a further search of a run, which lies beside it."""
_COUNTS = ("hypotheses/val_counts.jsonl", "hypotheses/test_counts.jsonl")
"""Needed for metrics of extensions alone, for which scripts/rederive.py has no formula."""
_OF_ACCOUNT = ("wandb",)
"""Facts of a manifest that name an account and no number rests on."""
_RESUME_COMMAND = rb'; resume with: (?:[^"\\]|\\.)*'
"""The end of a reason, up to the quote of its JSON: it names the Python of this machine, and a stored study has no
checkpoint to resume from."""
_AGAIN = "run the study's command again"


def is_stored(place: Path) -> bool:
    """Tell whether this is the file of a stored study and no folder."""
    return place.name.endswith(SUFFIX) and place.is_file()


def name_of(place: Path) -> str:
    """Return the name of a study from its folder or its file."""
    return place.absolute().name.removesuffix(SUFFIX)


def store(place: Path, path: Path) -> int:
    """Pack the study of a folder into the file `path`, and return the size of the file in bytes.

    Raises `ConfigError` where no run is done, and `UnsafeError` for a text that names a folder of this machine which is
    none of the study's.
    """
    if not path.name.endswith(SUFFIX):
        raise ConfigError(f"{path}: the file of a stored study is called NAME{SUFFIX}")
    study = Study.load(place)
    contents = {n: (place / n).read_bytes() for n in _OF_STUDY if (place / n).is_file()}
    places = {str(place.absolute())}
    num_done = 0
    for run in study.runs:
        folder = study.folder(run)
        done = read_done(folder, run.content_hash)
        if done is not None:
            num_done += 1
            places |= _recorded_place(folder)
            stored = _stored_run(folder, done, places, name_of(place))
            contents |= {f"runs/{run.name}/{name}": content for name, content in stored.items()}
    if not num_done:
        raise ConfigError(f"{place}: no run is done; nothing to store")
    for name in _OF_STUDY:
        if name in contents:
            contents[name] = _relative(contents[name], places, name_of(place))
    if "ledger.jsonl" in contents:
        host = rb"\b%s\b" % re.escape(socket.gethostname()).encode()
        events = re.sub(_RESUME_COMMAND, b"", contents["ledger.jsonl"])
        contents["ledger.jsonl"] = re.sub(host, b"this machine", events)
    for name, content in contents.items():
        _refuse_private(name, content)
    packed = lzma.compress(_tar(contents), filters=_COMPRESSION)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(packed), size=len(packed))
    return len(packed)


def _recorded_place(folder: Path) -> set[str]:
    """Return the folder in which the study ran, which may be another one than that from which it is stored."""
    config = read_yaml(folder / "config.yaml", CheckpointError, _AGAIN)
    found = config.get("study_dir")
    return {found} if isinstance(found, str) and Path(found).is_absolute() else set()


def _stored_run(
    folder: Path, done: dict[str, Any], places: set[str], name: str
) -> dict[str, bytes]:
    """Return the stored files of a run that is done, done.json with their sums among them."""
    facts = read_json(folder / "manifest.json", CheckpointError, _AGAIN)
    left_out = () if facts.get("extensions") else _COUNTS
    changed = {"config.yaml": _relative((folder / "config.yaml").read_bytes(), places, name)}
    contents = _sealed(folder, "done.json", done, changed, left_out)
    contents |= {
        p.relative_to(folder).as_posix(): p.read_bytes() for one in _FACTS for p in folder.glob(one)
    }
    own = json_text({k: v for k, v in facts.items() if k not in _OF_ACCOUNT})
    contents["manifest.json"] = _relative(own.encode(), places, name)
    for path in folder.glob(f"searches/*/{_SEARCH}"):
        about = read_json(path, CheckpointError, _AGAIN)
        if all(sha256_of(path.parent / n) == found for n, found in about["sha256"].items()):
            place = path.parent.relative_to(folder).as_posix()
            found = _sealed(path.parent, _SEARCH, about, {})
            contents |= {f"{place}/{n}": content for n, content in found.items()}
    return contents


def _sealed(
    folder: Path,
    seal: str,
    facts: dict[str, Any],
    changed: dict[str, bytes],
    left_out: Collection[str] = (),
) -> dict[str, bytes]:
    """Return the files whose sums a JSON file has, some of them changed, and that file with their sums as stored."""
    contents = {}
    for name in facts["sha256"]:
        if name.endswith(_HYPOTHESES):
            rows = read_json_lines(folder / name, CheckpointError, _AGAIN)
            kept = [{k: v for k, v in row.items() if k != "score"} for row in rows]
            contents[name] = json_lines(kept).encode()
        elif name not in left_out:
            contents[name] = changed.get(name) or (folder / name).read_bytes()
    sums = {name: sha256(content).hexdigest() for name, content in contents.items()}
    before = facts.get("sha256_of_run", facts["sha256"])
    sealed = json_text({**facts, "sha256": sums, "sha256_of_run": before})
    return {**contents, seal: sealed.encode()}


def _relative(content: bytes, places: set[str], name: str) -> bytes:
    """Return a text in which the folder of the study is outputs/studies/NAME."""
    for place in sorted(places, key=len, reverse=True):
        content = re.sub(
            rb"%s(?![\w-])" % re.escape(place.encode()), (ROOT / name).as_posix().encode(), content
        )
    return content


def _refuse_private(name: str, content: bytes) -> None:
    """Refuse a text that names the home, the working or the temporary folder: what is stored is published."""
    here = {Path.home(), Path.cwd(), Path(tempfile.gettempdir())}
    for place in sorted(str(one) for one in here if len(one.parts) > 1):
        if found := re.search(rb"(?<![\w.])%s(?![\w-])[^\s'\",]*" % re.escape(place.encode()), content):  # fmt: skip
            text = found[0].decode("utf-8", "replace")
            raise UnsafeError(
                f"{name} would publish {text}, a path of this machine; nothing was written: run the study with paths "
                "relative to its working folder"
            )


def _tar(contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(contents.items()):
            entry = tarfile.TarInfo(name)  # mode 0644, time 0, owner 0
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@contextlib.contextmanager
def opened(place: Path) -> Iterator[Path]:
    """Give the folder of a study: that of a stored one is unpacked, named after its file, and deleted at the end.

    Raises `UnsafeError` for an archive that would write elsewhere, hold something else than files, or fill the disk,
    and `CheckpointError` for one that is damaged.
    """
    if not is_stored(place):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="seq2seq-lab-study-") as temporary:
        folder = Path(temporary) / name_of(place)
        try:
            with tempfile.TemporaryFile() as raw:
                _decompress(place, raw)
                raw.seek(0)
                _unpack(place, raw, folder)
        except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise CheckpointError(
                f"{place}: no stored study that can be unpacked ({error}); store the study again"
            ) from error
        yield folder


def _decompress(place: Path, raw: IO[bytes]) -> None:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    with place.open("rb") as file:
        while not decoder.eof:
            packed = file.read(1 << 16) if decoder.needs_input else b""
            if decoder.needs_input and not packed:
                raise EOFError("it ends too early")
            raw.write(decoder.decompress(packed, 1 << 20))
            if raw.tell() > LARGEST:
                raise UnsafeError(f"{place}: over {LARGEST:,} bytes unpacked; no study is so large")


def _unpack(place: Path, raw: IO[bytes], folder: Path) -> None:
    total = 0
    with tarfile.open(fileobj=raw, mode="r:") as tar:
        for number, entry in enumerate(tar, 1):
            name = PurePosixPath(entry.name)
            is_plain = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not entry.sparse
            if not is_plain or name.is_absolute() or ".." in name.parts:
                raise UnsafeError(f"{place}: {entry.name[:80]!r} is no plain file of a study")
            total += entry.size
            if total > LARGEST or number > _MOST_FILES:
                raise UnsafeError(f"{place}: more files or bytes than a study has")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(entry)
            with path.open("xb") as file:
                file.write(content.read() if content else b"")
