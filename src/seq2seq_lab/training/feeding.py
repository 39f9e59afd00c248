"""How a teacher-forcing ratio is carried out: what the decoder reads at each step.

`Sequential` is exact: step by step, the model's own output is fed the moment it is made. `Parallel` runs the
teacher-forced decoder over all steps a few times: predict, put own outputs in by the same coins, run again (Mihaylova
and Martins 2019). With as many passes as there are steps it feeds what sequential feeding would.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq_lab.batch import Batch
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.coins import Token
from seq2seq_lab.training.fed_token import Argmax, FedToken

Coins = Callable[[int, int, float, torch.Generator], Tensor]
TOKEN, ARGMAX = Token(), Argmax()


def teacher_forced(model: EncoderDecoder, batch: Batch) -> Float[Tensor, "tokens vocab"]:
    """Feed the target itself; return the logits of the real positions only, row by row."""
    readouts = model.readouts(batch.source, batch.source_lengths, batch.target_input)
    return model.output(readouts[batch.target_mask])


def rolled_out(
    model: EncoderDecoder,
    batch: Batch,
    coins: Bool[Tensor, "batch target"],
    fed_token: FedToken = ARGMAX,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "tokens vocab"]:
    """Step by step: where the coin is True feed the data's token, else what the model makes of its own logits.

    The first token is BOS whatever the coin.
    """
    decoder = model.decoder
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    data, products = decoder.embed(batch.target_input), decoder.loop_products()
    steps: list[Tensor] = []
    for position, given in enumerate(data.unbind(1)):
        fed = given
        if position:
            own = fed_token.read(decoder, fed_token.choose(steps[-1], generator))
            fed = torch.where(coins[:, position, None], given, own)
        logits, state = decoder.step_embedded(fed, state, products)
        steps.append(logits)
    return torch.stack(steps, dim=1)[batch.target_mask]


class Sequential:
    """Exact: the model's own output is fed at once. A ratio of 1 takes the teacher-forced road."""

    def __init__(self, coins: Coins = TOKEN, fed_token: FedToken = ARGMAX):
        self.coins, self.fed_token = coins, fed_token

    def __call__(
        self, model: EncoderDecoder, batch: Batch, ratio: float, generator: torch.Generator
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of the real target positions; `generator` (CPU) draws the coins and the tokens."""
        if ratio >= 1.0:
            return teacher_forced(model, batch)
        rows, steps = batch.target_input.shape
        coins = self.coins(rows, steps, ratio, generator).to(batch.source.device)
        return rolled_out(model, batch, coins, self.fed_token, generator)


class Parallel:
    """`passes` runs over all steps, each fed with what the run before predicted; the gradient is that of the last."""

    def __init__(
        self,
        passes: int = 2,
        coins: Coins = TOKEN,
        fed_token: FedToken = ARGMAX,
    ):
        if passes < 2:
            raise ValueError(
                f"passes={passes}: must be >= 2; one pass is training/teacher_forcing=always"
            )
        self.passes, self.coins, self.fed_token = passes, coins, fed_token

    def __call__(
        self, model: EncoderDecoder, batch: Batch, ratio: float, generator: torch.Generator
    ) -> Float[Tensor, "tokens vocab"]:
        """Return the logits of the real target positions; `generator` (CPU) draws the coins and the tokens."""
        if ratio >= 1.0:
            return teacher_forced(model, batch)
        rows, steps = batch.target_input.shape
        coins = self.coins(rows, steps, ratio, generator).to(batch.source.device)
        own_places = ~coins & batch.target_mask
        own_places[:, 0] = False
        before = own_places[:, 1:]  # what is read at a place was predicted one step earlier
        memory = model.encode(batch.source, batch.source_lengths)
        data = fed = model.decoder.embed(batch.target_input)
        for _ in range(self.passes - 1):
            with torch.no_grad():
                predicted = model.decoder.readouts(fed, memory)[:, :-1][before]
                choice = self.fed_token.choose(model.output(predicted), generator)
            own = self.fed_token.read(model.decoder, choice)
            fed = data.masked_scatter(own_places.unsqueeze(-1), own)
        return model.output(model.decoder.readouts(fed, memory)[batch.target_mask])
