"""The n-gram counts of each sentence, kept beside a run: they are most of a report's work and never change."""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

import numpy as np

from seq2seq_lab.metrics.metric import Array, Metric, References
from seq2seq_lab.report.records import Run

FOLDER = "report_cache"
"""In the folder of a run: a file per metric, which may be deleted at any time."""
_HASH = 32


def sentence_statistics(metric: Metric, runs: Sequence[Run]) -> Array:
    """Return `metric.statistics` of all runs, (runs, sentences, width); what is kept from an earlier report is read.

    A file names what it was made from, and its own content, by their SHA-256; any other is made again.
    """
    if metric.name in runs[0].outside:
        scores = np.array([run.outside[metric.name] for run in runs])
        return np.stack([scores, np.ones_like(scores)], axis=-1)
    references = [one.references for one in runs[0].translated]
    outputs = [[one.hypothesis for one in run.translated] for run in runs]
    if not metric.needs_signature:  # counted as fast as read
        return metric.statistics_of_several(outputs, references)
    keys = [_key(metric, texts, references) for texts in outputs]
    found = [_read(run, metric, key) for run, key in zip(runs, keys, strict=True)]
    missing = [i for i, one in enumerate(found) if one is None]
    if missing:
        made = metric.statistics_of_several([outputs[i] for i in missing], references)
        for i, rows in zip(missing, made, strict=True):
            _write(runs[i], metric, keys[i], rows)
            found[i] = rows
    return np.stack([one for one in found if one is not None])


def _key(metric: Metric, hypotheses: list[str], references: References) -> bytes:
    made_by = [_version(), metric.name, getattr(metric, "signature", "")]
    text = json.dumps([*made_by, hypotheses, references])
    return hashlib.sha256(text.encode()).digest()


@cache
def _version() -> str:
    return version("sacrebleu")


def _read(run: Run, metric: Metric, key: bytes) -> Array | None:
    try:
        data = (run.folder / FOLDER / metric.name).read_bytes()
    except OSError:
        return None
    content = data[2 * _HASH :]
    if data[:_HASH] != key or data[_HASH : 2 * _HASH] != hashlib.sha256(content).digest():
        return None
    return np.frombuffer(content, np.float64).reshape(len(run.translated), -1)


def _write(run: Run, metric: Metric, key: bytes, rows: Array) -> None:
    """Keep the counts; a folder that cannot be written costs the next report its time, nothing else."""
    content = np.ascontiguousarray(rows, np.float64).tobytes()
    with contextlib.suppress(OSError):
        folder = run.folder / FOLDER
        folder.mkdir(exist_ok=True)
        (folder / metric.name).write_bytes(key + hashlib.sha256(content).digest() + content)
