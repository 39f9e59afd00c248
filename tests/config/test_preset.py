"""`preset=NAME` adds a preset of the experiment, everywhere a config is composed; never none without a word."""

import sys
from argparse import Namespace

import pytest

from seq2seq_lab.commands import train as train_command
from seq2seq_lab.config.completion import complete_override
from seq2seq_lab.config.compose import compose
from seq2seq_lab.config.launch import launch
from seq2seq_lab.errors import ConfigError

FULL = ("experiment=synthetic_length", "preset=full")
MINE = {
    "experiment/mine.yaml": "# @package _global_\nseed: 5\nstudy: mine\n",
    "experiment/plain.yaml": "# @package _global_\nseed: 7\n",
    "experiment/mine/full.yaml": "# @package _global_\nseed: 11\nstudy: mine_full\n",
    "experiment/mine/quick.yaml": "# @package _global_\nseed: 13\nstudy: mine_quick\n",
    "preset/quick.yaml": "# @package _global_\n",
}


@pytest.fixture
def mine(tmp_path):
    """A folder with experiments of one's own, one of them with presets."""
    for name, text in MINE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def command(monkeypatch, capsys):
    """Launch a command line of train.py and return its exit code, standard output and errors."""

    def run(*arguments, task=train_command.main):
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        code = launch(task)
        found = capsys.readouterr()
        return code, found.out, found.err

    return run


def test_a_preset_comes_after_its_experiment():
    before, after = compose([FULL[0]]), compose([*FULL])
    assert (before["study"], after["study"]) == ("synthetic_length", "synthetic_length_full")
    assert after["training"]["trainer"]["max_epochs"] > before["training"]["trainer"]["max_epochs"]
    assert after["model"] == before["model"]
    assert compose([*reversed(FULL)]) == after


def test_the_command_line_comes_after_the_preset():
    given = compose([*FULL, "training.trainer.max_epochs=3", "study=other", "debug=tiny"])
    assert given["training"]["trainer"]["max_epochs"] == 3
    assert (given["study"], given["model"]["dim"]) == ("other", 16)


def test_no_preset_leaves_nothing_in_the_config():
    assert "preset" not in compose([*FULL])
    assert "preset" not in compose([])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("preset=full",), r"preset=full: needs an experiment; those that have one: .*luong_ladder"),
        (
            ("preset=full", "experiment=attention_vs_none"),
            "preset=full: experiment=attention_vs_none has none; those that have one: .*luong_ladder",
        ),
        ((FULL[0], "preset=fll"), "preset=fll: no such option; did you mean full"),
        (("experiment=luong_ladder/full",), "no experiment; write experiment=luong_ladder preset=full"),
        (
            ("experiment=luong_ladder/rung/base",),
            "no experiment; write experiment=luong_ladder experiment/luong_ladder/rung=base",
        ),
        (("preset=fll",), "preset=fll: no such option; did you mean full"),
        (("experiment=synthetic_lenght", "preset=full"), "^(?!.*preset=)experiment=synthetic_lenght: no such"),
    ],
)  # fmt: skip
def test_a_preset_that_changes_nothing_is_refused(words, said):
    with pytest.raises(ConfigError, match=said) as caught:
        compose(list(words))
    assert "\n" not in str(caught.value)


def test_the_command_shows_what_a_preset_says(command):
    code, shown, _ = command(*FULL, "--cfg", "all")
    assert code == 0
    assert "study: synthetic_length_full" in shown
    assert "seed: 1,2,3,4,5,6,7,8,9,10" in shown


def test_the_command_refuses_to_show_what_would_be_the_plain_experiment(command):
    code, shown, said = command("experiment=attention_vs_none", "preset=full", "--cfg", "job")
    assert (code, shown) == (2, "")
    assert said.startswith("error: preset=full: experiment=attention_vs_none has none; those")


def test_a_sweep_runs_each_preset(command, mine):
    seen = []
    line = ["-m", "--config-dir", str(mine), "experiment=mine", "preset=quick,full", "study=null"]
    assert command(*line, task=lambda cfg: seen.append(cfg.seed))[0] == 0
    assert seen == [13, 11]


def test_a_sweep_with_an_experiment_that_lacks_the_preset_starts_no_run(command, mine):
    seen = []
    line = ["-m", "--config-dir", str(mine), "experiment=mine,plain", "preset=full", "study=null"]
    code, _, said = command(*line, task=lambda cfg: seen.append(cfg.seed))
    assert (code, seen) == (2, [])
    assert "preset=full: experiment=plain has none; those that have one: " in said
    assert "mine" in said


def test_presets_are_completed(mine):
    given = Namespace(overrides=[FULL[0]], config_dir=str(mine), config_name=None, multirun=False)
    assert complete_override("preset=", given) == ["preset=full", "preset=quick"]
    after = Namespace(overrides=[*FULL], config_dir=None, config_name=None, multirun=False)
    assert complete_override("model.enc", after) == ["model.encoder."]
