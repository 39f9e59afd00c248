"""Conditioning features beside the text, with an encoder of their own.

A source is `features, text, end`, padded (`data/tokenizer/features.py`): ids from `text_vocab_size` on are features.
The text is read by its own encoder as if the features were not there, the features by another one, and the memory has
the states of both side by side, in the order of the ids: an attention chooses among features as among words.
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Bool, Int
from torch import Tensor, nn

from seq2seq_lab.batch import mask_from_lengths
from seq2seq_lab.model.checks import check_positive
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.state import Memory, masked_mean
from seq2seq_lab.special_tokens import PAD


class SetEncoder(nn.Module):
    """A linear map of each feature's embedding; the order of the features has no effect.

    `hidden` is the mean of the states.
    """

    num_layers = 1

    def __init__(self, embedding: TokenEmbedding, dim: int):
        super().__init__()
        check_positive(dim=dim)
        self.dim, self.embedding = dim, embedding
        self.linear = nn.Linear(embedding.dim, dim)

    def forward(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Memory:
        """Encode the padded ids; `lengths` count the real tokens of each row, at least 1."""
        on_device = lengths.to(source.device, non_blocking=True)
        mask = mask_from_lengths(on_device, source.shape[1])
        states = self.linear(self.embedding(source)).masked_fill(~mask.unsqueeze(-1), 0.0)
        hidden = masked_mean(states, mask).unsqueeze(1)
        return Memory(states, mask, hidden, cell_state=hidden[..., :0])


def shifted(
    values: Tensor, by: Int[Tensor, " batch"], fill: Bool[Tensor, "batch source"]
) -> Tensor:
    """Return the values (batch, source, ...) of each row `by` positions further on, 0 where `fill` is True.

    A negative number of positions shifts to the front.
    """
    width = values.shape[1]
    place = (by.new_ones(width).cumsum(0) - 1).unsqueeze(0) - by.unsqueeze(1)
    place = place.clamp(0, width - 1)
    if values.ndim == 3:
        place = place.unsqueeze(-1).expand(-1, -1, values.shape[2])
        fill = fill.unsqueeze(-1)
    return values.gather(1, place).masked_fill(fill, 0)


class FeatureEncoder(nn.Module):
    """The encoder of the text, and one of the features that are written before it.

    `encoder` makes the features' encoder from the embedding, in which text and features have rows of their own; it
    must be as wide as that of the text. The memory's `hidden` is the text's plus the features' top one, in each
    layer, so that a decoder without attention is conditioned too. A row without features is the text encoder's alone.
    On an accelerator the CPU waits for the number of features of each row.
    """

    def __init__(
        self,
        text_encoder: nn.Module,
        encoder: Callable[..., nn.Module],
        text_vocab_size: int,
    ):
        super().__init__()
        check_positive(text_vocab_size=text_vocab_size)
        self.text_encoder: Any = text_encoder
        self.features: Any = encoder(embedding=self.embedding)
        if self.features.dim != self.dim:
            raise ValueError(
                f"feature_encoder.encoder.dim={self.features.dim}: must be the width of the text's encoder, {self.dim}"
            )
        self.text_vocab_size = text_vocab_size

    @property
    def embedding(self) -> Any:
        """The embedding of text and features."""
        return self.text_encoder.embedding

    @property
    def dim(self) -> int:
        """The width of the memory."""
        return self.text_encoder.dim

    @property
    def num_layers(self) -> int:
        """The layers of the memory's final states."""
        return self.text_encoder.num_layers

    def forward(
        self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]
    ) -> Memory:
        """Encode the padded ids; `lengths` count the real ones of each row, features and end token included."""
        on_device = lengths.to(source.device, non_blocking=True)
        mask = mask_from_lengths(on_device, source.shape[1])
        is_feature = (source >= self.text_vocab_size) & mask
        count = is_feature.sum(dim=1)
        text_lengths = lengths - count.to(lengths.device)
        text_mask = mask_from_lengths(on_device - count, source.shape[1])
        text = self.text_encoder(shifted(source, -count, ~text_mask), text_lengths)
        features = self._encode_features(source, is_feature, count.to(lengths.device))
        states = features.states + shifted(text.states, count, is_feature | ~mask)
        return Memory(states, mask, text.hidden + features.hidden, text.cell_state)

    def _encode_features(
        self, source: Tensor, is_feature: Tensor, count: Int[Tensor, " batch"]
    ) -> Memory:
        """Return states (0 but at features) and top final state (0 without any) of the features."""
        ids = source.masked_fill(~is_feature, PAD)
        memory = self.features(ids, count.clamp(min=1))  # an encoder reads one token at least
        states = memory.states.masked_fill(~is_feature.unsqueeze(-1), 0.0)
        has_none = ~is_feature[:, :1].unsqueeze(-1)
        hidden = memory.hidden[:, -1:].masked_fill(has_none, 0.0)
        return Memory(states, is_feature, hidden, memory.cell_state[:, -1:])
