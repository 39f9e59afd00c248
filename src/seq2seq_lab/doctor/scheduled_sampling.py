"""Property O8: scheduled sampling uses reference tokens at the rate of its ratio, by random draws of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import NotApplicable, demand
from seq2seq_lab.doctor.batches import Vocabularies, random_batch, rows_of
from seq2seq_lab.doctor.copying import generate_only
from seq2seq_lab.model.encoder_decoder import EncoderDecoder

Sampling = Callable[..., Tensor]
RATIOS = (0.1, 0.5, 0.9)
UNITS = {"Sequence": (150, 4, 1), "WholeBatch": (2, 4, 60)}
"""(sentences, steps, batches) that give enough draws, for units where one draw decides more than a token."""
PER_TOKEN = (200, 20, 1)
FEW = 10
"""Sentences of the batches that only tell whether draws repeat or go on."""


def always_predicting(model: EncoderDecoder, token: int) -> EncoderDecoder:
    """Make the model predict this token at every step, so that an input shows whether it is the reference token."""
    generate_only(model)
    with torch.no_grad():
        model.decoder.output.bias.zero_()
        model.decoder.output.bias[token] = 1e4
    return model


def reference_used(
    sampling: Sampling,
    model: EncoderDecoder,
    batch: Batch,
    ratio: float,
    generator: torch.Generator,
) -> Bool[Tensor, "batch choices"]:
    """Return where the input was the reference token, from the second step on.

    The model must be `always_predicting` a token that the batch does not have.
    """
    steps: list[Tensor] = []
    whole: list[Tensor] = []
    decoder: Any = model.decoder
    packed, forward = decoder.packed, decoder.forward

    def spy_packed() -> Any:
        loop = packed()

        def spy_step(embedded: Any, state: Any) -> Any:
            steps.append(embedded)
            return loop.step_embedded(embedded, state)

        return replace(loop, step_embedded=spy_step)

    def spy_forward(embedded: Any, *others: Any) -> Any:
        whole.append(embedded)
        return forward(embedded, *others)

    decoder.packed, decoder.forward = spy_packed, spy_forward
    try:
        with torch.no_grad():
            sampling(model, batch, ratio, generator)
            reference = decoder.embed(batch.target_input)
    finally:
        del decoder.packed, decoder.forward
    if not reference.shape[-1]:
        raise NotApplicable("this decoder does not read its own output")
    inputs = whole[-1] if whole else torch.stack(steps, dim=1)
    return (inputs == reference).all(dim=-1)[:, 1:]


def rate_is_the_ratio(draws: Bool[Tensor, "rows columns"], ratio: float) -> float:
    """Compare rate and scatter with independent draws, each within 4 sigma; return how far off the rate is."""
    rows, columns = draws.shape
    values, sigma = draws.double(), (ratio * (1 - ratio)) ** 0.5
    away = abs(float(values.mean()) - ratio)
    reason = f"ratio {ratio}: reference tokens are used at a rate of {values.mean():.3f}"
    demand(away < 4 * sigma / (rows * columns) ** 0.5, reason)
    if columns == 1:
        return away
    # the means of rows and of columns scatter like those of independent draws
    sides = (("sentence", values.mean(1), columns), ("position", values.mean(0), rows))
    for what, means, size in sides:
        scatter = float((means - ratio).div(sigma / size**0.5).pow(2).mean())
        alike = abs(scatter - 1.0) < 4 * (2 / len(means)) ** 0.5
        demand(alike, f"ratio {ratio}: the draws of a {what} depend on each other ({scatter:.2f})")
    return away


def one_per_unit(used: list[Tensor], unit: str) -> Bool[Tensor, "rows columns"]:
    """Return one value for each unit; raise `PropertyBroken` unless all tokens of the unit have it."""
    if unit not in UNITS:
        return torch.cat(used)
    parts = [one.unsqueeze(0) if unit == "WholeBatch" else one for one in used]
    units = torch.cat([part.flatten(1) for part in parts])
    same = bool((units == units[:, :1]).all())
    demand(same, f"the unit is {unit}, but its tokens are drawn one by one")
    return units[:, :1]


def draws_follow_the_ratio(
    sampling: Sampling, model: EncoderDecoder, vocabularies: tuple[int, int] | Vocabularies
) -> float:
    """O8: rate within 4 sigma, one draw per unit, from a generator of its own that continues where it was stored."""
    unit = type(getattr(sampling, "unit", None)).__name__
    rows, steps, batches = UNITS.get(unit, PER_TOKEN)
    last = vocabularies[1] - 1
    batch = random_batch([3] * rows, [steps] * rows, (vocabularies[0], last))
    model, worst = always_predicting(model, last), 0.0
    for ratio in RATIOS:
        generator = torch.Generator().manual_seed(7)
        global_state = torch.get_rng_state()
        used = [reference_used(sampling, model, batch, ratio, generator) for _ in range(batches)]
        worst = max(worst, rate_is_the_ratio(one_per_unit(used, unit), ratio))
        untouched = torch.equal(global_state, torch.get_rng_state())
        demand(untouched, "the draws come from torch's global generator")
    stored = generator.get_state()
    few = rows_of(batch, list(range(min(rows, FEW))))
    following = [reference_used(sampling, model, few, 0.5, generator) for _ in range(9)]
    alike = all(torch.equal(following[0], one) for one in following)
    demand(not alike, "the same draws in every batch")
    resumed = torch.Generator()
    resumed.set_state(stored)
    again = [reference_used(sampling, model, few, 0.5, resumed) for _ in range(9)]
    demand(all(map(torch.equal, again, following)), "the draws do not continue after a resume")
    return worst


def schedule_gives_ratios(teacher_forcing: Callable[[int, int], float]) -> None:
    """The composed schedule gives a ratio in [0, 1] that never rises, by step and epoch."""
    before = 1.0
    for epoch, step in enumerate((0, 1, 10, 100, 1000, 10**4, 10**6)):
        ratio = teacher_forcing(step, epoch)
        what = f"the teacher-forcing ratio is {ratio} at step {step} of epoch {epoch}"
        demand(0.0 <= ratio <= before, f"{what}, after {before}")
        before = ratio
