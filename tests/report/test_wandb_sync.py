"""What `seq2seq-lab sync` sends to a stand-in server by the real client: runs, Report; and the addresses it writes."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hydra_plugins import seq2seq_lab_study
from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.errors import ResourceError
from seq2seq_lab.files import locked
from seq2seq_lab.report import wandb_publish, wandb_sync
from seq2seq_lab.report.wandb_place import offline_runs, read_kept, write_kept
from seq2seq_lab.report.wandb_publish import publish
from seq2seq_lab.study.matrix import Study
from seq2seq_lab.study.run import write_done
from seq2seq_lab.training.logger import wandb_request
from seq2seq_lab.training.logger.wandb_session import stored_run
from support.wandb_server import Server, serve
from support.wandb_study import study_with_runs, without_account


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A study whose four runs were recorded offline."""
    place = tmp_path_factory.mktemp("studies") / "one"
    with pytest.MonkeyPatch.context() as patch:
        without_account(patch, place.parent / "home")
        return study_with_runs(place)


@pytest.fixture
def place(recorded, tmp_path, monkeypatch) -> Path:
    """A copy of it, in an environment without an account."""
    without_account(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(recorded, tmp_path / "one", symlinks=True)


def log_in(server: Server, patch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        patch.setenv(name, value)


def manifests(place: Path) -> dict[str, dict]:
    found = sorted((place / "runs").glob("*/manifest.json"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in found}


def arrived_and_are_linked(server: Server, place: Path) -> None:
    """Law: every run of the study is on the server, and its manifest and the report page have its address there."""
    page = (place / "report" / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(http[^"]+)"', page)
    found = manifests(place)
    for manifest in found.values():
        run = server.records.runs[manifest["wandb"]["id"]]
        url = f"{server.records.url}/{run.entity}/{run.project}/runs/{run.id}"
        assert manifest["wandb"]["url"] == url
        assert url in links
        assert (run.project, run.group, run.column("val/exact_match")) == ("lab", "one", [50.0])
    assert len(links) == len(found)


def test_a_study_arrives_with_its_report_and_the_report_is_saved_again(place, capsys, monkeypatch):
    with serve() as server:
        log_in(server, monkeypatch)
        assert carry_out(["sync", str(place)]) == 0
        err = capsys.readouterr().err
        assert len(server.records.runs) == 5
        arrived_and_are_linked(server, place)
        kept = read_kept(place)
        assert kept["url"] in err
        assert "5 offline runs sent, 0 were sent before" in err
        first = dict(server.records.views[kept["report"]])
        assert carry_out(["sync", str(place)]) == 0
        assert "0 offline runs sent, 5 were sent before" in capsys.readouterr().err
        assert len(server.records.runs) == 5
        assert set(server.records.views) == {kept["report"], kept["workspace"]}
        assert read_kept(place) == kept
        assert not Path("wandb").exists()  # in the working folder
        again = server.records.views[kept["report"]]
    (own,) = [run for run in server.records.runs.values() if run.job_type == "report"]
    assert stored_run(place / "wandb")["url"].endswith(f"/runs/{own.id}")
    assert {"arms", "arms/means", "arms/intervals", "arms/curves", "comparisons"} <= {
        name.removesuffix("_table") for name in own.summary
    }
    assert (first["displayName"], first["type"], again["displayName"]) == ("one", "runs", "one")


def test_a_run_and_a_folder_of_runs_are_sent(place, capsys, monkeypatch):
    first = sorted((place / "runs").iterdir())[0]
    with serve() as server:
        log_in(server, monkeypatch)
        assert carry_out(["sync", str(first), "--project", "other"]) == 0
        assert [run.project for run in server.records.runs.values()] == ["other"]
        assert carry_out(["sync", str(place / "runs"), "--dry-run"]) == 0
        listed = capsys.readouterr().out.split()
        assert len(listed) == 3  # the first is there
        assert carry_out(["sync", str(place / "runs")]) == 0
        assert len(server.records.runs) == 4
    assert all("url" in manifest["wandb"] for manifest in manifests(place).values())
    assert "/other/runs/" in manifests(place)[first.name]["wandb"]["url"]
    assert server.records.views == {}


@pytest.mark.slow
def test_a_study_that_is_online_is_one_run_with_one_report(place, capsys, monkeypatch):
    with serve() as server:
        log_in(server, monkeypatch)
        study = Study.load(place)
        log_study_online(study)
        first = read_kept(place)
        write_kept(place, logged="other numbers")
        log_study_online(study)
        (run,) = server.records.runs.values()
        assert len(run.column("arms")) == 2  # the newer table follows the older one
        assert set(server.records.views) == {first["report"], first["workspace"]}
    assert capsys.readouterr().err.count(f"report at {first['url']}") == 2


def log_study_online(study: Study) -> None:
    """Do what the end of an online study does."""
    for config in study.place.glob("runs/*/config.yaml"):
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("offline", "online"), encoding="utf-8")
        done = json.loads((config.parent / "done.json").read_text(encoding="utf-8"))
        write_done(config.parent, done["content_hash"], done["seconds"])
    seq2seq_lab_study._log(study)


def test_a_run_that_is_still_training_is_left_out(place, capsys):
    first = sorted((place / "runs").iterdir())[0]
    with locked(first / ".lock", ""):
        assert carry_out(["sync", str(place), "--dry-run"]) == 0
        printed = capsys.readouterr()
        assert len(printed.out.split()) == 3
        assert f"{first.name}: still runs" in printed.err
    assert carry_out(["sync", str(place), "--dry-run"]) == 0
    assert len(capsys.readouterr().out.split()) == 4


def test_without_an_account_one_line_says_what_to_do(place, capsys):
    assert carry_out(["sync", str(place)]) == ResourceError.exit_code
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "wandb login" in line
    assert not any("url" in manifest.get("wandb", {}) for manifest in manifests(place).values())


def test_a_report_that_cannot_be_saved_costs_one_line(place, capsys, monkeypatch):
    assert publish(place) is None
    monkeypatch.setattr(wandb_publish, "missing_extra", lambda _: "the package is missing")
    assert publish(place) is None
    first, second = capsys.readouterr().err.strip().splitlines()
    assert "wandb login" in first
    assert f"seq2seq-lab sync {place}" in first
    assert second == "W&B: no Report of the study: the package is missing"


def test_a_silent_server_ends_the_command(place, monkeypatch):
    with serve("silent") as server:
        log_in(server, monkeypatch)
        with pytest.raises(ResourceError, match="no answer within 1 s"):
            wandb_request.ask({"do": "account"}, 1.0)
        with pytest.raises(ResourceError, match="not finished within 1 s"):
            list(wandb_sync._printed(["--yes", *map(str, offline_runs(place))], 1.0))


def test_a_wrong_key_is_one_line(place, capsys, monkeypatch):
    with serve(401) as server:
        log_in(server, monkeypatch)
        assert carry_out(["sync", str(place / "runs")]) != 0
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: W&B: ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["none"], "no such folder"),
        (["one/report"], "no W&B runs"),
        (["one", "--timeout", "0"], "must be over 0"),
    ],
)
def test_what_cannot_be_sent_is_refused(place, capsys, words, text):
    assert carry_out(["sync", *words]) in {2, 3}
    assert text in capsys.readouterr().err


# planted bug


def test_planted_lost_address_is_caught(place, monkeypatch):
    monkeypatch.setattr(wandb_sync, "_store", lambda *_: None)
    with serve() as server:
        log_in(server, monkeypatch)
        assert carry_out(["sync", str(place / "runs")]) == 0
    with pytest.raises((AssertionError, KeyError)):
        arrived_and_are_linked(server, place)
