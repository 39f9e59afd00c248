"""The properties of an attention, each as a function of one attention; `check_attention` calls them all.

The functions raise `AssertionError` where an attention breaks them. They expect float64 weights and a memory width of
`WIDTH`; `width` is that of the queries.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from seq2seq_lab.doctor import attending
from seq2seq_lab.doctor.agreement import NotApplicable, PropertyBroken, agree, demand
from seq2seq_lab.doctor.attention_formulas import Formula
from seq2seq_lab.model.attention import Attention
from seq2seq_lab.model.state import AttentionKeys, Memory

LENGTHS = torch.tensor([5, 2, 3])
STEPS, WIDTH = 7, 6


def randomized(module: Attention) -> Attention:
    """Give the attention large random weights in float64."""
    for parameter in module.double().parameters():
        nn.init.normal_(parameter)
    return module.eval()


def make_memory(lengths: Tensor = LENGTHS) -> Memory:
    """Return random states of sentences of these lengths, as wide as the longest."""
    width = int(lengths.max())
    states = torch.randn(len(lengths), width, WIDTH, dtype=torch.float64)
    mask = torch.arange(width) < lengths.unsqueeze(1)
    return Memory(states, mask, states[:, :1], states[:, :1, :0])


def queries(rows: int = 3, width: int = WIDTH) -> Tensor:
    """Return random queries, (rows, STEPS, width)."""
    return torch.randn(rows, STEPS, width, dtype=torch.float64)


def _largest(values: Tensor) -> float:
    return float(values.detach().abs().max()) if values.numel() else 0.0


# O9: rows of weights


def weights_are_a_distribution_over_real_positions(
    attention: Attention, width: int = WIDTH
) -> None:
    """O9: rows are >= 0, sum to 1 and are exactly 0 on padding."""
    memory = make_memory()
    context, weights = attention.sequence(queries(width=width), attention.prepare(memory))
    demand(weights.shape == (3, STEPS, 5), f"weights of shape {[*weights.shape]}, not [3, 7, 5]")
    demand(
        context.shape == (3, STEPS, attention.context_dim),
        f"contexts of shape {[*context.shape]} with context_dim={attention.context_dim}",
    )
    demand((weights >= 0).all(), f"a weight of {float(weights.detach().min()):.1e}")
    padding = weights[~memory.mask.unsqueeze(1).expand_as(weights)]
    demand(not padding.any(), f"a weight of {_largest(padding):.1e} on padding")
    agree(weights.sum(dim=-1), torch.ones(3, STEPS, dtype=torch.float64), "sum of a row of weights")


def an_only_token_gets_all(attention: Attention, width: int = WIDTH) -> None:
    """O9: where the source has one token, its weight is 1 and the context does not depend on the query."""
    memory = make_memory(torch.tensor([1, 1, 1]))
    context, weights = attention.sequence(queries(width=width), attention.prepare(memory))
    agree(weights, torch.ones_like(weights), "weight of an only token", tolerance=0.0)
    agree(context, context[:, :1].expand(-1, STEPS, -1), "context of an only token")


def huge_scores_stay_finite(attention: Attention, width: int = WIDTH) -> None:
    """Queries a million times larger give finite contexts and weights."""
    keys = attention.prepare(make_memory())
    context, weights = attention.sequence(queries(width=width) * 1e6, keys)
    demand(context.isfinite().all(), "a context that is not finite")
    demand(weights.isfinite().all(), "a weight that is not finite")


def a_row_without_tokens_is_refused(attention: Attention) -> None:
    """O9: a source without any real token is a ValueError."""
    try:
        attention.prepare(make_memory(torch.tensor([5, 0, 3])))
    except ValueError as error:
        demand("without any real token" in str(error), f"another message: {error}")
        return
    raise PropertyBroken("a source without any real token is not refused")


# O1, O4, O6: steps, beams and batches


def one_step_at_a_time(
    attention: Attention, query: Tensor, keys: AttentionKeys
) -> tuple[Tensor, Tensor]:
    """Attend as decoding does: one query at a time, with the past weights of the steps before."""
    past, results = attention.start(keys), []
    for now in query.split(1, dim=1):
        results.append(attention(now, keys, past.unsqueeze(1)))
        past = attention.advance(past, results[-1][1][:, 0])
    contexts, weights = zip(*results, strict=True)
    return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)


def all_steps_at_once_equal_one_at_a_time(attention: Attention, width: int = WIDTH) -> None:
    """O6 for attention: `sequence` is the loop that decoding runs."""
    query, keys = queries(width=width), attention.prepare(make_memory())
    found, expected = attention.sequence(query, keys), one_step_at_a_time(attention, query, keys)
    agree(found, expected, "contexts and weights")


def hypotheses_side_by_side_equal_each_alone(
    attention: Attention, beam: int = 3, width: int = WIDTH
) -> None:
    """O1 for attention: the hypotheses of a beam, each with its own past, have no effect on each other."""
    keys = attention.prepare(make_memory())
    query = torch.stack([queries(width=width) for _ in range(beam)], dim=2)
    past = attention.start(keys).unsqueeze(1).repeat(1, beam, 1)
    together = []
    for now in query.unbind(1):
        together.append(attention(now, keys, past))
        past = attention.advance(past.flatten(0, 1), together[-1][1].flatten(0, 1))
        past = past.unflatten(0, (-1, beam))
    contexts, weights = (torch.stack(parts, dim=1) for parts in zip(*together, strict=True))
    for row in range(beam):
        alone = one_step_at_a_time(attention, query[:, :, row], keys)
        agree((contexts[:, :, row], weights[:, :, row]), alone, "contexts and weights")


def a_sentence_alone_gets_the_same(attention: Attention, width: int = WIDTH) -> None:
    """O4 for attention: batch mates and padding have no effect on a sentence."""
    memory, query = make_memory(), queries(width=width)
    context, weights = attention.sequence(query, attention.prepare(memory))
    for row, length in enumerate(LENGTHS.tolist()):
        states = memory.states[row : row + 1, :length]
        alone = Memory(
            states, memory.mask[row : row + 1, :length], states[:, :1], states[:, :1, :0]
        )
        found = attention.sequence(query[row : row + 1], attention.prepare(alone))
        together = context[row : row + 1], weights[row : row + 1, :, :length]
        agree(found, together, "contexts and weights")


# O5 at the source


def ignores_what_is_masked(attention: Attention, width: int = WIDTH) -> None:
    """O5 at the source: what stands under the mask is never read."""
    memory, query = make_memory(), queries(width=width)
    expected = attention.sequence(query, attention.prepare(memory))
    for value in (1e9, torch.nan, torch.inf):
        other = replace(memory, states=memory.states.masked_fill(~memory.mask.unsqueeze(-1), value))
        found = attention.sequence(query, attention.prepare(other))
        agree(found, expected, f"{value} under the mask: contexts and weights")


# O10: formula and gradients


class _Whole(nn.Module):
    """Preparation and attention as one function of tensors."""

    def __init__(self, attention: Attention):
        super().__init__()
        self.attention = attention

    def forward(self, query: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.arange(states.shape[1]) < LENGTHS[1:].unsqueeze(1)
        keys = self.attention.prepare(Memory(states, mask, states[:, :1], states[:, :1, :0]))
        return self.attention.sequence(query, keys)


def gradients_are_right(attention: Attention, width: int = WIDTH) -> None:
    """O10: gradcheck in query, memory and every parameter."""
    module = _Whole(attention)
    names = [name for name, _ in module.named_parameters()]

    def function(query: Tensor, states: Tensor, *values: Tensor) -> tuple[Tensor, Tensor]:
        chosen = dict(zip(names, values, strict=True))
        return torch.func.functional_call(module, chosen, (query, states))

    query, states = torch.randn(2, 2, width).double(), torch.randn(2, 3, WIDTH).double()
    inputs = [query, states, *(p.detach() for p in module.parameters())]
    try:
        torch.autograd.gradcheck(function, [x.requires_grad_() for x in inputs], fast_mode=True)
    except RuntimeError as error:  # torch.autograd.gradcheck.GradcheckError
        raise PropertyBroken(f"a wrong gradient: {error}") from error


@torch.no_grad()
def equals_the_formula(attention: Attention, formula: Formula | None, width: int = WIDTH) -> None:
    """O10: weights and context are those of a loop over floats, sentence by sentence."""
    if formula is None:
        raise NotApplicable("no formula is known")
    attending.equals_the_formula(attention, formula, make_memory(), queries(width=width))
