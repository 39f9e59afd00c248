"""The Transformer's decoder of several seeds."""

from seq2seq_lab.model.kernel.packed_decoder import PackedDecoder
from seq2seq_lab.model.transformer import TransformerDecoder


class SeedwiseTransformerDecoder(TransformerDecoder):
    """`TransformerDecoder`, whose seedwise parts hold the weights."""

    def packed(self) -> PackedDecoder:
        """Return `step` and `step_embedded`; nothing is packed."""
        return PackedDecoder(self.embed, self.step_embedded)
