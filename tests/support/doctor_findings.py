"""What the doctor finds in a composed model, as a dictionary to compare."""

import functools

from seq2seq_lab.doctor.examination import LAWS, examine
from seq2seq_lab.doctor.patient import Patient, admit

IDS = [f"O{number}" for number in range(1, 15)]

patient_of = functools.cache(lambda *overrides: admit(list(overrides), (1, 2, 3)))


def found(patient: Patient, *ids: str) -> dict[str, str]:
    """Return the outcome and reason of these laws, or of all."""
    laws = [law for law in LAWS if not ids or law.id in ids]
    return {v.id: f"{v.outcome} {v.reason}".strip() for v in examine(patient, tuple(laws))}
