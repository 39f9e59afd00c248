"""What a metric is called on an axis, and where the axis ends."""

import math
import re

from seq2seq_lab.metrics.metric import Bounds
from seq2seq_lab.metrics.table import METRICS, bounds_of, lower_is_better


def axis_label(metric: str) -> str:
    """Return how people read a metric such as test/bleu, with its unit: BLEU (test)."""
    split, _, name = metric.partition("/")
    label = METRICS[name].label if name in METRICS else name.replace("_", " ")
    return f"{label} ({split}, nats per token)" if name == "loss" else f"{label} ({split})"


def limits(metric: str) -> Bounds:
    """Return where an axis ends at the latest: the bounds of the metric, and 0 for losses."""
    is_loss = metric.rpartition("/")[2] not in METRICS and lower_is_better(metric)
    return (0.0, math.inf) if is_loss else bounds_of(metric)


def file_name(title: str) -> str:
    """Return a title as the name of a file: small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:80] or "unnamed"
