"""The ledger of a study: one line per event of a run (planned, started, done ...), only ever appended."""

import datetime
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seq2seq_lab.files import append_line
from seq2seq_lab.stored_text import parse_json

Kind = Literal["planned", "started", "done", "skipped", "failed", "interrupted"]


@dataclass(frozen=True)
class Event:
    """One line of the ledger; `seconds` since the run was started, `reason` why it ended so."""

    time: str
    event: str
    run: str
    attempt: int
    content_hash: str
    reason: str | None = None
    seconds: float | None = None


def append(
    path: Path,
    event: Kind,
    run: str,
    attempt: int,
    content_hash: str,
    reason: str | None = None,
    seconds: float | None = None,
) -> None:
    """Append an event."""
    line = {
        "time": datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "event": event,
        "run": run,
        "attempt": attempt,
        "content_hash": content_hash,
        **({} if reason is None else {"reason": reason}),
        **({} if seconds is None else {"seconds": round(seconds, 3)}),
    }
    append_line(path, line, path.parent / "locks" / "ledger.lock")


def read(path: Path) -> list[Event]:
    """Return the events in order; a line torn by a crash, or written by others, is left out."""
    if not path.exists():
        return []
    events = []
    for line in path.read_bytes().split(b"\n"):
        try:
            event = Event(**parse_json(line.decode()))
        except (ValueError, TypeError):
            continue
        texts = (event.time, event.event, event.run, event.content_hash, event.reason or "")
        if all(isinstance(text, str) for text in texts) and isinstance(
            event.seconds, float | int | None
        ):
            events.append(event)
    return events


def attempts(events: list[Event]) -> Counter[str]:
    """Count how often each run was started."""
    return Counter(event.run for event in events if event.event == "started")


def last(events: list[Event]) -> dict[str, Event]:
    """Return the newest event of each run that decides its state; a skip changes none."""
    return {event.run: event for event in events if event.event != "skipped"}
