"""The encoder-decoder model: encode the source, decode the target."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq_lab.model.checks import refuse_unused_dropout
from seq2seq_lab.model.feature_encoder import FeatureEncoder
from seq2seq_lab.model.state import DecoderState, Memory

Stepper = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(one token per row, state) -> (logits, new state)"""


class EncoderDecoder(nn.Module):
    """An encoder and a decoder; embeddings may be tied.

    `tie_output` uses the target embedding as the output layer's weight (Press and Wolf 2017), `tie_source` uses it
    for the source as well and needs one vocabulary for both sides (`data.joint=true`). `feature_encoder` takes the
    encoder and returns one that reads conditioning features beside the text.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        feature_encoder: Callable[..., FeatureEncoder] | None = None,
        *,
        tie_output: bool = False,
        tie_source: bool = False,
    ):
        super().__init__()
        refuse_unused_dropout(encoder, decoder)
        # torch types every attribute of a module as Tensor | Module
        self.encoder: Any = encoder if feature_encoder is None else feature_encoder(encoder)
        self.decoder: Any = decoder
        self.tie_output, self.tie_source = tie_output, tie_source
        if tie_output:
            self._tie(decoder, "output", "model.tie_output", decoder.output)
        if tie_source:
            source: Any = self.encoder.embedding
            self._tie(source, "lookup", "model.tie_source", source.lookup)

    def _tie(self, owner: nn.Module, name: str, key: str, layer: Any) -> None:
        embedding = self.decoder.embedding
        if embedding is None:
            raise ValueError(f"{key}=true: this decoder has no target embedding to tie")
        shared = embedding.lookup.weight
        if layer.weight.shape != shared.shape:
            raise ValueError(
                f"{key}=true: the target embedding is {tuple(shared.shape)} and the other weight "
                f"{tuple(layer.weight.shape)} (vocabulary x width); make both equal"
            )
        getattr(owner, name).weight = shared

    def encode(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> Memory:
        """Return the memory of the padded source ids."""
        return self.encoder(source, lengths)

    def initial_state(self, memory: Memory) -> DecoderState:
        """Return the decoder's state before its first step."""
        return self.decoder.initial_state(memory)

    def step(
        self, token: Int[Tensor, " batch"], state: DecoderState
    ) -> tuple[Float[Tensor, "batch vocab"], DecoderState]:
        """Read one target token; return the logits of the next one and the new state."""
        return self.decoder.step(token, state)

    def stepper(self) -> Stepper:
        """Return `step` for a whole search: the weights are packed once."""
        return self.decoder.packed().step

    def forward(
        self,
        source: Int[Tensor, "batch source"],
        source_lengths: Int[Tensor, " batch"],
        target_input: Int[Tensor, "batch target"],
        target_places: Bool[Tensor, "batch target"] | Int[Tensor, " places"] | None = None,
    ) -> Float[Tensor, "*positions vocab"]:
        """Return the teacher-forced logits of every target position (batch, target, vocab).

        With `target_places`, a mask or the `places` of a batch, only the logits there are computed and returned, row by
        row (tokens, vocab).
        """
        embedded = self.decoder.embed(target_input)
        memory = self.encode(source, source_lengths)
        return self.decoder(embedded, memory, target_places)

    def attention_weights(
        self,
        source: Int[Tensor, "batch source"],
        source_lengths: Int[Tensor, " batch"],
        target_input: Int[Tensor, "batch target"],
    ) -> Float[Tensor, "batch heads target weights"]:
        """Return the teacher-forced attention weights of each head (the top layer's); width 0 without attention."""
        embedded = self.decoder.embed(target_input)
        return self.decoder.attention_weights(embedded, self.encode(source, source_lengths))
