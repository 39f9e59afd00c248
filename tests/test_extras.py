"""One table of extras: equal to pyproject.toml, in the README, and asked before a run begins."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.launch import launch
from seq2seq_lab.extras import EXTRAS, install_line, is_installed, missing_extra, missing_for
from support.bad_input_files import assert_error_lines

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
CHOICES = {
    "spacy": ["data/tokenizer=spacy"],
    "jieba": ["data/tokenizer=jieba"],
    "tensorboard": ["training/logger=tensorboard"],
    "hf": ["data=hugging_face"],
    "trackio": ["training/logger=trackio"],
    "sweep": ["-m", "seed=1,2", "hydra/launcher=local"],
    "slurm": ["-m", "seed=1,2", "hydra/launcher=slurm"],
    "ray": ["-m", "seed=1,2", "hydra/launcher=ray_cluster"],
}


def test_the_table_has_the_extras_of_the_package():
    assert set(EXTRAS) == set(OPTIONAL)
    for name, extra in EXTRAS.items():
        packages = {re.match(r"[\w-]+", one)[0].replace("_", "-") for one in OPTIONAL[name]}
        modules = {module.rpartition(".")[2].replace("_", "-") for module in extra.modules}
        assert modules == packages, name


def test_the_readme_says_how_to_install_each():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in EXTRAS if f"`{install_line(name)}`" not in text] == []


def test_every_choice_that_needs_an_extra_is_tried_here():
    assert set(CHOICES) == {name for name, extra in EXTRAS.items() if extra.targets}


@pytest.fixture
def without(monkeypatch):
    """Hide modules of an extra from the import system."""

    def hide(extra):
        real = sys.modules["importlib.util"].find_spec
        hidden = EXTRAS[extra].modules

        def find(name, package=None):
            return None if name in hidden else real(name, package)

        monkeypatch.setattr("importlib.util.find_spec", find)

    return hide


@pytest.mark.parametrize("extra", CHOICES)
def test_a_choice_whose_extra_is_missing_is_refused_before_the_run(
    extra, without, monkeypatch, capsys, tmp_path
):
    without(extra)
    monkeypatch.chdir(tmp_path)
    flags = [text for text in CHOICES[extra] if text.startswith("-")]
    rest = [text for text in CHOICES[extra] if text not in flags]
    monkeypatch.setattr(sys, "argv", ["train.py", *flags, "debug=tiny", "data=copy", *rest])
    assert launch(lambda cfg: pytest.fail("the run began")) == 2
    err = capsys.readouterr().err
    assert_error_lines(err)
    assert f"is not installed; {install_line(extra)}" in err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_refuses_a_run_and_not_a_look_at_its_config(without):
    without("tensorboard")
    cfg = compose_config(["training/logger=tensorboard"])
    assert missing_for(cfg.training.logger.tensorboard._target_) is not None
    assert missing_for("seq2seq_lab.training.logger.csv_metrics.OnlyCsv") is None


def test_what_is_there_is_not_missing():
    assert is_installed("json.decoder")
    assert not is_installed("json.nowhere")
    assert not is_installed("nowhere.at_all")
    assert missing_extra("sweep") is None or not is_installed("joblib")
