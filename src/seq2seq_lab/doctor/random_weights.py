"""Random models: float64 weights that are large enough to make the choices of a model differ."""

import torch

from seq2seq_lab.doctor.roads import embeddings
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.special_tokens import EOS, PAD


@torch.no_grad()
def randomize(model: EncoderDecoder, seed: int) -> EncoderDecoder:
    """Give the model random weights; the end token a head start, so that some sentences end and some do not."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    for parameter in model.parameters():
        parameter.normal_(0.0, 0.6, generator=generator)
    for embedding in embeddings(model).values():
        embedding.weight[PAD] = 0.0
    model.decoder.output.bias[EOS] += 1.5
    return model
