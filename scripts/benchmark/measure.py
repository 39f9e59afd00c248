"""The measurements of scripts/benchmark.py. Each prints a table through `report` and returns its figures."""

import platform
import resource
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import torch

from benchmark.timing import Competitor, Rate, interleaved, product_competitor, ratio
from benchmark.tutorial_loop import tutorial_loss
from benchmark.work import (
    BATCH,
    NAMES,
    TUTORIAL,
    Sizes,
    Trainer,
    flops_per_target_token,
    forced_loss,
    make_batches,
    make_model,
    make_pairs,
    mean_loss,
    pairs_for,
)
from seq2seq_lab.batch import Batch
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Request
from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import EOS
from seq2seq_lab.training.scheduled_sampling.parallel import Parallel
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential, teacher_forced_logits
from seq2seq_lab.training.scheduled_sampling.unit import Token

Report = Callable[[str, dict[str, Rate], str, str], dict[str, float]]
PRODUCT = "matrix product"
PAIRS = 2048
FEEDING_RATIOS = {
    "parallel_to_tutorial_loop": ("parallel, 2 passes", "tutorial loop"),
    "sequential_to_tutorial_loop_same_batches": (
        "sequential",
        "tutorial loop, same model and batches",
    ),
}


def machine(device: str) -> dict[str, str]:
    """Say what this was measured on."""
    accelerator = torch.cuda.get_device_name() if device.startswith("cuda") else "no accelerator"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "processor": platform.machine(),
        "accelerator": accelerator,
        "peak memory of this process": f"{peak:,.0f} MB",
    }


def tokens(batch: Batch) -> float:
    """Count the real target tokens of a batch."""
    return float(batch.num_target_tokens)


def batches_on(
    device: str, *, bucketed: bool, size: int = BATCH, pairs: EncodedPairs | None = None
) -> list[Batch]:
    """Return batches of these pairs, or of made-up ones, on the device."""
    made = make_batches(pairs or make_pairs(PAIRS), size, bucketed=bucketed)
    return [batch.to(torch.device(device)) for batch in made]


def batches_of(arguments: Any, *, bucketed: bool, size: int = BATCH) -> list[Batch]:
    """Return the batches that the command line asks for."""
    pairs = pairs_for(arguments, PAIRS)
    return batches_on(arguments.device, bucketed=bucketed, size=size, pairs=pairs)


def trainer(name: str, loss: Any, device: str, *, fused: bool = True) -> Trainer:
    """Return the loop over a fresh model."""
    return Trainer(make_model(name).to(device), loss, fused=fused)


def sizes_of(batches: list[Batch]) -> Sizes:
    """Return the mean lengths that the count of operations needs."""
    sources = sum(int(batch.source_lengths.sum()) for batch in batches)
    targets = sum(batch.num_target_tokens for batch in batches)
    return Sizes(sources / targets, sources / sum(len(batch) for batch in batches))


def train(arguments: Any, report: Report) -> dict[str, Any]:
    """Compare ways of training: tokens per second, ratio to the tutorial loop, share of the machine's peak."""
    device = arguments.device
    bucketed = batches_of(arguments, bucketed=True)
    shuffled = batches_of(arguments, bucketed=False, size=2 * BATCH)
    loops = {"tutorial loop": shuffled, "tutorial loop, bucketed": bucketed}
    names = (*NAMES, TUTORIAL)
    runs = [
        *(
            Competitor(name, trainer(TUTORIAL, tutorial_loss, device, fused=False), items, tokens)
            for name, items in loops.items()
        ),
        *(Competitor(n, trainer(n, forced_loss, device), bucketed, tokens) for n in names),
        product_competitor(device=device),
    ]
    rates = interleaved(runs, arguments.rounds, arguments.steps)
    product = rates.pop(PRODUCT)
    ratios = report("Training", rates, "tutorial loop", "target tokens/s")
    sizes = sizes_of(bucketed)
    used = {
        name: ratio(rates[name], product).median * flops_per_target_token(name, sizes)
        for name in names
    }
    return {
        "says": [f"{n}: {s:.2f} of the machine's own matrix product" for n, s in used.items()],
        "ratio_to_tutorial_loop": {name: ratios[name] for name in names},
        "flops_used_over_peak": used,
        "target_tokens_per_second": {name: rate.median for name, rate in rates.items()},
        "peak_gflops": product.median / 1e9,
    }


def with_ratio(sampling: Any, generator: torch.Generator) -> Any:
    """Return the loss of scheduled sampling at ratio 1/2."""
    return mean_loss(lambda model, batch: sampling(model, batch, 0.5, generator))


def tutorial_with_sampling(generator: torch.Generator) -> Any:
    """Return the tutorial loop at ratio 1/2: one draw per step for all rows, as in tutorials."""

    def loss(model: EncoderDecoder, batch: Batch) -> torch.Tensor:
        use_reference = torch.rand(batch.target_input.shape[1], generator=generator) < 0.5
        return tutorial_loss(model, batch, use_reference)

    return loss


def scheduled_sampling(arguments: Any, report: Report) -> dict[str, Any]:
    """Compare the ways to carry out a teacher-forcing ratio of 1/2, for each model.

    The tutorial loop runs the tutorials' own model (shuffled batches of 128), and the measured model in the same
    batches.
    """
    device = arguments.device
    bucketed = batches_of(arguments, bucketed=True)
    shuffled = batches_of(arguments, bucketed=False, size=2 * BATCH)
    generator = partial(torch.Generator().manual_seed, 1)
    found: dict[str, Any] = {"parallel_sampling_to_teacher_forcing": {}}
    for name in (*NAMES[:2], TUTORIAL):
        slow = {n: tutorial_with_sampling(generator()) for n in ("same", "tutorial")}
        fast = trainer(name, with_ratio(Parallel(), generator()), device)
        exact = trainer(name, with_ratio(Sequential(), generator()), device)
        forced = trainer(name, forced_loss, device)
        same = trainer(name, slow["same"], device, fused=False)
        loop = trainer(TUTORIAL, slow["tutorial"], device, fused=False)
        runs = [
            Competitor("teacher forcing", forced, bucketed, tokens),
            Competitor("parallel, 2 passes", fast, bucketed, tokens),
            Competitor("sequential", exact, bucketed, tokens),
            Competitor("tutorial loop, same model and batches", same, bucketed, tokens),
            Competitor("tutorial loop", loop, shuffled, tokens),
        ]
        rates = interleaved(runs, arguments.rounds, arguments.steps)
        ratios = report(f"{name}, ratio 0.5", rates, "teacher forcing", "target tokens/s")
        found["parallel_sampling_to_teacher_forcing"][name] = ratios["parallel, 2 passes"]
        for key, (one, other) in FEEDING_RATIOS.items():
            found.setdefault(key, {})[name] = ratio(rates[one], rates[other]).median
    return found


def rows_of(each: int, batch: Batch) -> float:
    """Count the rows that a batch costs: so many for each sentence."""
    return float(len(batch) * each)


def decode(arguments: Any, report: Report) -> dict[str, Any]:
    """Measure greedy and beam search over 20 forced steps: rows (sentence x beam x step) per second."""
    steps, device = 20, arguments.device
    items = batches_of(arguments, bucketed=True)
    model = make_model("lstm_attn_input_feed").to(device).eval()
    with torch.no_grad():
        model.decoder.output.bias[EOS] = -inf  # nobody ends before the limit
    searches = {
        "greedy": Greedy(max_ratio=0.0, max_extra=steps),
        "beam 5": Beam(beam_size=5, max_ratio=0.0, max_extra=steps),
    }

    @torch.inference_mode()
    def run(search: Any, batch: Batch) -> None:
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        request = Request(batch.source_lengths, batch.ids, [[] for _ in batch.ids])
        search(model.stepper(), state, request)

    widths = {"greedy": 1, "beam 5": 5}
    runs = [
        Competitor(name, partial(run, search), items, partial(rows_of, widths[name] * steps))
        for name, search in searches.items()
    ]
    rates = interleaved(runs, arguments.rounds, arguments.steps)
    report("Decoding", rates, "greedy", "rows/s")
    return {"rows_per_second": {name: rate.median for name, rate in rates.items()}}


@torch.no_grad()
def agreement_with_sequential(
    model: EncoderDecoder, batch: Batch, passes: int, seed: int
) -> tuple[int, int]:
    """Return (places where both feed the same token, places where the model's own is fed), at ratio 1/2."""
    model.eval()
    rows, steps = batch.target_input.shape
    use_reference = Token()(rows, steps, 0.5, torch.Generator().manual_seed(seed))
    places = ~use_reference[:, 1:] & batch.target_mask[:, 1:]

    def own(feed: Any) -> torch.Tensor:
        logits = feed(model, batch, 0.5, torch.Generator().manual_seed(seed))
        chosen = torch.zeros_like(batch.target_input)
        chosen[batch.target_mask] = most_likely(logits)
        return chosen[:, :-1]

    def forced(model: EncoderDecoder, batch: Batch, *_: Any) -> torch.Tensor:
        return teacher_forced_logits(model, batch)

    exact = own(Sequential())
    # what pass k reads was predicted by the run of k - 1 passes; one pass is teacher forcing
    guessed = own(Parallel(passes=passes - 1) if passes > 2 else forced)
    same = (exact == guessed) & places
    return int(same.sum()), int(places.sum())


def agreement(arguments: Any, report: Report) -> dict[str, Any]:  # noqa: ARG001
    """Report how often k passes give the inputs of sequential scheduled sampling, at ratio 1/2."""
    from seq2seq_lab.data.parallel import read_parallel
    from seq2seq_lab.inference.trained import load

    trained = load(arguments.run, device=arguments.device).translator
    pairs, _ = read_parallel(Path(arguments.source), Path(arguments.target))
    sources = trained.source_tokenizer.encode_batch([p.source for p in pairs])
    targets = trained.target_tokenizer.encode_batch([p.target for p in pairs])
    encoded = EncodedPairs(sources, targets)
    order = encoded.target_lengths.argsort(stable=True)
    found = {}
    for passes in (2, 3, 4, 6):
        same = places = 0
        for rows in order.split(64):
            counts = agreement_with_sequential(trained.model, encoded[rows], passes, seed=1)
            same, places = same + counts[0], places + counts[1]
        found[str(passes)] = same / max(places, 1)
    says = [
        f"{k} passes feed {s:.4f} of the own tokens as sequential does" for k, s in found.items()
    ]
    return {"agreement_by_passes": found, "says": says}
