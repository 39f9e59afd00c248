"""A study with a prediction, as a command: a mistake is refused before the first run, the verdict told at the end."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from support.small_studies import conf, launch

EXPERIMENT = """
# @package _global_
study: expected
hydra:
  mode: MULTIRUN
  sweeper: {{params: {{model.dim: "16,32", seed: "1,2"}}}}
prediction:
  claim: wider is better
  source: none
  shape: it rises
  seeds: 2
  tests: [{{says: it rises, arm: {{model.dim: {dim}}}, minus: {{model.dim: 16}}, judge: each_seed, at_least: 16}}]
"""


def run(cfg) -> None:
    """Write the files of a run that no sentence determines."""
    folder = Path(cfg.run_dir)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    (folder / "result.json").write_text(json.dumps({"test/bleu": cfg.seed * cfg.model.dim}))


@pytest.fixture
def expecting(tmp_path, monkeypatch):
    """Write an experiment that predicts of an arm, and run it."""
    monkeypatch.chdir(tmp_path)
    path = conf() / "experiment" / "expected.yaml"

    def start(dim: int) -> int:
        path.write_text(EXPERIMENT.format(dim=dim).lstrip())
        return launch("experiment=expected", main=run)

    yield start
    path.unlink()


def test_the_verdict_is_told_when_the_study_ends(expecting, capsys):
    assert expecting(32) == 0
    shown = capsys.readouterr().out
    assert "## Prediction: confirmed" in shown
    assert (
        "| it rises | 24.00 | seeds: 16.00 to 32.00 | at least 16, every seed | confirmed |"
        in shown
    )
    assert expecting(32) == 0  # all is done: it is told again
    assert "## Prediction: confirmed" in capsys.readouterr().out


def test_an_arm_that_is_not_planned_is_refused_before_the_first_run(expecting, capsys):
    assert expecting(64) == 2
    assert "prediction.tests[0].arm: dim=64 fits no arm of this study" in capsys.readouterr().err
    assert not Path("outputs").exists()
