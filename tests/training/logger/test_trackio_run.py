"""Runs that log to trackio: what lies in its database, resumed and killed ones too; and what may fail."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from seq2seq_lab.training.logger.trackio_run import TrackioRun
from support.resumed_runs import RUN, ends_like, rows
from support.small_runs import ROOT, run_folder, run_script, train

CONFIG = {"name": "lstm_attn_numbers", "seed": 3, "model": {"dim": 8}}
SMALL = (
    *(o for o in RUN if not o.startswith(("training/logger", "training/callback="))),
    "model=lstm_attn", "training/callback=[bleu,early_stopping,checkpoint,samples,attention_maps]",
)  # fmt: skip
TO_TRACKIO = (*SMALL, "training/logger=[wandb,trackio]", "training.logger.trackio.project=lab")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give trackio a folder; nothing is read from or written to the user's home."""
    for name in ("HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "trackio"


def stored(folder: Path, text: str) -> list[tuple]:
    with sqlite3.connect(folder / "lab.db") as database:
        return database.execute(text).fetchall()


def entries(folder: Path) -> list[dict]:
    """Return what is stored, in its order, with run and step."""
    found = stored(folder, "SELECT run_name, run_id, step, metrics FROM metrics ORDER BY id")
    return [{"run": n, "id": i, "step": s, **json.loads(text)} for n, i, s, text in found]


def under(folder: Path, name: str) -> list:
    return [entry[name] for entry in entries(folder) if name in entry]


def numbers(folder: Path) -> list[dict[str, float]]:
    """Return the rows of numbers."""
    found = [{k: v for k, v in e.items() if isinstance(v, float | int)} for e in entries(folder)]
    return [row for row in found if set(row) > {"step"}]


def in_csv(run: Path) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in row.items() if v} for row in rows(run)]


def log_rows(logger: TrackioRun, count: int, run: Path) -> None:
    """Send rows, with a table after each and a picture at the end."""
    run.mkdir(exist_ok=True)
    Image.new("RGB", (11, 7)).save(run / "map.png")
    for index in range(count):
        logger.log_metrics({"val/bleu": float(index), "epoch": index}, step=10 * (index // 2))
        logger.log_table("samples", ["source", "score"], [["二十一", index], ["<b>", -1.5]])
    logger.log_image("attention/1", run / "map.png")


def session(run: Path, count: int = 4, **settings) -> None:
    """Log a whole session of a run."""
    logger = TrackioRun("lab", **settings)
    logger.open(run, CONFIG)
    log_rows(logger, count, run)
    logger.log_summary({"val/bleu": 50.0, "model/parameters": 77.0})
    logger.close("success")


def test_a_run_is_stored_with_its_config_rows_table_picture_and_summary(tmp_path, folder, capfd):
    session(tmp_path / "run", group="pilot")
    (config,) = stored(folder, "SELECT config FROM configs")
    config = json.loads(config[0])
    assert {k: config[k] for k in CONFIG} == CONFIG
    assert config["_Group"] == "pilot"
    steps = [(e["step"], e["val/bleu"]) for e in entries(folder) if "val/bleu" in e]
    assert steps == [(0, 0), (0, 1), (10, 2), (10, 3)]
    assert under(folder, "samples")[3]["_value"][0] == {"source": "二十一", "score": 3}
    (picture,) = under(folder, "attention/1")
    with Image.open(folder / "media" / picture["file_path"]) as shown:
        assert shown.size == (11, 7)
    assert under(folder, "model/parameters") == [77]
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith(f"TRACKIO_DIR={folder} trackio show --project lab")
    assert not (tmp_path / "home").exists()


def test_a_session_that_is_killed_and_sent_again_has_each_row_once(tmp_path, folder):
    run = tmp_path / "run"
    session(run, 2)
    for count in (3, 5):
        logger = TrackioRun("lab")
        logger.open(run, CONFIG)
        log_rows(logger, count, run)
        os.killpg(logger._process.pid, signal.SIGKILL)
        logger.close("failed")
    session(run, 8)
    session(run, 8)
    assert under(folder, "val/bleu") == [*map(float, range(8))]
    assert [table["_value"][0]["score"] for table in under(folder, "samples")] == [*range(8)]
    assert len({(e["run"], e["id"]) for e in entries(folder)}) == 1
    assert len(under(folder, "model/parameters")) == 1


def test_planted_run_that_forgets_its_id_is_caught(tmp_path, folder):
    run = tmp_path / "run"
    session(run, 2)
    (run / "trackio" / "run.json").unlink()
    session(run, 2)
    assert under(folder, "val/bleu") == [0, 1, 0, 1]
    assert {e["run"] for e in entries(folder)} == {"lstm_attn_numbers-s3", "lstm_attn_numbers-s3-2"}


def test_runs_of_one_name_stay_apart_when_they_are_resumed(tmp_path, folder):
    for name in ("one", "other", "one"):
        session(tmp_path / name, 2)
    found = {(e["run"], e["id"]) for e in entries(folder)}
    assert sorted(name for name, _ in found) == ["lstm_attn_numbers-s3", "lstm_attn_numbers-s3-2"]
    assert under(folder, "val/bleu") == [0, 1, 0, 1]


def test_another_folder_gets_a_run_of_its_own(tmp_path, folder):
    session(tmp_path / "run", 2)
    session(tmp_path / "run", 3, folder="elsewhere")
    assert under(tmp_path / "elsewhere", "val/bleu") == [0, 1, 2]
    assert under(folder, "val/bleu") == [0, 1]


def test_contents_of_every_kind_are_stored(tmp_path, folder, capfd):
    data = tmp_path / "pairs.tsv"
    data.write_text("one\t一\n")
    for run in ("a", "b"):
        logger = TrackioRun("lab")
        logger.open(tmp_path / run, CONFIG)
        logger.log_artifact("data-copy", "dataset", [data], {"sub/splits.json": "{}"}, uses=True)
        logger.log_metrics({"val/loss": 1.0}, step=1)
        logger.log_hypotheses("val", ["source", "bleu"], [["one", 100.0]])
        logger.log_attention("attention/val/1", [[0.25, 0.75]], ["one", "<s>"], ["一"], "one")
        logger.log_curves("curve", [1, 2], {"a": [0.5, 0.25], "b": [1.0, 2.0]}, "title", "position")
        logger.log_artifact("model", "model", [data], {}, {"config_hash": "1f"})
        logger.send({"do": "alert", "title": "stopped", "text": "the loss is nan"})
        logger.send({"do": "unknown"})
        logger.close("failed")
    assert "could not" not in capfd.readouterr().err
    assert under(folder, "val/hypotheses")[0]["_value"] == [{"source": "one", "bleu": 100.0}]
    assert under(folder, "curve")[0]["_value"][1] == {"position": 2, "a": 0.25, "b": 2}
    with Image.open(folder / "media" / under(folder, "attention/val/1")[0]["file_path"]) as shown:
        assert shown.width > 50
    assert stored(folder, "SELECT title, step FROM alerts") == [("stopped", 1)] * 2
    assert stored(folder, "SELECT count(*) FROM artifact_versions") == [(2,)]
    links = "SELECT count(*) FROM run_artifact_links WHERE run_id IS NOT NULL AND direction = "
    assert stored(folder, f"{links}'input'") == stored(folder, f"{links}'output'") == [(2,)]


@pytest.fixture
def silent_server():
    """A server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server


def test_nothing_is_sent_whatever_the_environment_says(
    tmp_path, folder, monkeypatch, silent_server, capfd
):
    url = f"http://127.0.0.1:{silent_server.getsockname()[1]}"
    for name in ("TRACKIO_SERVER_URL", "HF_ENDPOINT"):
        monkeypatch.setenv(name, url)
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    session(tmp_path / "run", 1)
    assert under(folder, "val/bleu") == [0]
    assert "TRACKIO_SERVER_URL is not used" in capfd.readouterr().err
    silent_server.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent_server.accept()


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path, capfd):
    (tmp_path / "trackio").write_text("a file in the way")
    session(tmp_path / "run", 3)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("trackio: not logged, the run continues without it (")


def test_a_database_that_cannot_be_written_costs_one_line(tmp_path, folder, capfd):
    (folder / "lab.db").mkdir(parents=True)
    session(tmp_path / "run", 3)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("trackio: not logged")


def test_a_process_that_hangs_is_ended_after_its_time(tmp_path, monkeypatch, capfd):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    start = lambda: subprocess.Popen(sleeper, stdin=subprocess.PIPE, start_new_session=True)  # noqa: E731
    monkeypatch.setattr(TrackioRun, "_start_process", staticmethod(start))
    logger = TrackioRun("lab", init_timeout=1, finish_timeout=1)
    logger.open(tmp_path / "run", CONFIG)
    process = logger._process
    log_rows(logger, 2, tmp_path / "run")
    logger.close("success")
    assert process.returncode == -signal.SIGKILL
    assert "not finished within 1 s" in capfd.readouterr().err


def test_without_the_package_one_line_is_printed(tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "trackio", None)
    session(tmp_path / "run", 1)
    (line,) = capfd.readouterr().err.splitlines()
    assert "trackio is not installed" in line


@pytest.mark.slow
def test_the_training_process_does_not_import_trackio():
    code = "import sys; from seq2seq_lab.training.logger import trackio_run; print('trackio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_a_run_is_the_same_as_with_csv_and_killed_ones_are_whole(tmp_path, folder, capfd):
    run, alone = tmp_path / "run", run_folder(*SMALL)
    line = ("tests/support/signalled_run.py", "5", "9", "--", *TO_TRACKIO, f"run_dir={run}")
    killed = run_script(*line, PYTHONPATH=str(ROOT / "tests"))
    assert killed.returncode == -signal.SIGKILL
    assert train(*TO_TRACKIO, f"run_dir={run}", "resume=auto") == 0
    ends_like(run, alone)
    assert "could not" not in capfd.readouterr().err
    found = numbers(folder)
    assert found[: len(in_csv(run))] == in_csv(run)
    assert {name for row in found[len(in_csv(run)) :] for name in row} >= {"model/parameters"}
    assert len({(e["run"], e["id"]) for e in entries(folder)}) == 1
    drawn = [name for entry in entries(folder) for name in entry if name.startswith("attention")]
    assert drawn.count("attention/1") == 1
    # two epochs, and the best checkpoint once more
    assert drawn.count("attention_by_epoch/1") == 3
    (config,) = stored(folder, "SELECT config FROM configs")
    assert json.loads(config[0])["choice/model"] == "lstm_attn"
    assert list(run.glob("wandb/offline-run-*")) != []


@pytest.mark.parametrize(("argument", "value"), [("project", "--"), ("init_timeout", 0)])
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        TrackioRun(**{argument: value})
