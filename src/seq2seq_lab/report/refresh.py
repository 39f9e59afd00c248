"""Writes the report of a study again while the study runs."""

import sys
import time
from pathlib import Path

from seq2seq_lab.errors import ResourceError, one_line
from seq2seq_lab.files import held

_BEGAN = Path("locks") / "report.began"
SHARE = 0.1
"""Of the time of a study its reports take at most about this much, however many runs it has."""


def refresh_report(study_dir: Path, *, wait: bool) -> None:
    """Write the report of what is finished so far, one process at a time; a failure does not fail the study.

    A report takes longer the more runs there are. Between two of them so much time passes that they take `SHARE` of it.
    With `wait` it is the last one: a disk that does not take it is an error, or an old report would pass for it.
    """
    from seq2seq_lab.report import page  # jinja2: not needed by a run that is skipped

    try:
        with held(study_dir / "locks" / "report.lock", -1.0 if wait else 0.0) as is_ours:
            if is_ours and (wait or _is_due(study_dir)):
                (study_dir / _BEGAN).touch()
                page.write_report(study_dir)
    except Exception as error:
        if wait and isinstance(error, OSError | ResourceError):
            raise ResourceError(
                f"{study_dir / 'report'}: not written, {one_line(error)}; make room and run the same command again"
            ) from error
        text = f"warning: the report was not written: {type(error).__name__}: {error}"
        print(one_line(text), file=sys.stderr)  # noqa: T201


def _is_due(study_dir: Path) -> bool:
    """Tell whether the time since the last report is long enough beside the time that it took."""
    try:
        began = (study_dir / _BEGAN).stat().st_mtime
        ended = (study_dir / "report" / "index.html").stat().st_mtime
    except OSError:
        return True
    since = time.time() - ended
    return not 0 <= since < max(ended - began, 0.0) / SHARE
