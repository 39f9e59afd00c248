"""Writes the report of a study again while the study runs."""

import sys
from pathlib import Path

from seq2seq_lab.errors import one_line
from seq2seq_lab.files import held


def refresh_report(study_dir: Path, *, wait: bool) -> None:
    """Write the report of what is finished so far, one process at a time; a failure does not fail the study."""
    from seq2seq_lab.report import page  # jinja2: not needed by a run that is skipped

    with held(study_dir / "locks" / "report.lock", -1.0 if wait else 0.0) as is_ours:
        try:
            if is_ours:
                page.write_report(study_dir)
        except Exception as error:
            text = f"{type(error).__name__}: {one_line(error)}"
            print(f"warning: the report was not written: {text}", file=sys.stderr)  # noqa: T201
