"""Each reproduction, with and without a preset, is a study whose prediction fits it and whose arms train."""

import itertools
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.command_line import SHOWING
from seq2seq_lab.config.compose import compose, compose_config, conf_dir, session
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.study.matrix import SEED_KEY, Study
from seq2seq_lab.study.plan import plan
from support.small_runs import assemble, trainer

EXPERIMENTS = conf_dir() / "experiment"
REPRODUCTIONS = sorted(
    p.stem for p in EXPERIMENTS.glob("*.yaml") if "\nprediction:" in p.read_text()
)
PRESETS = sorted(p.stem for p in (conf_dir() / "preset").glob("*.yaml"))
SPLITS = ("train", "val", "test")
CASES = [(name, preset) for name in REPRODUCTIONS for preset in (None, *PRESETS)]


def words_of(name: str, preset: str | None) -> list[str]:
    return [f"experiment={name}", *([] if preset is None else [f"preset={preset}"])]


@cache
def sweep(name: str, preset: str | None) -> dict[str, tuple[str, ...]]:
    """Return what the sweep of the study runs over, seeds included."""
    words = SimpleNamespace(overrides=words_of(name, preset), **dict.fromkeys(SHOWING))
    with session(str(conf_dir()), words) as opened:
        pairs = [text.partition("=")[::2] for text in opened.sweep_parameters]
    return {key: tuple(values.split(",")) for key, values in pairs}


@cache
def planned(name: str, preset: str | None) -> Study:
    """Return the plan of the first seed. Raises `ConfigError` for a prediction that does not fit."""
    factors = {**sweep(name, preset), SEED_KEY: ("1",)}
    choices = ([f"{key}={value}" for value in values] for key, values in factors.items())
    jobs = [[*words_of(name, preset), *job] for job in itertools.product(*choices)]
    study, broken = plan(name, Path("unused"), jobs, lambda words: compose(list(words)))
    assert broken == {}
    return study


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_the_prediction_fits_the_plan(name, preset):
    prediction = planned(name, preset).prediction
    assert prediction is not None
    assert prediction["tests"]
    assert len(sweep(name, preset)[SEED_KEY]) >= prediction["seeds"]


def test_planted_arm_that_is_not_planned_is_refused(monkeypatch):
    monkeypatch.setitem(sweep("g2p_cmudict", None), "model/attention", ("none", "dot"))
    with pytest.raises(ConfigError, match="attention=additive fits no arm"):
        planned.__wrapped__("g2p_cmudict", None)


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_every_preset_is_a_study_of_its_own(name, preset):
    found = compose(words_of(name, preset))["study"]
    assert found == "_".join(filter(None, (name, preset)))


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*/*.yaml")), ids=lambda p: p.parent.name)
def test_every_preset_belongs_to_an_experiment(path):
    assert path.stem in PRESETS
    assert path.parent.with_suffix(".yaml").is_file()


def stand_in(words: tuple[str, ...], folder: Path) -> list[str]:
    """Return the overrides by which a run reads a few lines of another text where its own is not shipped."""
    corpus = compose(list(words))["data"]["corpus"]["_target_"].rpartition(".")[2]
    few = ["data.max_pairs=600", *map("data.corpus.num_{}={}".format, SPLITS, (600, 8, 8))]
    if corpus == "Multi30k":
        return ["data=phrases", "~data.form", *few]
    if corpus == "Cmudict":
        lines = [f"{chr(97 + i % 26)}{chr(97 + i // 26)} K AE{i % 3} T" for i in range(260)]
        (folder / "words.dict").write_text("\n".join([*lines, ""]))
        return [few[0], f"data.path={folder / 'words.dict'}", "data.val_fraction=0.1"]
    if corpus == "Scan":
        pairs = [
            f"IN: {w} {n} OUT: {f'I_{w} ' * n}" for w in ("jump", "walk") for n in range(1, 60)
        ]
        for part in ("train", "test"):
            for split in ("simple", "length", "addprim_jump"):
                (folder / f"tasks_{part}_{split}.txt").write_text("\n".join([*pairs, ""]))
        return [few[0], f"data.root={folder}", "data.val_fraction=0.2"]
    return few


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_the_first_and_the_last_arm_pass_the_check_and_train_two_batches(name, preset, tmp_path):
    for run in (planned(name, preset).runs[0], planned(name, preset).runs[-1]):
        words = [*run.overrides, "debug=tiny", *stand_in(run.overrides, tmp_path)]
        check(compose_config(words))
        parts = assemble(*words)
        fit = trainer(tmp_path, limit_train_batches=2, limit_val_batches=1)
        fit.fit(parts.module, parts.data)
        assert fit.global_step == 2


def test_each_rung_of_the_ladder_adds_to_the_one_before():
    runs = planned("luong_ladder", None).runs
    assert len({run.content_hash for run in runs}) == 9
    last = compose(list(runs[-1].overrides))
    assert last["model"]["dropout"] > 0
    assert last["decoding"]["replace_unknown"]
    assert last["model"]["decoder"]["input_feeding"]
    assert last["model"]["encoder"]["reverse_source"]
