"""Writes the report of a study again while the study runs."""

import sys
from pathlib import Path

from seq2seq_lab.errors import ResourceError, one_line
from seq2seq_lab.files import held


def refresh_report(study_dir: Path, *, wait: bool) -> None:
    """Write the report of what is finished so far, one process at a time; a failure does not fail the study.

    With `wait` it is the last one: a disk that does not take it is an error, or an old report would pass for it.
    """
    from seq2seq_lab.report import page  # jinja2: not needed by a run that is skipped

    try:
        with held(study_dir / "locks" / "report.lock", -1.0 if wait else 0.0) as is_ours:
            if is_ours:
                page.write_report(study_dir)
    except Exception as error:
        if wait and isinstance(error, OSError | ResourceError):
            raise ResourceError(
                f"{study_dir / 'report'}: not written, {one_line(error)}; make room and run the same command again"
            ) from error
        text = f"warning: the report was not written: {type(error).__name__}: {error}"
        print(one_line(text), file=sys.stderr)  # noqa: T201
