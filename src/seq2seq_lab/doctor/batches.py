"""Random sentences as batches, and the same batch with other rows or other padding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn import functional as F

from seq2seq_lab.batch import Batch
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS, PAD


class Vocabularies(NamedTuple):
    """The sizes of both vocabularies; so many of the source's ids, the last ones, are conditioning features."""

    source: int
    target: int
    num_features: int = 0


def random_batch(
    sources: Sequence[int],
    targets: Sequence[int],
    vocabularies: tuple[int, int] | Vocabularies,
    seed: int = 1,
) -> Batch:
    """Return random sentences of these lengths (the end token not counted) over vocabularies of these sizes.

    Where the source has features, a random number of the first tokens, from none to all, are features.
    """
    sizes = Vocabularies(*vocabularies)
    text = sizes.source - sizes.num_features
    generator = torch.Generator().manual_seed(seed)

    def sentences(lengths: Sequence[int], vocab: int) -> list[list[int]]:
        return [
            torch.randint(NUM_SPECIAL_TOKENS, vocab, (n,), generator=generator).tolist()
            for n in lengths
        ]

    sides = [sentences(sources, text), sentences(targets, sizes.target)]
    for sentence in sides[0] if sizes.num_features else ():
        count = int(torch.randint(len(sentence) + 1, (1,), generator=generator))
        drawn = torch.randint(text, sizes.source, (count,), generator=generator)
        sentence[:count] = drawn.tolist()
    pairs = EncodedPairs(*sides)
    return pairs[torch.arange(len(pairs))]


def rows_of(batch: Batch, rows: list[int]) -> Batch:
    """Return some rows of a batch, padded as far as they need it and no further."""
    lengths = batch.source_lengths[rows]
    source, target = int(lengths.max()), int(batch.target_mask[rows].sum(dim=1).max())
    return Batch(
        source=batch.source[rows, :source],
        source_lengths=lengths,
        source_mask=batch.source_mask[rows, :source],
        target_input=batch.target_input[rows, :target],
        target_output=batch.target_output[rows, :target],
        target_mask=batch.target_mask[rows, :target],
        ids=batch.ids[rows],
    )


def widened(batch: Batch, source: int = 2, target: int = 3) -> Batch:
    """Return the batch with more columns of padding on both sides."""
    right = {"target_input": target, "target_output": target, "source": source}
    ids = {name: F.pad(getattr(batch, name), (0, n), value=PAD) for name, n in right.items()}
    return replace(
        batch,
        source_mask=F.pad(batch.source_mask, (0, source), value=False),
        target_mask=F.pad(batch.target_mask, (0, target), value=False),
        source=ids["source"],
        target_input=ids["target_input"],
        target_output=ids["target_output"],
    )


def with_random_padding(batch: Batch) -> Batch:
    """Return the batch with random words in place of the padding ids; lengths and masks stay."""
    source = torch.randint(NUM_SPECIAL_TOKENS, int(batch.source.max()) + 1, batch.source.shape)
    highest = int(batch.target_output.max()) + 1
    target = torch.randint(NUM_SPECIAL_TOKENS, highest, batch.target_input.shape)
    return replace(
        batch,
        source=torch.where(batch.source_mask, batch.source, source),
        target_input=torch.where(batch.target_mask, batch.target_input, target),
        target_output=torch.where(batch.target_mask, batch.target_output, target),
    )


def full_batch(batch: Batch) -> Batch:
    """Return the batch with every target position real."""
    return replace(batch, target_mask=torch.ones_like(batch.target_mask))
