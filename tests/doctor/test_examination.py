"""The doctor: every named model is sound, and so is every other search, tying, stack and scheduled sampling."""

from dataclasses import replace
from itertools import product

import pytest

from seq2seq_lab.config.compose import compose, conf_dir
from seq2seq_lab.doctor.examination import CHECKS, FAIL, NOT_APPLICABLE, PASS, examine
from seq2seq_lab.doctor.patient import Patient, admit
from seq2seq_lab.doctor.properties import PROPERTIES
from support.doctor_findings import IDS, found, patient_of


def options(group: str) -> list[str]:
    """Return the names of conf/training/scheduled_sampling/GROUP."""
    folder = conf_dir() / "training" / "scheduled_sampling" / group
    return sorted(path.stem for path in folder.glob("*.yaml"))


def named_models() -> list[str]:
    """Return the files of conf/model."""
    return sorted(path.stem for path in (conf_dir() / "model").glob("[!_]*.yaml"))


def test_the_doctor_checks_the_properties_with_a_function_of_the_doctor():
    assert list(CHECKS) == IDS == [one.id for one in PROPERTIES.values() if one.doctor]


LONGEST = "O8"
BY_SPEED = [
    pytest.param(
        name, ids, id=f"{name}-{ids[0]}-{ids[-1]}", marks=pytest.mark.slow if is_slow else []
    )
    for number, name in enumerate(named_models())
    for ids, is_slow in (([i for i in IDS if i != LONGEST], False), ([LONGEST], number % 3))
]


def test_every_named_model_is_complete():
    assert all("_target_" in compose([f"model={name}"])["model"] for name in named_models())


@pytest.mark.parametrize(("name", "ids"), BY_SPEED)
def test_every_named_model_is_sound(name, ids):
    """O8 takes as long as all others: `make test` examines every third model by it, `make slow` the others too."""
    outcomes = found(replace(patient_of(f"model={name}"), seeds=(1,)), *ids)
    silent = {i for i, outcome in outcomes.items() if outcome != PASS}
    assert all(outcomes[i].startswith(NOT_APPLICABLE) for i in silent), outcomes
    assert silent - {"O25"} in (set(), {"O9", "O10"} & set(ids))  # these are about attention only
    assert ("O25" in silent) == ("O25" in ids)  # no named model copies


@pytest.mark.parametrize("name", ["lstm_attn", "transformer"])
def test_models_that_copy_are_sound(name):
    patient = patient_of(f"model={name}", "model/output=copy", "data.joint=true", "decoding=beam")
    outcomes = found(replace(patient, seeds=(1,)), *(i for i in IDS if i != LONGEST))
    assert set(outcomes.values()) == {PASS}, outcomes


@pytest.mark.parametrize(
    "overrides",
    [
        ("decoding=beam", "decoding/length_penalty=gnmt", "decoding.n_best=3"),
        pytest.param(("decoding=diverse_beam",), marks=pytest.mark.slow),
        pytest.param(("decoding=sample", "decoding.n_best=2"), marks=pytest.mark.slow),
        ("data.joint=true", "model.tie_output=true", "model.tie_source=true", "model.dim=64"),
        ("model=bilstm_attn", "model.num_layers=2", "model/order=before", "model.dropout=0.5"),
        ("model=gru_attn", "model.num_layers=2", "model/order=between", "model.dropout=0.5"),
        pytest.param(
            ("model.num_layers=2", "model.residual=true", "model.layer_norm=true"),
            marks=pytest.mark.slow,
        ),
        ("model/feature_encoder=set", "data/tokenizer@data.source_tokenizer=features"),
        pytest.param(
            (
                "model=transformer_rnn",
                "model/feature_encoder=transformer",
                "data/tokenizer@data.source_tokenizer=features",
            ),
            marks=pytest.mark.slow,
        ),
        ("model.locked_dropout=0.4", "model/attention=multi_head", "model/normalizer=sparsemax"),
    ],
    ids=" ".join,
)
def test_other_searches_tyings_and_stacks_are_sound(overrides):
    patient = replace(patient_of("model=lstm_attn", *overrides), seeds=(1,))
    outcomes = found(patient, *IDS[:7], "O9", "O10", "O11", "O12")
    assert set(outcomes.values()) == {PASS}, outcomes


QUICK = {("sequential", "sequence", "argmax"), ("parallel", "sequence", "argmax")}
SAMPLINGS = [
    pytest.param(*names, marks=[] if names in QUICK else pytest.mark.slow, id="-".join(names))
    for names in product(*(options(group) for group in ("", "unit", "sampled_token")))
]


@pytest.mark.parametrize(("sampling", "unit", "sampled_token"), SAMPLINGS)
def test_every_scheduled_sampling_is_sound_and_o7_is_about_argmax_only(
    sampling, unit, sampled_token
):
    group = "training/scheduled_sampling"
    parts = (
        f"{group}={sampling}",
        f"{group}/unit={unit}",
        f"{group}/sampled_token={sampled_token}",
    )
    patient = patient_of("model=lstm_attn", *parts)
    outcomes = found(replace(patient, seeds=(1,)), "O6", "O7", "O8")
    assert (outcomes["O6"], outcomes["O8"]) == (PASS, PASS), outcomes
    other = f"{NOT_APPLICABLE} the sampled token is drawn or a mixture"
    assert outcomes["O7"] == (PASS if sampled_token == "argmax" else other)


def test_the_samplings_are_all_that_there_are():
    assert len(SAMPLINGS) == 2 * 3 * 5


def test_scheduled_sampling_of_a_decoder_that_does_not_read_its_output_is_not_applicable():
    patient = patient_of("model=gru", "model/context=every_step")
    outcome = f"{NOT_APPLICABLE} this decoder does not read its own output"
    assert found(patient, "O8") == {"O8": outcome}


def test_a_property_whose_check_crashes_is_broken():
    def crash(patient: Patient) -> float:
        raise IndexError("out of\nrange")

    (verdict,) = examine(patient_of("model=gru"), {"O1": crash})
    assert (verdict.outcome, verdict.reason) == (FAIL, "IndexError: out of range")
    assert (verdict.name, verdict.error) == (PROPERTIES["O1"].name, None)


def test_widths_that_a_constructor_refuses_stay_as_composed(monkeypatch):
    from seq2seq_lab.doctor import patient as patient_module

    monkeypatch.setattr(
        patient_module, "shrink", lambda node: {**node, "dropout": 2, "tie_output": True}
    )
    patient = admit(["model=gru_attn", "model.dim=10"], (1,))
    assert (patient.sizes, patient.node["dim"]) == ({}, 10)
