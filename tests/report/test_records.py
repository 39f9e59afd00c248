"""Records of a study: what is read from the folders of its runs."""

import json
import re

from seq2seq_lab.report.page import write_report
from support.study_folder import Plan, write_study


def test_a_run_in_wandb_is_linked_where_it_is_an_address(tmp_path):
    place = write_study(tmp_path / "s", Plan(errors={"none": 0.3}, seeds=(1, 2, 3), sentences=8))
    links = ("https://wandb.ai/team/lab/runs/a1", "javascript:alert(1)", 7)
    for folder, link in zip(sorted((place / "runs").iterdir()), links, strict=True):
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["wandb"] = {"id": "a1", "url": link}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    write_report(place)
    text = (place / "report" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^"#]*:[^"]*)"', text) == [links[0]]
    assert "differs" not in text  # where runs can be seen is no difference between them
