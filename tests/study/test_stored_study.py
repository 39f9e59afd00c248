"""A stored study: the same bytes each time, the same report, no path of the machine, and nothing hostile unpacked."""

import io
import json
import lzma
import os
import signal
import tarfile
from pathlib import Path

import pytest

from seq2seq_lab.errors import CheckpointError, ConfigError, StoppedError, UnsafeError
from seq2seq_lab.files import sha256_of
from seq2seq_lab.report.records import read_records
from seq2seq_lab.study import stored_study
from seq2seq_lab.study.matrix import Study
from seq2seq_lab.study.plan import states
from seq2seq_lab.study.run import read_done, write_done
from seq2seq_lab.study.stored_study import opened, store
from seq2seq_lab.training.interruption import Interruption
from support.study_folder import Plan, write_study

PLAN = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2), sentences=12, missing=(("dot", 2),))


@pytest.fixture
def study(tmp_path) -> Path:
    """A study of three finished runs, whose files name the folder in which they ran."""
    place = write_study(tmp_path / "ran" / "mine", PLAN)
    for run in Study.load(place).runs[:3]:
        folder = place / "runs" / run.name
        with (folder / "config.yaml").open("a", encoding="utf-8") as file:
            file.write(f"study_dir: {place}\nrun_dir: {folder}\n")
        facts = json.loads((folder / "manifest.json").read_text())
        facts |= {"overrides": [f"run_dir='{folder}'"], "wandb": {"url": "https://wandb.ai/who"}}
        (folder / "manifest.json").write_text(json.dumps(facts))
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "best.ckpt").write_bytes(b"weights")
        write_done(folder, run.content_hash, 7.0)
    return place


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}


def test_a_study_packed_twice_and_from_its_archive_is_the_same_bytes(study, tmp_path):
    paths = [tmp_path / str(i) / "mine.tar.xz" for i in range(3)]
    store(study, paths[0])
    for path in study.rglob("*"):
        path.touch()
    assert store(study, paths[1]) == paths[1].stat().st_size
    with opened(paths[0]) as folder:
        store(folder, paths[2])
    assert len({sha256_of(path) for path in paths}) == 1


def test_the_records_of_an_archive_are_those_of_the_folder(study, tmp_path):
    store(study, tmp_path / "mine.tar.xz")
    before = read_records(study)
    with opened(tmp_path / "mine.tar.xz") as folder:
        assert folder.name == "mine"
        after = read_records(folder)
        assert [s.kind for s in states(Study.load(folder))] == ["done"] * 3 + ["missing"]
    assert not folder.exists()
    for one, other in zip(before.runs, after.runs, strict=True):
        assert (one.result, one.translated, one.history) == (other.result, other.translated, other.history)  # fmt: skip
        assert (one.signatures, one.seconds) == (other.signatures, other.seconds)
    assert before.unfinished == after.unfinished


def test_nothing_of_the_machine_is_stored(study, tmp_path):
    store(study, tmp_path / "mine.tar.xz")
    found = members(tmp_path / "mine.tar.xz")
    assert not any(str(tmp_path).encode() in content for content in found.values())
    assert not any(b"wandb" in content or b'"score"' in content for content in found.values())
    assert not [name for name in found if name.endswith((".ckpt", ".png", "_counts.jsonl"))]
    config = next(text for name, text in found.items() if name.endswith("config.yaml")).decode()
    assert "\nstudy_dir: outputs/studies/mine\nrun_dir: outputs/studies/mine/runs/" in config
    with tarfile.open(tmp_path / "mine.tar.xz") as tar:
        assert {(one.mtime, one.uid, one.gid, one.uname) for one in tar} == {(0, 0, 0, "")}


def test_counts_of_an_extension_are_stored(study, tmp_path):
    folder = sorted((study / "runs").iterdir())[0]
    facts = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**facts, "extensions": {"more": {}}}))
    store(study, tmp_path / "mine.tar.xz")
    counts = [n for n in members(tmp_path / "mine.tar.xz") if n.endswith("_counts.jsonl")]
    assert sorted({name.split("/")[1] for name in counts}) == [folder.name]


def test_a_path_of_the_machine_is_refused_with_its_file(study, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/srv/somebody")
    text = (study / "study.json").read_text()
    (study / "study.json").write_text(
        text.replace('"fixed": []', '"fixed": ["data.corpus.path=/srv/somebody/words.txt"]')
    )
    with pytest.raises(UnsafeError, match=r"study\.json would publish /srv/somebody/words\.txt"):
        store(study, tmp_path / "mine.tar.xz")
    assert not (tmp_path / "mine.tar.xz").exists()


def test_a_study_that_was_stopped_is_stored_without_the_command_to_resume(
    study, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", "/srv/somebody")
    ledger = study / "ledger.jsonl"
    command = '/srv/somebody/bin/python train.py text="a b" seed=1,2'
    with pytest.raises(StoppedError) as stopped, Interruption(command):
        os.kill(os.getpid(), signal.SIGTERM)
    assert command in str(stopped.value)
    event = json.loads(ledger.read_text().splitlines()[0]) | {
        "event": "interrupted",
        "reason": str(stopped.value),
    }
    ledger.write_text(json.dumps(event) + "\n" + ledger.read_text())
    store(study, tmp_path / "mine.tar.xz")
    stored = members(tmp_path / "mine.tar.xz")["ledger.jsonl"].decode().splitlines()
    assert json.loads(stored[0])["reason"] == "stopped by SIGTERM"
    assert len(stored) == len(ledger.read_text().splitlines())


def test_a_run_that_was_changed_is_not_done_in_an_archive(study, tmp_path):
    store(study, tmp_path / "mine.tar.xz")
    with opened(tmp_path / "mine.tar.xz") as folder:
        run = Study.load(folder).runs[0]
        done = read_done(folder / "runs" / run.name, run.content_hash)
        before = read_done(study / "runs" / run.name, run.content_hash)
        assert done["sha256_of_run"] == before["sha256"]
        (folder / "runs" / run.name / "config.yaml").write_text("seed: 2\n")
        assert read_done(folder / "runs" / run.name, run.content_hash) is None


def test_a_run_that_is_not_as_it_was_written_is_not_stored(study, tmp_path):
    broken = sorted((study / "runs").glob("*dot-s1*"))[0]
    (broken / "result.json").write_text('{"test/exact_match": 100.0}')
    store(study, tmp_path / "mine.tar.xz")
    assert not [n for n in members(tmp_path / "mine.tar.xz") if n.startswith(f"runs/{broken.name}")]


def test_searches_of_a_run_are_stored_under_their_new_sums(study, tmp_path):
    folder = sorted((study / "runs").iterdir())[0] / "searches" / "beam5"
    folder.mkdir(parents=True)
    row = {"source": "a", "reference": "b", "hypothesis": "b", "score": -0.25}
    files = {"test.jsonl": json.dumps(row) + "\n", "result.json": "{}\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    sums = {name: sha256_of(folder / name) for name in files}
    (folder / "search.json").write_text(json.dumps({"number": 0, "sha256": sums}))
    store(study, tmp_path / "mine.tar.xz")
    with opened(tmp_path / "mine.tar.xz") as place:
        found = place / folder.relative_to(study)
        about = json.loads((found / "search.json").read_text())
        assert about["sha256"] == {name: sha256_of(found / name) for name in files}
        assert (about["number"], about["sha256_of_run"]) == (0, sums)
        assert "score" not in (found / "test.jsonl").read_text()


def test_mistakes_say_what_to_do(study, tmp_path):
    with pytest.raises(ConfigError, match=r"called NAME\.tar\.xz"):
        store(study, tmp_path / "mine.zip")
    empty = write_study(tmp_path / "empty", Plan(errors={"dot": 0.1}, seeds=(1,), missing=(("dot", 1),)))  # fmt: skip
    with pytest.raises(ConfigError, match="no run is done"):
        store(empty, tmp_path / "empty.tar.xz")


def archive(path: Path, *entries: tarfile.TarInfo) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    path.write_bytes(lzma.compress(out.getvalue()))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:  # fmt: skip
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        entry("/tmp/absolute"),
        entry("runs/../../outside"),
        entry("link", tarfile.SYMTYPE, "/etc"),
        entry("hard", tarfile.LNKTYPE, "study.json"),
        entry("device", tarfile.CHRTYPE),
        entry("fifo", tarfile.FIFOTYPE),
        entry("folder", tarfile.DIRTYPE),
    ],
    ids=lambda one: one.name.rpartition("/")[2],
)
def test_what_is_no_plain_file_of_the_folder_is_refused(tmp_path, hostile):
    path = archive(tmp_path / "bad.tar.xz", hostile)
    with pytest.raises(UnsafeError, match="is no plain file of a study"), opened(path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["bad.tar.xz"]


def test_an_archive_that_fills_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_study, "LARGEST", 1 << 20)
    path = archive(tmp_path / "bomb.tar.xz", entry("study.json", size=3 << 20))
    assert path.stat().st_size < 10_000
    with pytest.raises(UnsafeError, match="1,048,576 bytes unpacked"), opened(path):
        pass
    monkeypatch.setattr(stored_study, "_MOST_FILES", 2)
    path = archive(tmp_path / "many.tar.xz", *(entry(str(i)) for i in range(3)))
    with pytest.raises(UnsafeError, match="more files"), opened(path):
        pass


@pytest.mark.parametrize("damage", ["empty", "cut", "no xz", "no tar", "twice", "under a file"])
def test_a_damaged_archive_is_one_error(tmp_path, damage):
    path = tmp_path / "mine.tar.xz"
    archive(path, entry("study.json", size=5000))
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:-30])
        case "no xz":
            path.write_bytes(b"PK" + bytes(500))
        case "no tar":
            path.write_bytes(lzma.compress(b"text" * 300))
        case "twice":
            archive(path, entry("a"), entry("a"))
        case "under a file":
            archive(path, entry("a"), entry("a/b"))
    with pytest.raises(CheckpointError, match="no stored study that can be unpacked"), opened(path):
        pass
