"""Forward passes of a model, all steps at once or one by one, and their gradients; properties O6 and O12."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import PAD
from seq2seq_lab.training.loss import negative_log_likelihood
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits

Gradients = dict[str, Tensor | None]


def gradients(model: nn.Module, loss: Float[Tensor, ""]) -> Gradients:
    """Return the gradient of every parameter, None where the loss does not reach it."""
    model.zero_grad()
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters()}


def loss_and_gradients(model: EncoderDecoder, batch: Batch) -> tuple[Tensor, Tensor, Gradients]:
    """Return the teacher-forced logits of the real positions, the summed loss and its gradients."""
    torch.manual_seed(5)  # for the masks of locked dropout, in the other paths too
    logits = teacher_forced_logits(model, batch)
    loss = negative_log_likelihood(logits, batch.target_output[batch.target_mask])
    return logits.detach(), loss.detach(), gradients(model, loss)


@torch.no_grad()
def by_steps(model: EncoderDecoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return logits and attention weights of all target positions, computed one step at a time as a search does."""
    torch.manual_seed(5)
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    logits, attention = [], []
    for token in batch.target_input.unbind(1):
        now, state = model.step(token, state)
        logits.append(now)
        attention.append(state.attention)
    return torch.stack(logits, 1), torch.stack(attention, 1)


def forward_equals_steps(model: EncoderDecoder, batch: Batch) -> float:
    """O6, in decoding: `forward` equals repeated steps."""
    torch.manual_seed(5)
    whole = model(batch.source, batch.source_lengths, batch.target_input)
    return agree(whole, by_steps(model, batch)[0], "logits")


def embeddings(model: EncoderDecoder) -> dict[str, nn.Embedding]:
    """Return the token embeddings that the model owns, by side."""
    sides = {"encoder": model.encoder, "decoder": model.decoder}
    owned = {name: getattr(side, "embedding", None) for name, side in sides.items()}
    return {name: embedding.lookup for name, embedding in owned.items() if embedding is not None}


def is_output(model: EncoderDecoder, weight: Tensor) -> bool:
    """Return whether the weight is the output layer's too: then its padding row is a word like any other."""
    return weight is model.decoder.output.weight


def untrained(model: EncoderDecoder, batch: Batch) -> list[str]:
    """Return the parameters that get no gradient from the loss of this batch."""
    found = loss_and_gradients(model, batch)[2]
    return [name for name, gradient in found.items() if gradient is None or not gradient.any()]


def padding_row_is_not_trained(model: EncoderDecoder) -> None:
    """O12, after a backward pass: no token embedding has a gradient in its padding row."""
    for side, embedding in embeddings(model).items():
        gradient = embedding.weight.grad
        if gradient is not None and not is_output(model, embedding.weight):
            demand(not gradient[PAD].any(), f"the {side}'s padding vector has a gradient")


def every_parameter_is_trained(model: EncoderDecoder, batch: Batch) -> float:
    """O12: every parameter has a gradient, and the padding row of an embedding has none."""
    without = untrained(model, batch)
    demand(not without, f"no gradient reaches {', '.join(without)}")
    padding_row_is_not_trained(model)
    return 0.0
