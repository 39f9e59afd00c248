"""A real `wandb agent` process drives train.py through the sweep file that the docs ship."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.training.logger.wandb_sweep import beside_parameters
from support.small_runs import ROOT, TINY_RUN
from support.wandb_server import Server, serve

sweeps = pytest.importorskip("wandb.sdk.launch.sweeps.utils")

SHIPPED = ROOT / "docs" / "wandb_sweep.yaml"


def arguments(**parameters: Any) -> list[str]:
    """Return what `${args_no_hyphens}` becomes."""
    command = {"args": {name: {"value": value} for name, value in parameters.items()}}
    return sweeps.create_sweep_command_args(command)["args_no_hyphens"]


def wandb(server: Server, folder: Path, *words: str, timeout: int = 60) -> None:
    """Run the command `wandb` as a user of the environment does."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean |= {"HOME": str(folder), "PATH": path, "OMP_NUM_THREADS": "1", **server.environment}
    line = [sys.executable, "-m", "wandb", *words]
    done = subprocess.run(
        line, cwd=folder, env=clean, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def small_sweep(folder: Path, parameters: dict[str, Any]) -> Path:
    """Write the shipped sweep with other parameters, small data and the program of this checkout."""
    sweep = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    sweep |= {"parameters": parameters, "program": str(ROOT / "train.py")}
    sweep["command"][-1:] = [*TINY_RUN, "training/logger=wandb", sweep["command"][-1]]
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return path


def test_each_run_of_the_shipped_sweep_composes():
    sweep = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert sweep["metric"] == {"name": "val/bleu", "goal": "maximize"}
    for name, space in sweep["parameters"].items():
        for value in space["values"]:
            cfg = compose_config(arguments(**{name: value}))
            check(cfg)
    assert cfg.data.monitor == sweep["metric"]["name"]


@pytest.mark.parametrize(
    "value", [3, 0.001, 1e-05, True, "lstm_attn", [1, 2], ["train.de", "train.en"]]
)
def test_a_value_of_a_sweep_reaches_hydra_as_it_is(value):
    (word,) = arguments(**{"training.key": value})
    read = OverridesParser.create().parse_override(word)
    assert (read.key_or_group, read.value(), read.is_sweep_override()) == (
        "training.key",
        value,
        False,
    )


@pytest.mark.parametrize(
    ("name", "value"), [("model.dim", None), ("training.optimizer", {"lr": 1}), ("model", "a,b")]
)
def test_a_value_that_hydra_cannot_take_is_refused(name, value):
    with pytest.raises(Exception, match=name):
        check(compose_config(arguments(**{name: value})))


@pytest.fixture
def parameters(tmp_path, monkeypatch):
    """The file in which an agent gives a run its parameters."""
    path = tmp_path / "config-run.yaml"
    path.write_text("wandb_version: 1\nmodel: {value: lstm}\nseed: {value: 2}\n", encoding="utf-8")
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(path))
    return path


CONFIG = {"model": {"dim": 8}, "data": {"seed": 1}, "seed": 2}


def test_the_model_stays_in_the_config_beside_the_parameter_of_its_name(parameters):
    assert beside_parameters(CONFIG) == {
        "model_config": {"dim": 8},
        "data": {"seed": 1},
        "seed": 2,
    }


def test_a_run_without_parameters_keeps_its_config(parameters, monkeypatch):
    parameters.write_text("no: [yaml", encoding="utf-8")
    assert beside_parameters(CONFIG) == CONFIG
    monkeypatch.delenv("WANDB_SWEEP_PARAM_PATH")
    assert beside_parameters(CONFIG) == CONFIG


@pytest.mark.slow  # four runs, one after the other
def test_an_agent_trains_the_runs_of_a_sweep(tmp_path):
    parameters = {
        "model": {"values": ["lstm", "lstm_attn"]},
        "training.optimizer.lr": {"values": [0.02, 0.01]},
        "model/bridge": {"value": "linear"},
    }
    with serve() as server:
        wandb(server, tmp_path, "sweep", str(small_sweep(tmp_path, parameters)))
        (sweep,) = server.records.sweeps.values()
        wandb(server, tmp_path, "agent", f"tester/seq2seq-lab/{sweep.id}", timeout=280)
    runs = list(server.records.runs.values())
    assert (sweep.state, [run.id for run in runs]) == ("FINISHED", sweep.runs)
    assert [run.state for run in runs] == ["finished"] * 4
    assert {run.sweep for run in runs} == {sweep.id}
    trained = [run.config["training"]["optimizer"]["lr"] for run in runs]
    assert [(run.config["model"], lr) for run, lr in zip(runs, trained, strict=True)] == [
        ("lstm", 0.02),
        ("lstm", 0.01),
        ("lstm_attn", 0.02),
        ("lstm_attn", 0.01),
    ]
    assert all(len(run.column("val/bleu")) >= 2 for run in runs)
    assert all(run.config["model_config"]["dim"] == 16 for run in runs)
    assert len({run.name for run in runs}) == 4
