"""`check_model`: the doctor's properties O1 to O14 and O25 on a composed model."""

import torch

from seq2seq_lab.doctor.agreement import PropertyBroken
from seq2seq_lab.doctor.examination import CHECKS, FAIL, examine
from seq2seq_lab.doctor.patient import admit


def check_model(*overrides: str, models: int = 3, properties: tuple[str, ...] = ()) -> None:
    """Raise `AssertionError` with a line for each property that the model of these overrides breaks.

    The model is composed as `seq2seq-lab doctor` does, at tiny widths with random float64 weights, and each property
    is tried on so many of them; `properties` names some (`"O5"`), all by default. Raises `ConfigError` for a mistake
    in the overrides.
    """
    patient = admit(list(overrides), tuple(range(1, models + 1)))
    chosen = {name: CHECKS[name] for name in properties or CHECKS}
    with torch.random.fork_rng(devices=[]):
        broken = [one for one in examine(patient, chosen) if one.outcome == FAIL]
    if broken:
        command = " ".join(overrides)
        lines = [f"- {one.id}, {one.name}: {one.reason}." for one in broken]
        head = f"{command}: {len(broken)} of {len(chosen)} properties broken"
        advice = f"Look at docs/properties.md, and run: seq2seq-lab doctor {command}"
        raise PropertyBroken("\n".join([head, *lines, advice]))
