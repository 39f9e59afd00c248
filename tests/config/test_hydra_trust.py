"""Hydra's own settings and what lies beside an extension run nothing: each try would leave a marker."""

import json
import sys

import pytest

from seq2seq_lab.config.extension import take_flags
from seq2seq_lab.config.extension_registry import VARIABLE, extensions
from seq2seq_lab.config.job_command import run_command
from seq2seq_lab.config.rules import RULES
from seq2seq_lab.config.signature import signature_of
from seq2seq_lab.errors import CheckpointError
from seq2seq_lab.inference.stored_parts import build_stored
from seq2seq_lab.metrics.table import rows_of_extensions
from seq2seq_lab.training.summary import _places
from support.bad_input_files import assert_error_lines
from support.extension_packages import on_path, write
from support.small_runs import train

PLUGIN = "hydra_plugins.seq2seq_lab_study"
BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
CALL = f"{{_target_: {PLUGIN}.workers.stopping.call, line: [touch, MARKER]}}"
ENVIRONMENT = {"process": 1, "paths": ["/nowhere/evil.py"]}
FILES = {
    "hydra/launcher/nested.yaml": f"_target_: {BASIC}\nx: {CALL}\n",
    "hydra/launcher/chained.yaml": f"_target_: {PLUGIN}.os.system\ncommand: touch MARKER\n",
    "hydra/sweeper/nested.yaml": f"_target_: {PLUGIN}.StudySweeper\nx: {CALL}\n",
    "experiment/nested.yaml": "# @package _global_\ndefaults:\n  - override /hydra/launcher: nested\n",
    "primary.yaml": "defaults: [train, _self_]\nfoo: {searchpath: [pkg://evil_mod]}\nhydra: ${foo}\n",
    "hydra/job_logging/stream.yaml": 'version: 1\nslashes: "//"\nhandlers:\n  a:\n    class: logging.StreamHandler\n'
    '    stream: "ext:${hydra.job_logging.slashes}evil_mod.X"\nroot: {handlers: [a]}\n',
    "hydra/job_logging/chained.yaml": "version: 1\nformatters: {a: {(): colorlog.formatter.os.system}}\n",
    "debug/environment.yaml": "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: '1'\n"
    f"      +hydra.job.env_set.{VARIABLE}: '''{json.dumps(ENVIRONMENT)}'''\n",
    "debug/logging.yaml": "# @package _global_\nhydra:\n  sweeper:\n    params: {hydra/job_logging: stream}\n",
    "debug/folder.yaml": "# @package _global_\nhydra:\n  sweeper:\n    params: {hydra.run.dir: MARKER}\n",
}
LINES = [
    ["-m", "hydra/launcher=nested"], ["-m", "hydra/launcher=chained"], ["-m", "hydra/sweeper=nested"],
    ["experiment=nested"], ["-m", "experiment=nested"], ["--config-name", "primary"],
    ["--config-name", "primary", "--cfg", "job"], ["hydra/job_logging=stream"], ["hydra/job_logging=chained"],
    ["-m", "debug=environment"], ["-m", "debug=logging"], ["-m", "debug=folder"],
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_config_file_cannot_make_hydra_run_or_write(line, tmp_path, monkeypatch, capfd):
    conf = tmp_path / "conf"
    for name, text in FILES.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / name).write_text(text.replace("MARKER", str(tmp_path / "marker")))
    (tmp_path / "evil_mod.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w')\nX = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    code = train(
        f"--config-dir={conf}", *line, *(["debug=tiny"] if "debug" not in line[-1] else [])
    )
    err = capfd.readouterr().err
    assert (code, (tmp_path / "marker").exists(), "evil_mod" in sys.modules) == (7, False, False), (
        err
    )
    assert_error_lines(err)
    assert VARIABLE not in __import__("os").environ


def test_what_lies_beside_a_file_that_is_an_extension_is_not_trusted(tmp_path):
    write(
        tmp_path,
        {"note_lab.py": "class Own:\n    pass\n", "helper_lab.py": "", "hydra_plugins/evil.py": ""},
        ".",
    )
    facts = {"entry_points.txt": "[seq2seq_lab.extension]\nhelper_lab = helper_lab\n"}
    write(tmp_path, {**facts, "METADATA": "Name: x\nVersion: 1\n"}, "x-1.dist-info")
    with on_path():
        take_flags(["--extension", str(tmp_path / "note_lab.py")])
        assert set(extensions()) == {"note_lab"}
        assert __import__("note_lab").Own
        assert RULES.target_problem("helper_lab.Own").is_unsafe
        with pytest.raises(ModuleNotFoundError):
            __import__("helper_lab")
        import hydra_plugins

        assert str(tmp_path / "hydra_plugins") not in list(hydra_plugins.__path__)


def test_a_process_of_our_own_imports_nothing_from_the_working_folder():
    assert run_command([], [])[:4] == [sys.executable, "-P", "-m", "seq2seq_lab"]


def test_a_printed_command_is_safe_to_paste(tmp_path):
    folder = tmp_path / "a$(touch marker);b"
    assert f"translate '{folder}' --text" in str(_places(folder))


def test_a_stored_node_must_be_of_its_place():
    node = {"_target_": "pytorch_lightning.Trainer"}
    with pytest.raises(
        CheckpointError, match=r"x\.ckpt: its decoding: expected a SearchSettings, got Trainer"
    ):
        build_stored(node, "x.ckpt", "decoding")


OPEN = (
    "class Open:\n    def __init__(self, depth: int = 1, **others):\n        self.depth = depth\n"
)
ROW = "from seq2seq_lab.metrics.metric import Ratio\n\n\ndef rate(a, b):\n    return [(1.0, 1.0) for _ in a]\n\n\n"
METRICS = 'METRICS = {"own_rate": Ratio("own_rate", "own", rate)}\n'


def test_keywords_that_nobody_takes_are_refused(tmp_path):
    write(tmp_path, {"open_lab.py": OPEN}, ".")
    with on_path():
        take_flags(["--extension", str(tmp_path / "open_lab.py")])
        found = signature_of("open_lab.Open")
        assert (list(found.arguments), found.is_open) == (["depth"], False)


@pytest.mark.parametrize(
    "start", [f"{ROW}{METRICS}", f"{ROW}try:\n    {METRICS}except ValueError:\n    pass\n", "from .metric import *\n"]
)  # fmt: skip
def test_metrics_are_found_however_the_module_gets_them(tmp_path, start):
    write(tmp_path, {"__init__.py": start, "metric.py": f"{ROW}{METRICS}"}, "rate_lab")
    with on_path():
        take_flags(["--extension", str(tmp_path / "rate_lab")])
        assert list(rows_of_extensions(("rate_lab",), ())) == ["own_rate"]
