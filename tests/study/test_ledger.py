import multiprocessing

import pytest

from seq2seq_lab.errors import ResourceError
from seq2seq_lab.study import ledger


def written(path, count=3):
    for number in range(count):
        ledger.append(path, "started", f"run-{number}", number, "ab")
    return path


def test_events_come_back_in_order(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger.append(path, "started", "a", 1, "ff")
    ledger.append(path, "failed", "a", 1, "ff", "no\nluck", 1.23456)
    first, second = ledger.read(path)
    assert (first.event, first.reason, first.seconds) == ("started", None, None)
    assert (second.event, second.reason, second.seconds) == ("failed", "no\nluck", 1.235)
    assert path.read_text().count("\n") == 2


def test_no_ledger_is_an_empty_one(tmp_path):
    assert ledger.read(tmp_path / "ledger.jsonl") == []


@pytest.mark.parametrize("cut", [1, 2, 10, 60])
def test_a_torn_last_line_is_left_out_and_spoils_no_later_one(tmp_path, cut):
    path = written(tmp_path / "ledger.jsonl")
    path.write_bytes(path.read_bytes()[:-cut])
    whole = 3 if cut == 1 else 2
    assert len(ledger.read(path)) == whole
    ledger.append(path, "done", "later", 1, "ab")
    assert [e.run for e in ledger.read(path)][whole:] == ["later"]


def test_planted_append_without_a_look_at_the_end_loses_a_line(tmp_path):
    path = written(tmp_path / "ledger.jsonl")
    path.write_bytes(path.read_bytes()[:-5])
    with path.open("ab") as file:
        file.write(
            b'{"time": "t", "event": "done", "run": "later", "attempt": 1, "content_hash": "ab"}\n'
        )
    assert "later" not in [e.run for e in ledger.read(path)]


def write_many(path, name):
    for number in range(100):
        ledger.append(path, "started", name, number, "é" * 200)


def test_lines_of_several_processes_never_mix(tmp_path):
    path = tmp_path / "ledger.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = ledger.read(path)
    assert path.read_bytes().count(b"\n") == len(events) == 300
    for name in "abc":
        assert [e.attempt for e in events if e.run == name] == list(range(100))


def test_a_ledger_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(ResourceError, match="cannot write"):
        ledger.append(tmp_path / "ledger.jsonl", "done", "a", 1, "ab")


def test_attempts_are_counted_and_a_skip_changes_no_state(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for kind in ("planned", "started", "failed", "started", "done", "skipped"):
        ledger.append(path, kind, "a", 1, "ab")
    events = ledger.read(path)
    assert ledger.attempts(events)["a"] == 2
    assert ledger.last(events)["a"].event == "done"
