"""The example of CONTRIBUTING.md, a metric as one row, applied to a copy: it reaches everything that uses a metric."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from torchmetrics.functional.text import match_error_rate

ROOT = Path(__file__).resolve().parents[2]
NAME = "match_error_rate"
HYPOTHESES = ["the cat sat on a mat", "", "A dog ran .", "一二三", "abc"]
REFERENCES = ["the cat sat on the mat", "nothing", "A dog ran .", "一三三四", "cab"]
CODE = """
import json, sys
from pathlib import Path
from seq2seq_lab.metrics.table import METRICS, lower_is_better
from support.metric_consumers import reached
name, texts = json.loads(sys.argv[1])
places = {place: sorted(names) for place, names in reached(Path(sys.argv[2])).items()}
print(json.dumps([METRICS[name].corpus(*texts).value, lower_is_better(f"val/{name}"), places]))
"""


@pytest.fixture(scope="module")
def patched(tmp_path_factory) -> Path:
    """The package, its configs and its scripts with the example's diff applied."""
    place = tmp_path_factory.mktemp("checkout")
    for name in ("src", "conf", "scripts", "tests/support"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (diff,) = [d for d in re.findall(r"```diff\n(.*?)```", text, re.DOTALL) if NAME in d]
    subprocess.run(["git", "apply"], cwd=place, input=diff, text=True, check=True)
    return place


def test_the_example_reaches_every_consumer_and_equals_its_library(patched, tmp_path):
    paths = os.pathsep.join(str(patched / name) for name in ("src", "tests"))
    texts = json.dumps([NAME, [HYPOTHESES, REFERENCES]])
    done = subprocess.run(
        [sys.executable, "-c", CODE, texts, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=patched,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    value, less_is_better, places = json.loads(done.stdout.splitlines()[-1])
    assert [place for place, names in places.items() if NAME not in names] == []
    assert less_is_better
    assert value == pytest.approx(100 * float(match_error_rate(HYPOTHESES, REFERENCES)), rel=1e-6)
