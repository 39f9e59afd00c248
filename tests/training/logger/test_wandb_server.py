"""The stand-in for a W&B server takes what the real client sends, and says so when it does not understand it."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from support.wandb_server import Server, serve

pytest.importorskip("wandb")

SETTINGS = "settings=wandb.Settings(console='off', silent=True, init_timeout=10)"
BEGIN = (
    f"import wandb\nrun = wandb.init(project='p', id='a', resume='allow', name='n', {SETTINGS})\n"
)


def client(server: Server, folder: Path, code: str, *options: str, **variables: str) -> str:
    """Run the code with the real client, and return what it printed."""
    line = [sys.executable, *(options or ("-c", code))]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    clean |= {"HOME": str(folder), **server.environment, **variables}
    done = subprocess.run(
        line, cwd=folder, env=clean, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ROWS = """
for _ in range(3):
    run.log({"loss": 1.5}, step=run.starting_step + _)
run.summary["best"] = 0.5
run.finish(0)
"""

CONTENT = """
from pathlib import Path
run.log({"table": wandb.Table(columns=["word"], data=[["一"]])})
Path("weights").write_text("w")
model = wandb.Artifact("model", "model", metadata={"bleu": 3})
model.add_reference(Path("weights").resolve().as_uri())
run.log_artifact(model).wait()
run.use_artifact("model:latest")
data = wandb.Artifact("data", "dataset")
with data.new_file("facts.txt") as file:
    file.write("facts")
run.use_artifact(data)
run.alert("NaN", "the loss is not finite", level="ERROR")
run.mark_preempting()
run.finish(1)
"""

REPORT = """
import wandb
import wandb_workspaces.reports.v2 as wr
wandb.Api().create_project("p", "tester")
report = wr.Report(project="p", entity="tester", title="first")
report.blocks = [wr.PanelGrid(runsets=[wr.Runset(project="p", entity="tester")])]
report.save()
report.title = "second"
report.save()
"""


def test_a_resumed_run_is_one_run(tmp_path):
    with serve() as server:
        for _ in range(2):
            client(server, tmp_path, BEGIN + ROWS)
    run = server.records.run
    assert run.column("_step") == [0, 1, 2, 3, 4, 5]
    assert (run.name, run.state, run.exit_code) == ("n", "finished", 0)
    assert run.summary["best"] == 0.5


def test_files_alerts_and_artifacts_arrive(tmp_path):
    with serve() as server:
        client(server, tmp_path, BEGIN + CONTENT)
    run = server.records.run
    assert any(name.startswith("media/table/") for name in run.files)
    assert run.alerts == [{"title": "NaN", "text": "the loss is not finite", "severity": "ERROR"}]
    assert (run.preempting, run.state) == (True, "preempted")
    assert "model:v0" in run.logged
    assert run.used == ["model:v0", "data:v0"] or run.used == ["data:v0", "model:v0"]
    model, data = (server.records.artifact(name) for name in ("model", "data:latest"))
    assert model.manifest["weights"]["ref"] == (tmp_path / "weights").as_uri()
    assert (model.metadata, data.files["facts.txt"]) == ({"bleu": 3}, b"facts")


def test_an_offline_run_is_synced(tmp_path):
    with serve() as server:
        client(server, tmp_path, BEGIN + ROWS, WANDB_MODE="offline")
        assert server.records.runs == {}
        client(server, tmp_path, "", "-m", "wandb", "sync", "--yes")
    assert server.records.run.column("_step") == [0, 1, 2]
    assert server.records.run.state == "finished"


def test_a_report_is_saved_and_changed(tmp_path):
    pytest.importorskip("wandb_workspaces")
    with serve() as server:
        client(server, tmp_path, REPORT)
    (view,) = server.records.views.values()
    assert (view["displayName"], view["type"]) == ("second", "runs")


@pytest.mark.parametrize("mood", [401, 500, "silent"])
def test_a_server_in_a_bad_mood_takes_no_run(tmp_path, mood):
    slow = BEGIN.replace("init_timeout=10", "init_timeout=1")
    code = f"try:\n    exec({slow!r})\nexcept Exception:\n    import os\n    print('no', flush=True)\n    os._exit(0)"
    with serve(mood) as server:
        assert client(server, tmp_path, code) == "no\n"
    assert server.records.runs == {}


def test_what_is_not_known_is_refused():
    def ask() -> None:
        with serve() as server:
            body = b'{"query": "query Weather { sun }"}'
            with urllib.request.urlopen(f"{server.records.url}/graphql", body) as answer:
                assert b"does not know Weather" in answer.read()

    with pytest.raises(AssertionError, match="query Weather"):
        ask()


def test_lines_beyond_the_end_are_refused(tmp_path):
    with serve() as server:
        client(server, tmp_path, BEGIN + ROWS)
        with pytest.raises(ValueError, match="offset 4, but 3 lines"):
            server.records.run.stream(
                {"files": {"wandb-history.jsonl": {"offset": 4, "content": ["{}"]}}}
            )
