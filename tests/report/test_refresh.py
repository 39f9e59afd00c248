"""A report that the disk does not take: a warning while the study runs, an error at its end."""

import pytest

from seq2seq_lab.errors import ResourceError
from seq2seq_lab.report.refresh import refresh_report
from support.study_folder import Plan, write_study


@pytest.mark.parametrize("in_the_way", ["report", "locks"])
def test_the_last_report_is_written_or_the_command_fails(tmp_path, capsys, in_the_way):
    place = write_study(tmp_path / "small", Plan(errors={"dot": 0.1}, seeds=(1,), sentences=4))
    (place / in_the_way).write_text("a file where a folder should be")
    refresh_report(place, wait=False)
    assert "warning: the report was not written" in capsys.readouterr().err
    with pytest.raises(ResourceError, match=r"report: not written, .*run the same command again"):
        refresh_report(place, wait=True)
