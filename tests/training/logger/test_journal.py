"""The journal holds what a resumed run sends again, pictures as they were, and survives torn lines."""

import json
from pathlib import Path

import pytest

from seq2seq_lab.training.logger.journal import Journal
from seq2seq_lab.training.logger.wandb_run import WandbRun


def line(index: int, **more: object) -> str:
    return json.dumps({"do": "table", "name": "t", "index": index, **more})


def test_what_belongs_to_later_rows_is_dropped_from_the_file_too(tmp_path):
    journal = Journal(tmp_path)
    for index in (0, 1, 2):
        journal.add(line(index))
    assert [m["index"] for m in journal.cut(2)] == [0, 1]
    assert [m["index"] for m in Journal(tmp_path).cut(9)] == [0, 1]


@pytest.mark.parametrize("torn", ['{"do": "ta', "[]\n", '{"do": "table"}\n', "\ufffd"])
def test_a_torn_line_spoils_no_other(tmp_path, torn):
    journal = Journal(tmp_path)
    journal.add(line(0))
    with journal.path.open("a", encoding="utf-8") as file:
        file.write(torn)
    journal.add(line(1))
    assert [m["index"] for m in journal.cut(9)] == [0, 1]


def test_numbers_that_are_not_finite_and_all_characters_stay(tmp_path):
    journal = Journal(tmp_path)
    journal.add(line(0, rows=[[float("inf"), "二十\u2028一\udc80"]]))
    for _ in range(2):
        (message,) = journal.cut(1)
        assert message["rows"] == [[float("inf"), "二十\u2028一\udc80"]]


def test_pictures_of_dropped_messages_go(tmp_path):
    journal = Journal(tmp_path)
    (tmp_path / "a.png").write_bytes(b"a")
    for index in (0, 1):
        journal.add(line(index, path=str(journal.copy(tmp_path / "a.png"))))
    (kept,) = journal.cut(1)
    assert [str(path) for path in journal.pictures.iterdir()] == [kept["path"]]


def test_pictures_are_found_where_the_run_folder_was_moved(tmp_path):
    journal = Journal(tmp_path / "old")
    (tmp_path / "a.png").write_bytes(b"a")
    journal.add(line(0, path=str(journal.copy(tmp_path / "a.png"))))
    (tmp_path / "old").rename(tmp_path / "new")
    (kept,) = Journal(tmp_path / "new").cut(1)
    assert Path(kept["path"]).read_bytes() == b"a"


def sent_picture(folder, monkeypatch) -> bytes:
    """Return the bytes that W&B's process will read, after the picture was written again."""
    logger = WandbRun()
    monkeypatch.setattr(logger, "_process", object())
    logger._journal = Journal(folder)
    picture = folder / "a.png"
    picture.write_bytes(b"as it was")
    logger.log_image("a", picture)
    picture.write_bytes(b"written again")
    path = json.loads(logger._messages.get())["path"]
    logger._process = None
    return open(path, "rb").read()  # noqa: PTH123


def test_a_picture_that_is_written_again_is_sent_as_it_was(tmp_path, monkeypatch):
    assert sent_picture(tmp_path, monkeypatch) == b"as it was"


def test_planted_picture_that_is_not_copied_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(Journal, "copy", lambda self, path: path)
    with pytest.raises(AssertionError):
        assert sent_picture(tmp_path, monkeypatch) == b"as it was"
