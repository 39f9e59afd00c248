"""Random float64 weights, large enough that models of different seeds predict different tokens."""

import torch

from seq2seq_lab.doctor.paths import embeddings
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import EOS, PAD


@torch.no_grad()
def randomize(model: EncoderDecoder, seed: int) -> EncoderDecoder:
    """Give the model random weights, and the end token a larger bias, so that some sentences end and some do not."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    for parameter in model.parameters():
        parameter.normal_(0.0, 0.6, generator=generator)
    for embedding in embeddings(model).values():
        embedding.weight[PAD] = 0.0
    model.decoder.output.bias[EOS] += 1.5
    return model
