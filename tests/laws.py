"""The correctness laws of a model, each a function that raises AssertionError where a model breaks it.

Every law is plain: it compares a model with itself in another situation, or with a slow loop. The tests call them
over many models, and once more with a bug planted, to see that they would notice.
"""

import copy
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq_lab.batch import Batch, mask_from_lengths
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.decoding.hypotheses import Hypothesis, Request
from seq2seq_lab.decoding.limits import most_likely
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import BOS, EOS, NUM_SPECIAL_TOKENS, PAD
from seq2seq_lab.training.feeding import rolled_out, teacher_forced
from seq2seq_lab.training.loss import negative_log_likelihood
from tiny_models import SOURCE_VOCAB, TARGET_VOCAB

Gradients = dict[str, Tensor | None]
SEARCH = Greedy(max_ratio=1.0, max_extra=3)


def assert_equal(one: object, other: object) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def gradients(model: nn.Module, loss: Tensor) -> Gradients:
    model.zero_grad()
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters()}


def loss_and_gradients(model: EncoderDecoder, batch: Batch) -> tuple[Tensor, Tensor, Gradients]:
    torch.manual_seed(5)  # for the masks of locked dropout, in the other roads too
    logits = teacher_forced(model, batch)
    loss = negative_log_likelihood(logits, batch.target_output[batch.target_mask])
    return logits.detach(), loss.detach(), gradients(model, loss)


def by_steps(model: EncoderDecoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return logits and attention weights of all target positions, made one step at a time."""
    torch.manual_seed(5)
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    logits, attention = [], []
    for token in batch.target_input.unbind(1):
        now, state = model.step(token, state)
        logits.append(now)
        attention.append(state.attention)
    return torch.stack(logits, 1), torch.stack(attention, 1)


def forward_equals_steps(model: EncoderDecoder, batch: Batch) -> None:
    torch.manual_seed(5)
    whole = model(batch.source, batch.source_lengths, batch.target_input)
    assert_equal(whole, by_steps(model, batch)[0])


def every_parameter_is_trained(model: EncoderDecoder, batch: Batch) -> None:
    """O12: no parameter is without a gradient, and the padding row of an embedding has none."""
    found = loss_and_gradients(model, batch)[2]
    assert [
        name for name, gradient in found.items() if gradient is None or not gradient.any()
    ] == []
    for name, gradient in found.items():
        if "embedding.lookup" in name:
            assert not gradient[PAD].any(), name


# O5: padding has no effect


def widened(batch: Batch, source: int = 2, target: int = 3) -> Batch:
    """Return the batch with more columns of padding on both sides."""
    right = {"target_input": target, "target_output": target, "source": source}
    ids = {name: F.pad(getattr(batch, name), (0, n), value=PAD) for name, n in right.items()}
    masks = {
        "source_mask": F.pad(batch.source_mask, (0, source), value=False),
        "target_mask": F.pad(batch.target_mask, (0, target), value=False),
    }
    return replace(batch, **ids, **masks)


def with_random_padding(batch: Batch) -> Batch:
    """Return the batch with random words in place of the padding ids; lengths and masks stay."""
    source = torch.randint(NUM_SPECIAL_TOKENS, SOURCE_VOCAB, batch.source.shape)
    target = torch.randint(NUM_SPECIAL_TOKENS, TARGET_VOCAB, batch.target_input.shape)
    return replace(
        batch,
        source=torch.where(batch.source_mask, batch.source, source),
        target_input=torch.where(batch.target_mask, batch.target_input, target),
        target_output=torch.where(batch.target_mask, batch.target_output, target),
    )


def with_nan_padding(model: EncoderDecoder) -> EncoderDecoder:
    """Return a copy of the model whose padding vectors are not numbers."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embedding.lookup" in name:
                parameter[PAD] = torch.nan
    return model


def padding_has_no_effect(model: EncoderDecoder, batch: Batch) -> None:
    """O5: extra columns, random ids or NaN vectors change neither logits, loss, gradients nor attention."""
    expected = loss_and_gradients(model, batch)
    attention = by_steps(model, batch)[1]
    wide = widened(batch)
    for same_model, same_batch in (
        (model, wide),
        (model, with_random_padding(wide)),
        (with_nan_padding(model), wide),
    ):
        assert_equal(loss_and_gradients(same_model, same_batch), expected)
        _attention_is_the_same(by_steps(same_model, same_batch)[1], attention, batch)


def _attention_is_the_same(wide: Tensor, attention: Tensor, batch: Batch) -> None:
    if not attention.shape[-1]:
        assert not wide.shape[-1]
        return
    steps, width = batch.target_mask.shape[1], batch.source_mask.shape[1]
    rows = wide[:, :steps][batch.target_mask]
    assert_equal(rows[:, :width], attention[batch.target_mask])
    assert not rows[:, width:].any(), "attention on an extra column of padding"


# O3, O4, O18: greedy decoding


def request_of(lengths: Tensor) -> Request:
    return Request(lengths, torch.arange(len(lengths)), [[] for _ in lengths])


def decode(model: EncoderDecoder, source: Tensor, lengths: Tensor) -> list[Hypothesis]:
    with torch.no_grad():
        state = model.initial_state(model.encode(source, lengths))
        return [found[0] for found in SEARCH(model.step, state, request_of(lengths))]


def decode_rows(model: EncoderDecoder, batch: Batch, rows: list[int]) -> list[Hypothesis]:
    """Decode some rows of a batch, padded as far as they need it and no further."""
    lengths = batch.source_lengths[rows]
    return decode(model, batch.source[rows, : int(lengths.max())], lengths)


def forced_score(
    model: EncoderDecoder, batch: Batch, row: int, found: Hypothesis, length: Tensor
) -> float:
    """Return the log-probability of a hypothesis' tokens, read as a given target."""
    given = torch.tensor([[BOS, *found.tokens.tolist(), *([EOS] if found.finished else [])]])
    with torch.no_grad():
        logits = model(batch.source[row : row + 1, : int(length)], length, given[:, :-1])
    return float(-negative_log_likelihood(logits[0], given[0, 1:]))


def greedy_score_is_teacher_forced_score(model: EncoderDecoder, batch: Batch) -> None:
    """O3: the score of a hypothesis is the log-probability of its tokens, read as a given target."""
    for row, found in enumerate(decode(model, batch.source, batch.source_lengths)):
        length = batch.source_lengths[row : row + 1]
        assert_equal(found.score, forced_score(model, batch, row, found, length))


def same_hypotheses(some: list[Hypothesis], others: list[Hypothesis]) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()
        assert one.finished == other.finished
        assert_equal(one.score, other.score)
        width = min(one.attention.shape[1], other.attention.shape[1])
        assert_equal(one.attention[:, :width], other.attention[:, :width])


def batch_mates_have_no_effect(model: EncoderDecoder, batch: Batch) -> None:
    """O4: alone = in a batch = in a permuted batch = in batches of two."""
    rows = list(range(len(batch)))
    together = decode(model, batch.source, batch.source_lengths)
    same_hypotheses([decode_rows(model, batch, [i])[0] for i in rows], together)
    permuted = decode_rows(model, batch, rows[::-1])
    same_hypotheses(permuted[::-1], together)
    pairs = [decode_rows(model, batch, rows[i : i + 2]) for i in range(0, len(rows), 2)]
    same_hypotheses([found for pair in pairs for found in pair], together)


def nothing_comes_after_the_end(found: list[Hypothesis], lengths: Tensor, search: Greedy) -> None:
    """O18: the end token is last, and each sentence keeps its own limit."""
    for one, length in zip(found, lengths.tolist(), strict=True):
        limit = int(length * search.max_ratio) + search.max_extra
        produced = len(one.tokens) + one.finished
        assert EOS not in one.tokens.tolist()
        assert one.attention.shape[0] == produced <= limit
        assert one.finished or produced == limit


# O6, O7: teacher forcing


@contextmanager
def shared_dropout(model: EncoderDecoder) -> Iterator[None]:
    """Make the dropout mask a function of (layer, time), so that both roads drop the same.

    The layer is found in the calling frame: the `nn.Dropout` itself, or the decoder's layer number.
    """
    torch.manual_seed(
        5
    )  # the encoder's dropout is inside torch's fused call, the same in both roads
    names = {id(module): name for name, module in model.named_modules()}
    clock: dict[str, int] = {}
    original = F.dropout

    def dropout(
        inputs: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or p == 0.0:
            return inputs
        caller = sys._getframe(1).f_locals
        site = f"{names.get(id(caller.get('self')))} {caller.get('layer')}"
        start, steps = clock.get(site, 0), inputs.shape[1] if inputs.ndim == 3 else 1
        clock[site] = start + steps
        seed = int(hashlib.sha256(site.encode()).hexdigest()[:8], 16)
        draws = torch.rand(
            64, inputs.shape[0], inputs.shape[-1], generator=torch.Generator().manual_seed(seed)
        )
        kept = (draws >= p).to(inputs)[start : start + steps].transpose(0, 1) / (1 - p)
        return inputs * (kept if inputs.ndim == 3 else kept[:, 0])

    F.dropout = dropout
    try:
        yield
    finally:
        F.dropout = original


def loop_equals_parallel_road(model: EncoderDecoder, batch: Batch) -> None:
    """O6: feeding the data's token at every step gives the logits and gradients of the parallel road."""
    with shared_dropout(model):
        logits, loss, parallel = loss_and_gradients(model, batch)
    with shared_dropout(model):
        looped = rolled_out(model, batch, torch.ones_like(batch.target_mask))
        targets = batch.target_output[batch.target_mask]
        looped_loss = negative_log_likelihood(looped, targets)
        by_loop = gradients(model, looped_loss)
    assert_equal((looped.detach(), looped_loss.detach(), by_loop), (logits, loss, parallel))


def never_teacher_forced_equals_greedy(
    model: EncoderDecoder, batch: Batch, road: Callable[[EncoderDecoder, Batch], Tensor]
) -> None:
    """O7: with ratio 0 the model is fed what greedy decoding feeds, until the end token.

    `road` gives the logits of all real positions; the batch must have `steps` of them in every row.
    """
    with torch.no_grad():
        logits = road(model, batch)
    rows, best = len(batch), most_likely(logits)
    scores = logits.log_softmax(-1).gather(1, best.unsqueeze(1)).view(rows, -1)
    tokens = best.view(rows, -1)
    limits = torch.full((rows,), tokens.shape[1])
    search = Greedy(max_ratio=0.0, max_extra=int(limits[0]))
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    with torch.no_grad():
        hypotheses = search(model.step, state, request_of(limits))
    for row, (found,) in enumerate(hypotheses):
        produced = [*found.tokens.tolist(), *([EOS] if found.finished else [])]
        assert tokens[row, : len(produced)].tolist() == produced
        assert_equal(
            scores[row, : len(produced)].sum(), torch.tensor(found.score, dtype=torch.float64)
        )


def full_batch(batch: Batch) -> Batch:
    """Return the batch with every target position real."""
    return replace(batch, target_mask=torch.ones_like(batch.target_mask))


def corpus_of(count: int, seed: int) -> Batch:
    """Return random sentences of 1 to 9 words."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 10, (count,), generator=generator).tolist()
    sources = [
        torch.randint(NUM_SPECIAL_TOKENS, SOURCE_VOCAB, (n,), generator=generator).tolist()
        for n in lengths
    ]
    batch = EncodedPairs(sources, sources)[torch.arange(count)]
    assert torch.equal(
        batch.source_mask, mask_from_lengths(batch.source_lengths, batch.source.shape[1])
    )
    return batch
