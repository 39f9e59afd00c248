"""Real W&B runs, written offline and read back from the .wandb file; and every way in which W&B can fail."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from seq2seq_lab.training.logger import csv_metrics as module
from seq2seq_lab.training.logger.csv_metrics import CsvMetrics, OnlyCsv
from seq2seq_lab.training.logger.wandb_run import WandbRun

CONFIG = {"name": "lstm_attn_numbers", "seed": 7, "model": {"dim": 96, "encoder": {"cell": "lstm"}}}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_back(run: Path) -> dict:
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(run)]
    return json.loads(subprocess.run(line, capture_output=True, check=True, text=True).stdout)


def histories(run: Path) -> list[dict]:
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    printed = subprocess.run(line, capture_output=True, check=True, text=True).stdout
    records = [json.loads(line) for line in printed.splitlines()]
    return [r["history"]["item"] for r in records if r["type"] == "history"]


def offline_run(folder: Path) -> Path:
    (found,) = (folder / "wandb").glob("offline-run-*")
    return found


def write_run(logger: WandbRun, folder: Path, bleu: float = 12.5) -> None:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (11, 7)).save(folder / "map.png")
    logger.open(folder, CONFIG)
    logger.log_metrics({"val/bleu": bleu, "epoch": 0}, step=10)
    logger.finalize("success")  # Lightning calls it after fit, before the test: the run is not over
    logger.log_table("samples", ["source", "score"], [["二十一", -0.5], ["twenty", -1.5]])
    logger.log_image("attention/1", folder / "map.png")
    logger.log_metrics({"val/bleu": 2 * bleu, "epoch": 1}, step=20)
    logger.log_summary({"test/bleu": 99.25})
    logger.close("success")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        write_run(WandbRun(project="lab", group="study", tags=["a", "b"]), folder)
    return offline_run(folder)


def test_csv_has_one_row_for_each_call(tmp_path):
    log = CsvMetrics(tmp_path)
    log.log_metrics({"train/loss": 1.5, "epoch": 0.0}, step=3)
    log.log_metrics({"train/loss": 0.25, "epoch": 1.0}, step=6)
    assert rows_of(tmp_path) == [
        {"step": "3", "train/loss": "1.5", "epoch": "0"},
        {"step": "6", "train/loss": "0.25", "epoch": "1"},
    ]


def test_csv_header_is_complete_when_a_metric_appears_late(tmp_path):
    log = CsvMetrics(tmp_path)
    log.log_metrics({"train/loss": 1.5}, step=3)
    log.log_metrics({"val/bleu": 20.0}, step=4)
    log.log_metrics({"train/loss": 0.5}, step=5)
    rows = rows_of(tmp_path)
    assert list(rows[0]) == ["step", "train/loss", "val/bleu"]
    assert [row["val/bleu"] for row in rows] == ["", "20.0", ""]


def test_csv_of_a_resumed_run_is_continued(tmp_path):
    CsvMetrics(tmp_path).log_metrics({"a": 1.0, "b": 2.0}, step=1)
    CsvMetrics(tmp_path).log_metrics({"b": 3.0, "c": 4.0}, step=2)
    assert rows_of(tmp_path) == [
        {"step": "1", "a": "1.0", "b": "2.0", "c": ""},
        {"step": "2", "a": "", "b": "3.0", "c": "4.0"},
    ]


def test_csv_rows_are_on_disk_at_once(tmp_path):
    log = CsvMetrics(tmp_path)
    log.log_metrics({"a": 1.0}, step=1)
    assert (tmp_path / "metrics.csv").read_text() == "step,a\n1,1.0\n"


def test_csv_keeps_values_that_are_not_finite(tmp_path):
    CsvMetrics(tmp_path).log_metrics({"a": float("nan"), "b": float("inf")}, step=1)
    assert rows_of(tmp_path) == [{"step": "1", "a": "nan", "b": "inf"}]


def test_the_csv_choice_adds_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    OnlyCsv().log_metrics({"a": 1.0}, step=1)
    assert list(tmp_path.iterdir()) == []


def test_offline_run_holds_the_nested_config(stored):
    assert read_back(stored)["config"] == CONFIG


def test_offline_run_holds_metrics_at_their_steps(stored):
    rows = [row for row in histories(stored) if "val/bleu" in row]
    assert [(row["step"], row["epoch"], row["val/bleu"]) for row in rows] == [
        (10, 0, 12.5),
        (20, 1, 25),
    ]


def test_offline_run_holds_the_summary(stored):
    summary = read_back(stored)["summary"]
    assert (summary["test/bleu"], summary["val/bleu"]) == (99.25, {"max": 25})


def test_offline_run_holds_the_samples_table(stored):
    entry = read_back(stored)["summary"]["samples"]
    table = json.loads((stored / "files" / entry["path"]).read_text(encoding="utf-8"))
    assert table["columns"] == ["source", "score"]
    assert table["data"] == [["二十一", -0.5], ["twenty", -1.5]]


def test_offline_run_holds_the_picture(stored):
    entry = read_back(stored)["summary"]["attention/1"]
    with Image.open(stored / "files" / entry["path"]) as picture:
        assert picture.size == (11, 7)


def test_offline_run_is_named_and_finished(stored):
    run = read_back(stored)
    assert (run["project"], run["name"], run["tags"]) == ("lab", "lstm_attn_numbers-s7", ["a", "b"])
    assert (run["state"], run["exit_code"]) == ("finished", 0)


def test_all_files_lie_under_the_run_folder(stored):
    assert [p for p in (stored.parents[1] / "home").rglob("*") if "wandb" in p.name] == []


def test_two_runs_in_one_process_stay_apart_and_print_one_line_each(tmp_path, capfd):
    for bleu in (1.0, 2.0):
        write_run(WandbRun(), tmp_path / str(bleu), bleu)
    last = [histories(offline_run(tmp_path / name))[-1]["val/bleu"] for name in ("1.0", "2.0")]
    assert last == [2, 4]
    printed = capfd.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 2
    assert all("wandb sync" in line and "offline-run-" in line for line in lines)


def test_training_does_not_wait_for_wandb(tmp_path):
    logger = WandbRun()
    begin = time.monotonic()
    logger.open(tmp_path, CONFIG)
    for step in range(200):
        logger.log_metrics({"train/loss": 1.0}, step=step)
    waited = time.monotonic() - begin
    logger.close("success")
    assert waited < 0.5
    assert len(histories(offline_run(tmp_path))) == 200


@pytest.fixture
def silent_server():
    """A server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_hanging_server_costs_one_warning_and_bounded_time(
    tmp_path, monkeypatch, silent_server, capfd
):
    monkeypatch.setenv("WANDB_BASE_URL", silent_server)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    begin = time.monotonic()
    write_run(WandbRun(mode="online", init_timeout=3, finish_timeout=20), tmp_path)
    assert time.monotonic() - begin < 20
    lines = capfd.readouterr().err.splitlines()
    assert len([line for line in lines if "cannot go online" in line]) == 1
    assert len(lines) == 2
    assert read_back(offline_run(tmp_path))["summary"]["val/bleu"] == {"max": 25}


def test_online_without_a_key_goes_offline_at_once(tmp_path, capfd):
    write_run(WandbRun(mode="online", init_timeout=30), tmp_path)
    lines = capfd.readouterr().err.splitlines()
    assert "cannot go online" in lines[0]
    assert "wandb login" in lines[0]
    assert read_back(offline_run(tmp_path))["state"] == "finished"


def test_a_finish_that_hangs_is_ended_after_its_time(tmp_path, monkeypatch, capfd):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    start = lambda: subprocess.Popen(sleeper, stdin=subprocess.PIPE, start_new_session=True)  # noqa: E731
    monkeypatch.setattr(WandbRun, "_start_process", staticmethod(start))
    logger = WandbRun(init_timeout=1, finish_timeout=1)
    begin = time.monotonic()
    logger.open(tmp_path, CONFIG)
    process = logger._process
    for _ in range(200):  # more than a pipe holds: nobody reads it
        logger.log_table("samples", ["text"], [["x" * 1000]])
    logger.close("success")
    assert time.monotonic() - begin < 5
    assert process.returncode == -signal.SIGKILL
    assert "not finished within 1 s" in capfd.readouterr().err


def test_a_killed_wandb_process_does_not_harm_the_run(tmp_path, capfd):
    logger = WandbRun()
    logger.open(tmp_path, CONFIG)
    os.killpg(logger._process.pid, signal.SIGKILL)
    for step in range(50):
        logger.log_metrics({"a": 1.0}, step=step)
    logger.close("success")
    assert "ended by signal 9" in capfd.readouterr().err


def test_a_failing_log_call_costs_one_warning_and_a_killed_run_is_marked_as_failed(tmp_path, capfd):
    logger = WandbRun()
    logger.open(tmp_path, CONFIG)
    logger.log_image("attention/1", tmp_path / "missing.png")
    logger.log_image("attention/2", tmp_path / "missing.png")
    logger.log_metrics({"val/bleu": 5.0}, step=1)
    process = logger._process
    logger._messages.put(None)  # what W&B's process sees when training is killed: the pipe ends
    assert process.wait(timeout=30) == 0
    logger.close("failed")
    run = read_back(offline_run(tmp_path))
    assert (run["summary"]["val/bleu"], run["exit_code"]) == ({"max": 5}, 1)
    assert capfd.readouterr().err.count("could not log attention") == 1


def test_without_the_package_one_warning_is_printed_and_the_run_goes_on(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.setitem(sys.modules, "wandb", None)
    write_run(WandbRun(), tmp_path)
    assert not (tmp_path / "wandb").exists()
    (line,) = capfd.readouterr().err.splitlines()
    assert "not installed" in line


def test_an_unwritable_run_folder_costs_one_warning(tmp_path, capfd):
    (tmp_path / "wandb").write_text("a file in the way")
    logger = WandbRun()
    logger.open(tmp_path, CONFIG)
    logger.log_metrics({"a": 1.0}, step=1)
    logger.close("success")
    assert "cannot be started" in capfd.readouterr().err


def test_disabled_starts_nothing(tmp_path, capfd):
    logger = WandbRun(mode="disabled")
    logger.open(tmp_path, CONFIG)
    logger.close("success")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_the_training_process_does_not_import_wandb():
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert "import wandb" not in source
    assert "wandb" not in vars(module)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("project", ""), ("init_timeout", 0), ("finish_timeout", 0)],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        WandbRun(**{argument: value})
