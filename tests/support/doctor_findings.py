"""What the doctor finds in a composed model, as a dictionary to compare."""

import functools

from seq2seq_lab.doctor.examination import CHECKS, examine
from seq2seq_lab.doctor.patient import Patient, admit

IDS = [*(f"O{number}" for number in range(1, 15)), "O25"]

patient_of = functools.cache(lambda *overrides: admit(list(overrides), (1, 2, 3)))


def found(patient: Patient, *ids: str) -> dict[str, str]:
    """Return the outcome and reason for these properties, or for all."""
    checks = {name: CHECKS[name] for name in ids or CHECKS}
    return {v.id: f"{v.outcome} {v.reason}".strip() for v in examine(patient, checks)}
