"""Several models of one configuration as one program: the parameters stacked, the rows of all batches side by side.

The sentences of a batch meet nowhere in a model, so a row's seed matters only where parameters are read and where
dropout is drawn; those parts have a seedwise form (`parts`), everything else is the code of a single model.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.batch import Batch, mask_from_lengths, pick
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.model.kernel.linear import linear
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.seedwise.parts import make_seedwise
from seq2seq_lab.model.seedwise.search import SeedwiseSearchModel
from seq2seq_lab.special_tokens import PAD


class Seedwise:
    """One model made of several of the same configuration.

    Raises `NotImplementedError`, naming the part, where one has no seedwise form, and `ValueError` where the models
    differ in more than their numbers.
    """

    def __init__(self, models: Sequence[EncoderDecoder]):
        self.models = list(models)
        named = [dict(model.named_parameters()) for model in models]
        shapes = [{name: (p.shape, p.dtype, p.device) for name, p in one.items()} for one in named]
        if any(one != shapes[0] for one in shapes):
            raise ValueError("models of different sizes cannot be computed at once")
        self._members = list(zip(*(one.values() for one in named), strict=True))
        self._stacked = [
            nn.Parameter(torch.stack([p.detach() for p in each]), each[0].requires_grad)
            for each in self._members
        ]
        first = {id(each[0]): p for each, p in zip(self._members, self._stacked, strict=True)}
        self.model: Any = copy.deepcopy(models[0], first)
        self.source, self.target = Draws(len(models)), Draws(len(models))
        if type(self.model) is not EncoderDecoder:
            raise NotImplementedError(f"{type(self.model)} has no form for several seeds at once")
        make_seedwise(self.model.encoder, self.source)
        make_seedwise(self.model.decoder, self.target)

    def logits(
        self, batches: Sequence[Batch], generators: Sequence[torch.Generator] | None = None
    ) -> list[Float[Tensor, "tokens vocab"]]:
        """Return each seed's teacher-forced logits of the real positions, row by row.

        The models' parameters and mode are read anew. Seed s draws its dropout from `generators[s]`, as its model
        would from torch's default generator; without generators all draw from that one.
        """
        folded = self.begin(batches, generators)
        decoder = self.model.decoder
        embedded = decoder.embed(folded.target_input)
        memory = self.model.encode(folded.source, folded.source_lengths)
        vectors = pick(decoder.readouts(embedded, memory), folded.places)
        return self.output(vectors, [batch.num_target_tokens for batch in batches])

    def output(
        self, vectors: Float[Tensor, "rows readout"], counts: Sequence[int]
    ) -> list[Float[Tensor, "_ vocab"]]:
        """Return the logits of the vectors, of which the first `counts[0]` are the first seed's, and so on."""
        layer = self.model.decoder.output
        layers = zip(vectors.split(list(counts)), layer.weight, layer.bias, strict=True)
        return [linear(own, weight, bias) for own, weight, bias in layers]

    def gradients(self) -> list[list[Tensor | None]]:
        """Return the gradients of the last `logits` for each model, in the order of its `parameters()`.

        None stands where nothing depends on a parameter.
        """
        seeds = range(len(self.models))
        gradients = [p.grad for p in self._stacked]
        return [[None if one is None else one[seed] for one in gradients] for seed in seeds]

    def evaluated(self) -> EncoderDecoder:
        """Return the model of all seeds with the present parameters, without dropout and gradients in mind.

        It takes the rows of all seeds, equally many and seed after seed, where a model takes the rows of a batch.
        """
        self._read()
        self.model.eval()
        model: EncoderDecoder = self.model
        return model

    def search_model(self) -> SeedwiseSearchModel:
        """Return `evaluated` for a search, in which sentences end at different steps."""
        return SeedwiseSearchModel(self.evaluated(), len(self.models))

    def _read(self) -> None:
        """Read the parameters and the mode of the models."""
        device = self._stacked[0].device.type
        if torch.is_autocast_enabled(device):
            raise NotImplementedError("half precision has no form for several seeds at once")
        self.model.train(self.models[0].training)
        for each, stacked in zip(self._members, self._stacked, strict=True):
            stacked.grad = None
            torch.stack([p.detach() for p in each], out=stacked.detach())

    def begin(
        self, batches: Sequence[Batch], generators: Sequence[torch.Generator] | None
    ) -> Batch:
        """Read the parameters and return the batches side by side; the draws begin with them."""
        self._read()
        self.source.start([(len(b), b.source.shape[1]) for b in batches], generators)
        self.target.start([(len(b), b.target_input.shape[1]) for b in batches], generators)
        return side_by_side(batches)


def padded_together(parts: Sequence[Tensor], fill: int) -> Tensor:
    """Return the rows of all tensors of one or two axes, each tensor padded to the most rows and steps."""
    shape = [max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True)]
    made = parts[0].new_full((len(parts), *shape), fill)
    for place, part in zip(made, parts, strict=True):
        place[tuple(slice(size) for size in part.shape)] = part
    return made.flatten(0, 1)


def side_by_side(batches: Sequence[Batch]) -> Batch:
    """Return the rows of all batches, each batch padded to the largest; a row of padding has one source token."""

    def joined(name: str, fill: int) -> Tensor:
        return padded_together([getattr(batch, name) for batch in batches], fill)

    source, lengths = joined("source", PAD), joined("source_lengths", 1)
    made = Batch(
        source=source,
        source_lengths=lengths,
        source_mask=mask_from_lengths(lengths.to(source.device), source.shape[1]),
        target_input=joined("target_input", PAD),
        target_output=joined("target_output", PAD),
        target_mask=joined("target_mask", 0),
        ids=joined("ids", -1),
    )
    # from the CPU: the new batch would have to ask an accelerator
    made.__dict__["is_target"] = joined("is_target", 0)
    return made
