"""Law O8: scheduled sampling feeds the data's token as often as its ratio says, by coins of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import NotApplicable, demand
from seq2seq_lab.doctor.batches import random_batch
from seq2seq_lab.model.encoder_decoder import EncoderDecoder

Feeding = Callable[..., Tensor]
RATIOS = (0.1, 0.5, 0.9)
UNITS = {"Sequence": (150, 4, 1), "WholeBatch": (2, 4, 60)}
"""Coins that decide more than a token: (sentences, steps, batches) that give enough of them."""
PER_TOKEN = (200, 20, 1)


def certain(model: EncoderDecoder, token: int) -> EncoderDecoder:
    """Make the model choose this token always, so that what is fed shows whose choice it was."""
    with torch.no_grad():
        model.decoder.output.bias.zero_()
        model.decoder.output.bias[token] = 1e4
    return model


def coins_fed(
    feeding: Feeding, model: EncoderDecoder, batch: Batch, ratio: float, generator: torch.Generator
) -> Bool[Tensor, "batch choices"]:
    """Return where the data's token was fed, the first token left out; the model must be `certain` of another."""
    steps: list[Tensor] = []
    whole: list[Tensor] = []
    decoder: Any = model.decoder
    packed, readouts = decoder.packed, decoder.readouts

    def spy_packed() -> Any:
        loop = packed()

        def spy_step(embedded: Any, state: Any) -> Any:
            steps.append(embedded)
            return loop.step_embedded(embedded, state)

        return replace(loop, step_embedded=spy_step)

    def spy_readouts(embedded: Any, memory: Any) -> Any:
        whole.append(embedded)
        return readouts(embedded, memory)

    decoder.packed, decoder.readouts = spy_packed, spy_readouts
    try:
        with torch.no_grad():
            feeding(model, batch, ratio, generator)
            data = decoder.embed(batch.target_input)
    finally:
        del decoder.packed, decoder.readouts
    if not data.shape[-1]:
        raise NotApplicable("this decoder does not read its own output")
    fed = whole[-1] if whole else torch.stack(steps, dim=1)
    return (fed == data).all(dim=-1)[:, 1:]


def rate_is_the_ratio(coins: Bool[Tensor, "rows columns"], ratio: float) -> float:
    """Compare rate and scatter with independent coins, each within 4 sigma; return how far off the rate is."""
    rows, columns = coins.shape
    values, sigma = coins.double(), (ratio * (1 - ratio)) ** 0.5
    away = abs(float(values.mean()) - ratio)
    told = f"ratio {ratio}: the data's token is fed at a rate of {values.mean():.3f}"
    demand(away < 4 * sigma / (rows * columns) ** 0.5, told)
    if columns == 1:
        return away
    # the means of rows and of columns scatter like those of independent coins
    sides = (("sentence", values.mean(1), columns), ("position", values.mean(0), rows))
    for what, means, size in sides:
        scatter = float((means - ratio).div(sigma / size**0.5).pow(2).mean())
        alike = abs(scatter - 1.0) < 4 * (2 / len(means)) ** 0.5
        demand(alike, f"ratio {ratio}: the coins of a {what} hang together (scatter {scatter:.2f})")
    return away


def independent(coins: list[Tensor], unit: str) -> Bool[Tensor, "rows columns"]:
    """Return one coin for each that was thrown, all others being equal to it; per token all of them."""
    if unit not in UNITS:
        return torch.cat(coins)
    parts = [one.unsqueeze(0) if unit == "WholeBatch" else one for one in coins]
    thrown = torch.cat([part.flatten(1) for part in parts])
    same = bool((thrown == thrown[:, :1]).all())
    demand(same, f"the unit is {unit}, but its tokens are decided apart")
    return thrown[:, :1]


def coins_follow_the_ratio(
    feeding: Feeding, model: EncoderDecoder, vocabularies: tuple[int, int]
) -> float:
    """O8: rate within 4 sigma, one coin per unit; coins from a generator of their own, which continues where stored."""
    unit = type(getattr(feeding, "unit", None)).__name__
    rows, steps, batches = UNITS.get(unit, PER_TOKEN)
    last = vocabularies[1] - 1
    batch = random_batch([3] * rows, [steps] * rows, (vocabularies[0], last))
    model, worst = certain(model, last), 0.0
    for ratio in RATIOS:
        generator = torch.Generator().manual_seed(7)
        global_state = torch.get_rng_state()
        coins = [coins_fed(feeding, model, batch, ratio, generator) for _ in range(batches)]
        worst = max(worst, rate_is_the_ratio(independent(coins, unit), ratio))
        untouched = torch.equal(global_state, torch.get_rng_state())
        demand(untouched, "the coins are drawn from torch's global generator")
    stored = generator.get_state()
    following = [coins_fed(feeding, model, batch, 0.5, generator) for _ in range(9)]
    alike = all(torch.equal(following[0], one) for one in following)
    demand(not alike, "the same coins in every batch")
    resumed = torch.Generator()
    resumed.set_state(stored)
    again = [coins_fed(feeding, model, batch, 0.5, resumed) for _ in range(9)]
    demand(all(map(torch.equal, again, following)), "the coins do not continue after a resume")
    return worst


def schedule_gives_ratios(teacher_forcing: Callable[[int, int], float]) -> None:
    """The composed schedule gives a ratio in [0, 1] that never rises, by step and epoch."""
    before = 1.0
    for epoch, step in enumerate((0, 1, 10, 100, 1000, 10**4, 10**6)):
        ratio = teacher_forcing(step, epoch)
        what = f"the teacher-forcing ratio is {ratio} at step {step} of epoch {epoch}"
        demand(0.0 <= ratio <= before, f"{what}, after {before}")
        before = ratio
