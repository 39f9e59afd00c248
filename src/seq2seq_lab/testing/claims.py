"""What a check is made of: claims about one part, each with what to look at where it does not hold."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from seq2seq_lab.doctor.agreement import NotApplicable, PropertyBroken
from seq2seq_lab.errors import one_line


@dataclass(frozen=True)
class Claim:
    """A property in one sentence, the function that raises where it is broken, and advice for that case."""

    sentence: str
    check: Callable[[], object]
    advice: str


def hold(subject: str, claims: Iterable[Claim]) -> None:
    """Try all claims and raise one `PropertyBroken` (an `AssertionError`) with a line for each that does not hold.

    A check that crashes is broken too. Each check starts from torch's generator with seed 0, and the generator of the
    caller is left as it was.
    """
    lines, errors, count = [], [], 0
    for claim in claims:
        count += 1
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                claim.check()
        except NotApplicable:
            continue
        except Exception as error:  # whatever breaks in a part is a verdict
            is_found = isinstance(error, AssertionError)
            reason = one_line(error) if is_found else one_line(f"{type(error).__name__}: {error}")
            lines.append(f"- {claim.sentence}: {reason or 'it does not hold'}. {claim.advice}.")
            errors.append(error)
    if lines:
        head = f"{subject}: {len(lines)} of {count} properties broken"
        raise PropertyBroken("\n".join([head, *lines])) from errors[0]
