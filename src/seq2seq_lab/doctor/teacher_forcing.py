"""Properties O6 and O7: the sequential loop is the parallel path at ratio 1, and greedy decoding at ratio 0."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq_lab.batch import Batch
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.doctor.agreement import NotApplicable, agree, demand
from seq2seq_lab.doctor.paths import gradients, loss_and_gradients
from seq2seq_lab.doctor.searching import request_of
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel import dropout as masks
from seq2seq_lab.special_tokens import EOS
from seq2seq_lab.training.loss import negative_log_likelihood
from seq2seq_lab.training.scheduled_sampling.sequential import sequential_logits


@contextmanager
def shared_dropout(model: nn.Module) -> Iterator[None]:
    """Make the dropout mask a function of (layer, time), so that the sequential and the parallel path drop the same.

    The layer is found in the frame of the calling module: the `nn.Dropout` itself, or the decoder's layer number.
    """
    torch.manual_seed(5)  # dropout inside torch's fused calls is the encoder's, alike in both paths
    names = {id(module): name for name, module in model.named_modules()}
    clock: dict[str, int] = {}
    original, smallest = F.dropout, masks.SMALLEST

    def dropout(
        inputs: Tensor,
        p: float = 0.5,
        training: bool = True,  # noqa: FBT001, FBT002 - torch's own signature
        inplace: bool = False,  # noqa: ARG001, FBT001, FBT002
    ) -> Tensor:
        if not training or p == 0.0:
            return inputs
        site = _site(names)
        start, steps = clock.get(site, 0), inputs.shape[1] if inputs.ndim == 3 else 1
        clock[site] = start + steps
        seed = int(hashlib.sha256(site.encode()).hexdigest()[:8], 16)
        generator = torch.Generator().manual_seed(seed)
        draws = torch.rand(64, inputs.shape[0], inputs.shape[-1], generator=generator)
        factors = (draws >= p).to(inputs)[start : start + steps].transpose(0, 1) / (1 - p)
        return inputs * (factors if inputs.ndim == 3 else factors[:, 0])

    F.dropout, masks.SMALLEST = dropout, sys.maxsize  # type: ignore[assignment]
    try:
        yield
    finally:
        F.dropout, masks.SMALLEST = original, smallest


def _site(names: dict[int, str]) -> str:
    frame: Any = sys._getframe(1)
    while frame is not None and id(frame.f_locals.get("self")) not in names:
        frame = frame.f_back
    return (
        ""
        if frame is None
        else f"{names[id(frame.f_locals['self'])]} {frame.f_locals.get('layer')}"
    )


def sequential_equals_parallel(model: EncoderDecoder, batch: Batch) -> float:
    """O6: a loop over the steps, with reference tokens as inputs, gives the parallel path's logits and gradients."""
    with shared_dropout(model):
        logits, loss, parallel = loss_and_gradients(model, batch)
    with shared_dropout(model):
        looped = sequential_logits(model, batch, torch.ones_like(batch.target_mask))
        looped_loss = negative_log_likelihood(looped, batch.target_output[batch.target_mask])
        by_loop = gradients(model, looped_loss)
    return max(
        agree(looped, logits, "logits"),
        agree(looped_loss, loss, "loss"),
        agree(by_loop, parallel, "gradient of"),
    )


def logits_at_ratio_zero(
    model: EncoderDecoder, batch: Batch, sampling: Callable[..., Tensor]
) -> Float[Tensor, "tokens vocab"]:
    """Return the logits at ratio 0. Raises `NotApplicable` where the sampled token is not the likeliest one."""
    runs = [sampling(model, batch, 0.0, torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    sampled: Any = getattr(sampling, "sampled_token", None)
    mixes = sampled is not None and sampled.sample(runs[0], torch.Generator()).ndim > 1
    if mixes or not torch.equal(*runs):
        raise NotApplicable("the sampled token is drawn or a mixture")
    return runs[0]


def ratio_zero_equals_greedy(
    model: EncoderDecoder, batch: Batch, path: Callable[[EncoderDecoder, Batch], Tensor]
) -> float:
    """O7: at ratio 0 the inputs are those of greedy decoding, until the end token.

    `path` gives the logits of all positions, which must be real in every row (`full_batch`).
    """
    with torch.no_grad():
        logits = path(model, batch)
    rows, best = len(batch), most_likely(logits)
    scores = logits.log_softmax(-1).gather(1, best.unsqueeze(1)).view(rows, -1)
    tokens = best.view(rows, -1)
    search = Greedy(max_ratio=0.0, max_extra=tokens.shape[1])
    with torch.no_grad():
        state = model.initial_state(model.encode(batch.source, batch.source_lengths))
        hypotheses = search(model.stepper(), state, request_of(batch.source_lengths))
    worst = 0.0
    for row, (found,) in enumerate(hypotheses):
        produced = [*found.tokens.tolist(), *([EOS] if found.finished else [])]
        inputs = tokens[row, : len(produced)].tolist()
        demand(inputs == produced, f"sentence {row}: inputs {inputs}, greedy decoding {produced}")
        total = float(scores[row, : len(produced)].sum())
        worst = max(worst, agree(found.score, total, f"score of sentence {row}"))
    return worst
