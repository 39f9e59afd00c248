"""The schema of `prediction:`, and its check against the plan of a study before the first run."""

import copy
from itertools import product
from pathlib import Path

import pytest
import yaml

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.study.matrix import arm_label
from seq2seq_lab.study.plan import plan
from seq2seq_lab.study.prediction import arm_of, check_plan, fingerprint, searches_of
from seq2seq_lab.study.prediction_schema import Part, parsed

FACTORS = ("model/attention", "model.dim")
ARMS = {
    f"attention={a}, dim={d}": {"model/attention": a, "model.dim": d}
    for a in ("none", "dot") for d in ("16", "1e-3")
}  # fmt: skip
GOOD = {
    "claim": "attention helps",
    "source": "a paper",
    "shape": "the more, the longer",
    "published": [{"setting": "elsewhere", "number": 28.3}],
    "seeds": 3,
    "by": "model.dim",
    "tests": [
        {"says": "it gains", "arm": {"model/attention": "dot", "model.dim": 16},
         "minus": {"model/attention": "none", "model.dim": 16}, "part": {"source_length": [3, 5]}, "at_least": 1},
        {"says": "it grows", "sum": [{"times": 1.3, "arm": {"model/attention": "dot", "model.dim": 0.001},
                                      "part": {"source_quarter": 4}}],
         "metric": "bleu", "judge": "each_seed", "at_least": 0, "at_most": 50.5},
    ],
}  # fmt: skip


def changed(path: str, value: object) -> dict:
    """Return the good prediction with another value at a path such as tests.0.arm; DELETE takes it out."""
    found = copy.deepcopy(GOOD)
    *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    node = found
    for part in parents:
        node = node[part]
    if value is DELETE:
        del node[last]
    else:
        node[last] = value
    return found


DELETE = object()


def test_a_prediction_is_read_whole():
    found = parsed(GOOD)
    assert (found.seeds, found.by, found.published) == (3, "model.dim", (("elsewhere", "28.3"),))
    first, second = found.tests
    assert [(t.times, t.part) for t in first.terms] == [(1, Part(3, 5)), (-1, Part(3, 5))]
    assert [(t.times, t.part) for t in second.terms] == [(1.3, Part(quarter=4))]
    assert first.wanted == "at least 1, the interval"
    assert second.wanted == "at least 0 and at most 50.5, every seed"
    check_plan(GOOD, FACTORS, ARMS)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("claims", "x", r"prediction\.claims: no such key; did you mean claim\?"),
        ("source", DELETE, r"prediction\.source: missing"),
        ("seeds", 0, r"prediction\.seeds=0: must be a whole number >= 1"),
        ("tests", [], r"prediction\.tests: none; write one test"),
        ("tests", {}, r"prediction\.tests: must be a list"),
        ("published/0", {"settings": "x"}, r"prediction\.published\[0\]\.settings: no such key; did you mean setting"),
        ("tests/0/says", DELETE, r"prediction\.tests\[0\]\.says: missing"),
        ("tests/0/arm", DELETE, r"prediction\.tests\[0\]: needs one of `arm`"),
        ("tests/0/sum", [], r"prediction\.tests\[0\]: needs one of `arm`"),
        ("tests/0/arm", "dot", r"prediction\.tests\[0\]\.arm=dot: must map factors to values"),
        ("tests/0/arm", {"model/atention": "dot"},
         r"tests\[0\]\.arm: model/atention is no factor of this study; did you mean model/attention\?"),
        ("tests/0/arm", {"model/attention": "dott", "model.dim": 16},
         r"tests\[0\]\.arm: attention=dott, dim=16 fits no arm of this study; did you mean attention=dot, dim=16\?"),
        ("tests/0/minus", {"model/attention": "none"}, r"tests\[0\]\.minus: attention=none fits 2 arms"),
        ("tests/1/sum/0/arm", {}, r"tests\[1\]\.sum\[0\]\.arm: all fits 4 arms"),
        ("tests/1/sum/0/times", 0, r"tests\[1\]\.sum\[0\]\.times: must be a number other than 0"),
        ("tests/1/minus", {}, r"tests\[1\]\.minus: does not go with `sum`"),
        ("tests/1/metric", "belu", r"tests\[1\]\.metric=belu: no such metric; did you mean bleu\?"),
        ("tests/0/metric", "loss", r"tests\[0\]\.part: loss is not determined by sentences"),
        ("tests/0/metric", "val/bleu", r"tests\[0\]\.part: val/bleu is not determined by sentences"),
        ("tests/0/part", {"source_length": [5, 3]}, r"tests\[0\]\.part\.source_length=\[5, 3\]: must be"),
        ("tests/0/part", {"source_quarter": 5}, r"tests\[0\]\.part\.source_quarter=5: must be 1, 2, 3 or 4"),
        ("tests/0/part", {}, r"tests\[0\]\.part: needs one of source_length and source_quarter"),
        ("tests/0/judge", "means", r"tests\[0\]\.judge=means: must be one of .*did you mean mean\?"),
        ("tests/0/at_least", DELETE, r"tests\[0\]: no bound; give at_least, at_most or both"),
        ("tests/1/at_most", -1, r"tests\[1\]\.at_least=0: must be <= at_most, which is -1"),
        ("tests/0/at_least", "7", r"tests\[0\]\.at_least=7: must be a number"),
        ("tests/0/at_least", True, r"tests\[0\]\.at_least=True: must be a number"),
        ("by", "dim", r"prediction\.by=dim: no factor of this study"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key(path, value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_plan(changed(path, value), FACTORS, ARMS)
    assert "\n" not in str(caught.value)


def test_an_arm_is_found_by_texts_and_numbers():
    assert arm_of({"model/attention": "dot", "model.dim": 16}, ARMS, "x") == "attention=dot, dim=16"
    arms = {"tie=true": {"tie": "true"}, "tie=null": {"tie": "null"}}
    assert arm_of({"tie": True}, arms, "x") == "tie=true"
    assert arm_of({"tie": None}, arms, "x") == "tie=null"


def test_a_search_is_not_planned_and_may_be_named():
    arm = {"model/attention": "dot", "model.dim": 16, "search": "beam_5"}
    check_plan(changed("tests/0/arm", arm), FACTORS, ARMS)


@pytest.mark.parametrize(
    ("arm", "metric", "message"),
    [
        (
            {"search": "beam_21"},
            None,
            r"search=beam_21: no search of this study; did you mean beam_12",
        ),
        ({}, "length_ratio", "length_ratio is a number of searches; name one"),
    ],
)
def test_a_search_that_no_run_will_make_is_refused_before_training(arm, metric, message):
    config = {
        "decoding": {"_target_": "a.Greedy"},
        "training": {"callback": {"searches": {"searches": {"beam_12": []}}}},
    }
    known = searches_of(config)
    right = {"model/attention": "dot", "model.dim": 16}
    fine = {**changed("tests/0/arm", {**right, "search": "greedy"})}
    fine["tests"] = [
        fine["tests"][0] | {"minus": {**right, "search": "beam_12"}, "metric": "length_ratio"}
    ]
    fine["tests"][0].pop("part")
    check_plan(fine, FACTORS, ARMS, known)
    wrong = {**fine, "tests": [fine["tests"][0] | {"arm": right | arm, "metric": metric}]}
    with pytest.raises(ConfigError, match=message):
        check_plan(wrong, FACTORS, ARMS, known)
    assert searches_of({"decoding": {}, "training": {"callback": None}}) == []


def test_the_fingerprint_does_not_depend_on_the_order_of_keys():
    other = dict(reversed(GOOD.items()))
    assert fingerprint(other) == fingerprint(GOOD)
    assert fingerprint(changed("seeds", 4)) != fingerprint(GOOD)


CONF = Path(__file__).resolve().parents[2] / "conf" / "experiment"
EXPECTING = [
    p for p in sorted(CONF.glob("*.yaml")) if "\nprediction:" in p.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", EXPECTING, ids=lambda path: path.stem)
def test_every_experiment_predicts_of_the_arms_that_it_sweeps(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    params = config["hydra"]["sweeper"]["params"]
    factors = {key: str(values).split(",") for key, values in params.items() if key != "seed"}
    rows = [dict(zip(factors, row, strict=True)) for row in product(*factors.values())]
    check_plan(config["prediction"], factors, {arm_label(row): row for row in rows})
    assert config["prediction"]["seeds"] <= len(str(params["seed"]).split(","))


# before the first run


def planned(tmp_path, predictions):
    """Plan two arms whose configs hold these predictions, one after the other."""
    found = iter(predictions)

    def compose(overrides):
        data = {"monitor": "val/chrf"}
        return {"seed": 1, "prediction": next(found), "data": data, "torch_threads": 1, "n": overrides}  # fmt: skip

    jobs = [[f"model/attention={a}", "seed=1"] for a in ("none", "dot")]
    return plan("s", tmp_path / "s", jobs, compose)[0]


def small(arm: dict) -> dict:
    test = {"says": "it is good", "arm": arm, "at_least": 1}
    return {"claim": "c", "source": "s", "shape": "h", "tests": [test]}


def test_the_plan_of_a_study_refuses_an_arm_that_it_lacks(tmp_path):
    good = small({"model/attention": "dot"})
    assert planned(tmp_path, [good, good]).prediction == good
    wrong = small({"model/attention": "doot"})
    with pytest.raises(
        ConfigError, match=r"attention=doot fits no arm.*did you mean attention=dot"
    ):
        planned(tmp_path, [wrong, wrong])
    with pytest.raises(ConfigError, match="differs between the runs"):
        planned(tmp_path, [good, None])
