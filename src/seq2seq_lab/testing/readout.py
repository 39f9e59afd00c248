"""The properties of a readout, each as a function of one connected readout, and `check_readout` over all of them."""

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seq2seq_lab.doctor.agreement import NotApplicable, agree, demand
from seq2seq_lab.model.readout import Readout
from seq2seq_lab.testing.claims import Claim, hold

WIDTHS = {"state_dim": 5, "context_dim": 2, "embedding_dim": 3}
STEPS = 7


def connected(readout: Readout) -> Readout:
    """Connect the readout to parts of `WIDTHS`, in float64."""
    readout.connect(**WIDTHS)
    return readout.double()


def parts() -> tuple[Tensor, Tensor, Tensor]:
    """Return random states, contexts and embeddings of three sentences."""
    generator = torch.Generator().manual_seed(3)
    state, context, embedded = (
        torch.randn(3, STEPS, width, dtype=torch.float64, generator=generator)
        for width in WIDTHS.values()
    )
    return state, context, embedded


def all_steps_at_once_equal_one_at_a_time(readout: Readout) -> None:
    """O6 for a readout."""
    given = parts()
    steps = [readout(*(part[:, t] for part in given)) for t in range(STEPS)]
    agree(readout(*given), torch.stack(steps, dim=1), "readouts")


def is_as_wide_as_announced(readout: Readout) -> None:
    """A readout has the width `dim`."""
    width = readout(*parts()).shape[-1]
    demand(width == readout.dim, f"readouts of width {width} with dim={readout.dim}")


def says_truly_what_it_uses(readout: Readout, part: int, flag: str) -> None:
    """`uses_context` (part 1) and `uses_embedding` (part 2) say whether another value there gives another readout."""
    given = parts()
    changed = [p + 1 if i == part else p for i, p in enumerate(given)]
    same = torch.equal(readout(*given), readout(*changed))
    stated = getattr(readout, flag)
    demand(
        same is not stated,
        f"{flag}={stated}, and another value has {'no' if same else 'an'} effect",
    )


def dropout_acts_in_training_only(readout: Readout) -> None:
    """Dropout of 0.5 sets some outputs to 0 in training and none in evaluation."""
    demand((readout.train()(*parts()) == 0).any(), "no output is dropped in training")
    demand(not (readout.eval()(*parts()) == 0).any(), "outputs are dropped in evaluation")


def check_readout(cls: type[Readout], **arguments: Any) -> None:
    """Raise `AssertionError` unless a class of readout says truly what it reads and reads each step alone.

    It is made with `dim` and `arguments`, and with `dropout` where it takes one.
    """

    def make(**more: Any) -> Readout:
        return connected(cls(dim=WIDTHS["state_dim"], **{**arguments, **more}))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        readout = make().eval()
    takes_dropout = "dropout" in inspect.signature(cls).parameters

    def dropout() -> None:
        if not takes_dropout:
            raise NotApplicable("it takes no dropout")
        dropout_acts_in_training_only(make(dropout=0.5))

    advice = "Set the class attributes uses_context and uses_embedding to what `join` reads"
    hold(
        cls.__name__,
        [
            Claim(
                "all steps at once equal one at a time (O6)",
                partial(all_steps_at_once_equal_one_at_a_time, readout),
                "Work on the last axis only",
            ),
            Claim(
                "a readout is as wide as announced",
                partial(is_as_wide_as_announced, readout),
                "Make the layer in `connect` with `dim` outputs",
            ),
            Claim(
                "uses_context is true where the context matters",
                partial(says_truly_what_it_uses, readout, 1, "uses_context"),
                advice,
            ),
            Claim(
                "uses_embedding is true where the embedding matters",
                partial(says_truly_what_it_uses, readout, 2, "uses_embedding"),
                advice,
            ),
            Claim(
                "dropout acts in training only", dropout, "Let `activate` apply `self.dropout` last"
            ),
        ],
    )
