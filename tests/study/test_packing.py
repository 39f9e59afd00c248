"""Which runs share a pack; the planted mistakes: too few differences seen, or too many."""

import copy

import pytest

from seq2seq_lab.config.compose import compose
from seq2seq_lab.study.packing import has_own_batches, packs, reason_alone


@pytest.fixture(scope="module")
def config():
    return compose(["data=copy"])


def changed(config, **values):
    made = copy.deepcopy(config)
    for path, value in values.items():
        *nodes, key = path.split("__")
        node = made
        for name in nodes:
            node = node[name]
        node[key] = value
    return made


def seeds(config, *numbers):
    return [changed(config, seed=n, data__seed=n, run_dir=f"run{n}") for n in numbers]


def test_runs_that_differ_in_the_seed_are_a_pack(config):
    assert packs(seeds(config, 1, 2, 3), 8) == [[0, 1, 2]]


def test_arms_have_packs_of_their_own(config):
    wide = changed(config, model__decoder__dim=64)
    both = [*seeds(config, 1), *seeds(wide, 1), *seeds(config, 2), *seeds(wide, 2)]
    assert packs(both, 8) == [[0, 2], [1, 3]]


def test_recording_and_name_make_no_difference(config):
    again = changed(config, seed=2, name="other", resume="auto", training__logger=None)
    assert packs([config, again], 8) == [[0, 1]]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("torch_threads", 3),
        ("data__max_pairs", 5),
        ("training__optimizer__lr", 0.5),
        ("data__corpus__corpus_seed", 2),
    ],
)
def test_any_other_difference_makes_another_pack(config, path, value):
    assert packs([config, changed(config, **{path: value})], 8) == [[0], [1]]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (9, 8, [5, 4]),
        (8, 8, [8]),
        (5, 2, [2, 2, 1]),
        (1, 8, [1]),
        (3, 1, [1, 1, 1]),
        (17, 8, [6, 6, 5]),
    ],
)
def test_packs_are_of_equal_size(config, count, size, expected):
    found = packs(seeds(config, *range(count)), size)
    assert [len(pack) for pack in found] == expected
    assert [number for pack in found for number in pack] == list(range(count))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("devices", 2), ("devices", "auto"), ("num_nodes", 2), ("strategy", "ddp"), ("accelerator", "mps"),
        ("precision", "16-mixed"), ("precision", "bf16-true"), ("max_time", "00:01:00:00"),
        ("profiler", "simple"), ("detect_anomaly", True),
    ],
)  # fmt: skip
def test_what_no_pack_can_have_goes_alone(config, key, value):
    wrong = changed(config, **{f"training__trainer__{key}": value})
    assert reason_alone(wrong) == f"training.trainer.{key}={value}"
    assert packs(seeds(wrong, 1, 2), 8) == [[0], [1]]


def test_a_bar_of_rich_goes_alone(config):
    bar = "pytorch_lightning.callbacks.RichProgressBar"
    wrong = changed(config, training__callback__progress={"_target_": bar})
    assert reason_alone(wrong) == f"training.callback.progress._target_={bar}"
    assert packs(seeds(wrong, 1, 2), 8) == [[0], [1]]


def test_the_defaults_are_no_reason(config):
    assert reason_alone(config) is None
    assert reason_alone({}) is None


def test_own_batches_follow_from_the_seed_of_the_data(config):
    assert has_own_batches(seeds(config, 1, 2))
    assert not has_own_batches([changed(one, data__seed=1) for one in seeds(config, 1, 2)])
