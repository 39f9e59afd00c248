"""Equal cost: the width at which one model costs as much as another, so that a comparison is not one of sizes.

Parameters are counted on the meta device, which holds no numbers. Floating-point operations are those of torch's own
`FlopCounterMode` (products of matrices; multiply and add count as two) in a teacher-forced forward pass over one pair
of the data's mean lengths, divided by its target tokens; training costs three times as many.
"""

import functools
import math
import warnings
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.dry_run import without_normal_draws
from seq2seq_lab.config.problems import closest
from seq2seq_lab.config.resolve import all_keys, resolve
from seq2seq_lab.config.vocabulary_sizes import fill_sizes
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS

LARGEST = 2**14
_GAP = 64
"""So many widths in a row may be refused, as those that the number of heads does not divide."""
Kind = Literal["parameters", "flops"]


@dataclass(frozen=True)
class Sizes:
    """Sizes that the data decide: both vocabularies, and the mean lengths in tokens, end token included.

    `num_features` of the source's ids are features.
    """

    vocabularies: tuple[int, int]
    lengths: tuple[int, int]
    num_features: int = 0


def sizes_of(data_node: dict[str, Any]) -> Sizes:
    """Read the data of a composed config."""
    data = build(data_node)
    data.setup()
    train = data.encoded["train"]
    lengths = (train.source_lengths.tolist(), train.target_lengths.tolist())
    mean = tuple(max(1, round(fmean(side))) for side in lengths)
    source, target, num_features = data.vocabulary_sizes
    return Sizes((source, target), (mean[0], mean[1]), num_features)


def count_parameters(node: dict[str, Any]) -> int:
    """Return the number of parameters of a resolved model node; shared ones count once."""
    with without_normal_draws(), torch.device("meta"):
        return sum(p.numel() for p in build(node).parameters())


def count_flops(model: EncoderDecoder, lengths: tuple[int, int]) -> int:
    """Return the floating-point operations of a forward pass over one pair with so many tokens."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    source, target = (torch.full((1, n), NUM_SPECIAL_TOKENS) for n in lengths)
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about TF32, on every machine
        # fused kernels would hide their products from the counter
        with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH), counter:
            model.eval()(source, torch.tensor([lengths[0]]), target)
    return counter.get_total_flops()


class Candidate:
    """A model as the command line composes it, with its cost as it is or at another width.

    Without `sizes` its data are read. Raises `ConfigError` for what train.py would refuse.
    """

    def __init__(self, overrides: list[str], by: Kind, sizes: Sizes | None = None):
        self.cfg, self.by = compose_config(overrides), by
        check(self.cfg)
        if sizes is not None and self.cfg.model.get("feature_encoder") is not None:
            sizes = None  # how many of the source's ids are features, only the data say
        self.sizes = sizes or sizes_of(resolve(self.cfg)["data"])
        fill_sizes(self.cfg.model, *self.sizes.vocabularies, self.sizes.num_features)

    def cost(self) -> float:
        """Return the cost of the model as it is."""
        node = resolve(self.cfg)["model"]
        if self.by == "parameters":
            return float(count_parameters(node))
        with torch.random.fork_rng(devices=[]):
            model = build(node)
        return count_flops(model, self.sizes.lengths) / self.sizes.lengths[1]

    def cost_at(self, key: str, width: int) -> float | None:
        """Return the cost with an integer key at this value, or None where the model refuses it."""
        *path, last = key.split(".")
        node: Any = self.cfg
        for part in path:
            node = node.get(part) if hasattr(node, "get") else None
        known = node.get(last) if hasattr(node, "get") else None
        if type(known) is not int:
            raise ConfigError(
                f"--key {key}: no integer key of this config{closest(key, all_keys(self.cfg))}"
            )
        node[last] = width
        try:
            return self.cost()
        except ConfigError:
            return None
        finally:
            node[last] = known


def closest_width(cost: Callable[[int], float | None], target: float, largest: int) -> int:
    """Return the width from 1 to `largest` whose cost is closest to the target; of two as close the smaller.

    `cost` must rise with the width; it gives None for a width that is refused. Raises `ConfigError` when every width
    costs more than the target, or every one less.
    """
    cost = functools.cache(cost)

    def first(widths: range) -> int | None:
        return next((width for width in widths[:_GAP] if cost(width) is not None), None)

    def at_or_above(width: int) -> float:
        found = first(range(width, largest + 1))
        return math.inf if found is None else cost(found) or 0.0

    reach = 1
    while at_or_above(reach) < target:  # never far beyond what is needed: wide models take memory
        reach *= 2
    place = 1 + bisect_left(range(1, reach + 1), target, key=at_or_above)
    above, below = first(range(place, largest + 1)), first(range(place - 1, 0, -1))
    if above is None:
        raise ConfigError(
            f"no width up to {largest:,} costs as much as {target:,.0f}; choose another --key"
        )
    if below is None and cost(above) != target:
        raise ConfigError(
            f"no width costs as little as {target:,.0f}, {above} costs {cost(above):,.0f}; choose a larger --like"
        )
    found = [width for width in (below, above) if width is not None]
    return min(found, key=lambda width: abs((cost(width) or 0.0) - target))
