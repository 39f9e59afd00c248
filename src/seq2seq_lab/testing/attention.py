"""`check_attention`: whether an attention of one's own keeps what decoders, beams and batches rely on."""

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from seq2seq_lab.doctor.attention_formulas import Formula, formula_of
from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.normalizer import Entmax15, Normalizer, Softmax, Sparsemax
from seq2seq_lab.testing import attention_properties as properties
from seq2seq_lab.testing.attention_properties import WIDTH
from seq2seq_lab.testing.claims import Claim, hold

NORMALIZERS: tuple[type[Normalizer], ...] = (Softmax, Sparsemax, Entmax15)


def check_attention(
    cls: type[Attention], *, formula: Formula | None = None, **arguments: Any
) -> None:
    """Raise `AssertionError` unless a class of attention keeps what decoders, beams and batches rely on.

    It is made with `query_dim`, `memory_dim` and `arguments`, with each normalizer if it takes one, and for unequal
    widths too unless it refuses them. `formula` is the published formula as a loop over floats: it takes the attention,
    the queries of all steps and the states of one sentence as lists, and gives for each step the weights and the
    context. Without one, an attention that only has a `score` is compared with that score of single pairs.
    """
    for normalizer in _normalizers(cls, arguments):
        for width in (WIDTH, WIDTH - 1):
            given = {**arguments, **({"normalizer": normalizer()} if normalizer else {})}
            try:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)
                    made = cls(query_dim=width, memory_dim=WIDTH, **given)
                    attention = properties.randomized(made)
            except ValueError:
                if width == WIDTH:
                    raise
                continue  # equal widths only
            named = f" with {normalizer.__name__}" if normalizer else ""
            subject = f"{cls.__name__}{named}, query_dim={width}, memory_dim={WIDTH}"
            hold(subject, _claims(attention, formula or formula_of(attention), width))


def _normalizers(
    cls: type[Attention], arguments: dict[str, Any]
) -> tuple[type[Normalizer] | None, ...]:
    takes_one = "normalizer" in inspect.signature(cls).parameters
    return NORMALIZERS if takes_one and "normalizer" not in arguments else (None,)


def _claims(attention: Attention, formula: Formula | None, width: int) -> Iterator[Claim]:
    for sentence, check, advice in _TABLE:
        yield Claim(sentence, partial(check, attention, width=width), advice)
    yield Claim(
        "a source without any real token is refused (O9)",
        partial(properties.a_row_without_tokens_is_refused, attention),
        "Let your `prepare` call that of the base class",
    )
    yield Claim(
        "weights and contexts equal the formula as a loop over floats (O10)",
        partial(properties.equals_the_formula, attention, formula, width),
        "Compare `score` (or `energies`) with the formula term by term: scale, temperature, bias, transposed axes",
    )


_TABLE: tuple[tuple[str, Any, str], ...] = (
    (
        "attention weights are a distribution over the real positions (O9)",
        properties.weights_are_a_distribution_over_real_positions,
        "Mask the scores before they are normalised, not the weights after: `self.normalizer(scores, keys.mask)`",
    ),
    (
        "an only token gets all the attention (O9)",
        properties.an_only_token_gets_all,
        "Normalise over the last axis, the source positions",
    ),
    (
        "huge scores give finite weights",
        properties.huge_scores_stay_finite,
        "Take no exponential of a raw score: use `self.normalizer`",
    ),
    (
        "states under the mask are never read (O5)",
        properties.ignores_what_is_masked,
        "Take `keys.values`, which the base class sets to 0 on padding, and not `memory.states`",
    ),
    (
        "a sentence gets the same alone and in a batch (O4)",
        properties.a_sentence_alone_gets_the_same,
        "Look for a sum, mean, maximum or roll over the batch, or over positions that include padding",
    ),
    (
        "all steps at once equal one step at a time (O6)",
        properties.all_steps_at_once_equal_one_at_a_time,
        "What depends on earlier steps belongs in `start` and `advance`, not in an attribute",
    ),
    (
        "the hypotheses of a beam have no effect on each other (O1)",
        properties.hypotheses_side_by_side_equal_each_alone,
        "Compute each query (axis 1) on its own, with its own row of `past`",
    ),
    (
        "gradients equal finite differences (O10)",
        properties.gradients_are_right,
        "Look for `detach`, `.data`, `no_grad`, rounding or an in-place change",
    ),
)
