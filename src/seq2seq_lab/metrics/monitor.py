"""The numbers by which a run can be judged at a validation: what early stopping and the best checkpoint may monitor."""

import difflib
import re
from typing import Literal

from seq2seq_lab.metrics.table import METRICS, lower_is_better

TIE_BREAKER = "val/loss"
"""The number that decides between checkpoints whose monitored number is equal."""

_LENGTH_QUARTERS = tuple(
    f"exact_match_{side}q{i}" for side in ("length_", "target_length_") for i in range(1, 5)
)
_OF_TRAINING = ("loss", "gradient_norm", "tokens_per_second")
_COUNTERS = ("step", "epoch")
_CURVE = re.compile(r"val/loss_at_ratio_(0|1|0\.\d+)")


def monitors() -> list[str]:
    """Return the names of the numbers that every validation finds (those of a callback if it runs)."""
    rows = [*METRICS, "loss", "perplexity", "exposure_bias", *_LENGTH_QUARTERS]
    return [
        *(f"val/{row}" for row in rows),
        *(f"train/{name}" for name in _OF_TRAINING),
        *_COUNTERS,
    ]


def check_monitor(name: str) -> None:
    """Raise `ValueError` for a name that no validation measures, with the nearest one that it does.

    Numbers of the test (`test/...`, `attention/...`) and of the end of an epoch (`train/loss_epoch`) come too late.
    """
    known = monitors()
    if name in known or _CURVE.fullmatch(name):
        return
    same = f"val/{name.rpartition('/')[2]}"
    near = [same] if same in known else difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]}?" if near else "use val/bleu or val/loss"
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    raise ValueError(f"monitor={shown}: no validation measures this; {guess}")


def mode_of(monitor: str, mode: str | None = None) -> Literal["min", "max"]:
    """Return which of two values of a monitored number is the better one.

    Raises `ValueError` for an unknown number, and if `mode` says the opposite.
    """
    check_monitor(monitor)
    right: Literal["min", "max"] = "min" if lower_is_better(monitor) else "max"
    if mode not in (None, right):
        less = "less" if right == "min" else "more"
        raise ValueError(f"mode={mode}: of {monitor} {less} is better; leave mode out (null)")
    return right
