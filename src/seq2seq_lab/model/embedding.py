"""Token embeddings with dropout."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq_lab.model.checks import check_positive, check_probability
from seq2seq_lab.model.kernel.dropout import Dropout
from seq2seq_lab.special_tokens import PAD


class TokenEmbedding(nn.Module):
    """A lookup table of token vectors with dropout; the padding row is zero and never trained."""

    def __init__(self, vocab_size: int, dim: int, dropout: float = 0.0):
        super().__init__()
        check_positive(vocab_size=vocab_size, dim=dim)
        self.dim = dim
        self.lookup = nn.Embedding(vocab_size, dim, padding_idx=PAD)
        self.dropout = Dropout(check_probability("dropout", dropout))
        nn.init.normal_(self.lookup.weight, std=dim**-0.5)
        nn.init.zeros_(self.lookup.weight[PAD])

    def forward(self, tokens: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape dim"]:
        """Return one vector per token, zero for padding."""
        # a tied output layer does train the padding row; the mask keeps it out of the cells
        return self.dropout(self.lookup(tokens).masked_fill((tokens == PAD).unsqueeze(-1), 0.0))

    def mix(self, weights: Float[Tensor, "*shape vocab"]) -> Float[Tensor, "*shape dim"]:
        """Return the weighted mean of all token vectors, padding left out."""
        return self.dropout(weights[..., PAD + 1 :] @ self.lookup.weight[PAD + 1 :])
