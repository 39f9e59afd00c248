"""The seedwise form of every part of a model: a subclass that reads parameters (seeds, ...) and draws for each seed.

Parts without parameters and draws treat every row alike and stay what they are. A class that is not here, such as an
extension's, has no seedwise form.
"""

from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seq2seq_lab.model import (
    attention,
    bridge,
    cell,
    context,
    feature_encoder,
    history_attention,
    layer_norm_cell,
    local_attention,
    multi_head_attention,
    norm,
    normalizer,
    position,
    readout,
    self_attention,
    transformer,
    transformer_layer,
)
from seq2seq_lab.model.conditional_decoder import ConditionalDecoder
from seq2seq_lab.model.embedding import TokenEmbedding
from seq2seq_lab.model.kernel.dropout import Dropout
from seq2seq_lab.model.kernel.linear import Linear
from seq2seq_lab.model.recurrent_decoder import BahdanauDecoder, LuongDecoder, RecurrentDecoder
from seq2seq_lab.model.recurrent_encoder import RecurrentEncoder
from seq2seq_lab.model.seedwise.attention import (
    SeedwiseAdditiveAttention,
    SeedwiseCoverageAttention,
    SeedwiseFilters,
    SeedwiseLocalPredictiveAttention,
    SeedwiseLocationAttention,
)
from seq2seq_lab.model.seedwise.bridge import SeedwiseLearnedBridge
from seq2seq_lab.model.seedwise.cell import (
    SeedwiseGruCell,
    SeedwiseLayerNormGruCell,
    SeedwiseLayerNormLstmCell,
    SeedwiseLstmCell,
    SeedwiseReluCell,
    SeedwiseTanhCell,
)
from seq2seq_lab.model.seedwise.draws import Draws
from seq2seq_lab.model.seedwise.encoder import SeedwiseEncoder, SeedwiseStack
from seq2seq_lab.model.seedwise.loop_weights import SeedwiseWeights
from seq2seq_lab.model.seedwise.position import (
    SeedwiseLearnedPosition,
    SeedwiseRelativeSelfAttention,
)
from seq2seq_lab.model.seedwise.products import (
    SeedwiseEmbedding,
    SeedwiseLayerNorm,
    SeedwiseLinear,
    SeedwiseLookup,
)
from seq2seq_lab.model.seedwise.transformer import SeedwiseTransformerDecoder
from seq2seq_lab.model.stack import Stack, StackedCells


class SeedwiseDropout(Dropout):
    """Dropout that each seed draws itself."""

    draws: Draws

    def forward(self, input: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the inputs, some of them dropped."""
        return self.draws.dropout(input, self.p, training=self.training)


FORMS: dict[type, type] = {
    nn.Linear: SeedwiseLinear,
    Linear: SeedwiseLinear,
    nn.Embedding: SeedwiseLookup,
    nn.LayerNorm: SeedwiseLayerNorm,
    Dropout: SeedwiseDropout,
    Stack: SeedwiseStack,
    TokenEmbedding: SeedwiseEmbedding,
    RecurrentEncoder: SeedwiseEncoder,
    cell.LstmCell: SeedwiseLstmCell,
    cell.GruCell: SeedwiseGruCell,
    cell.TanhCell: SeedwiseTanhCell,
    cell.ReluCell: SeedwiseReluCell,
    layer_norm_cell.LayerNormGruCell: SeedwiseLayerNormGruCell,
    layer_norm_cell.LayerNormLstmCell: SeedwiseLayerNormLstmCell,
    bridge.LearnedBridge: SeedwiseLearnedBridge,
    attention.AdditiveAttention: SeedwiseAdditiveAttention,
    local_attention.LocalPredictiveAttention: SeedwiseLocalPredictiveAttention,
    history_attention.CoverageAttention: SeedwiseCoverageAttention,
    history_attention.LocationAttention: SeedwiseLocationAttention,
    nn.Conv1d: SeedwiseFilters,
    position.LearnedPosition: SeedwiseLearnedPosition,
    self_attention.RelativeSelfAttention: SeedwiseRelativeSelfAttention,
    transformer.TransformerDecoder: SeedwiseTransformerDecoder,
}
"""What takes the place of a class."""
ALIKE: frozenset[type] = frozenset(
    {
        nn.ModuleList,
        nn.Identity,
        nn.Sequential,
        nn.ReLU,
        LuongDecoder,
        BahdanauDecoder,
        ConditionalDecoder,
        StackedCells,
        bridge.ZeroBridge,
        bridge.LastBridge,
        bridge.LinearBridge,
        bridge.MeanBridge,
        bridge.MaxBridge,
        attention.NoAttention,
        attention.UniformAttention,
        attention.DotAttention,
        attention.ScaledDotAttention,
        attention.GeneralAttention,
        local_attention.LocalMonotonicAttention,
        multi_head_attention.MultiHeadAttention,
        readout.StateReadout,
        readout.StateContextReadout,
        readout.DeepReadout,
        context.InitialStateContext,
        context.EveryStepContext,
        context.EveryStepAndOutputContext,
        feature_encoder.FeatureEncoder,
        feature_encoder.SetEncoder,
        transformer.TransformerEncoder,
        transformer_layer.EncoderLayer,
        transformer_layer.DecoderLayer,
        transformer_layer.AttentionHeads,
        transformer_layer.InputEmbedding,
        norm.PreNorm,
        norm.PostNorm,
        position.SinusoidalPosition,
        position.RotaryPosition,
        position.RelativePosition,
        self_attention.SelfAttention,
        normalizer.Softmax,
        normalizer.Sparsemax,
        normalizer.Entmax15,
    }
)
"""What treats every row alike, by the modules inside it."""


def make_seedwise(part: Any, draws: Draws) -> None:
    """Turn a module whose parameters have a first axis for the seeds into its seedwise form, with all inside it.

    Raises `NotImplementedError` for a part without one.
    """
    if (
        type(part) in FORMS.values()
    ):  # a part with two owners, such as the embedding of text and features
        return
    form = FORMS.get(type(part), type(part))
    if form is type(part) and form not in ALIKE:
        name = f"{form.__module__}.{form.__qualname__}"
        raise NotImplementedError(f"{name} has no form for several seeds at once")
    if not isinstance(part, nn.Module):
        return
    inside: list[Any] = list(part.children())
    inside += [getattr(part, name) for name in ("context", "normalizer") if hasattr(part, name)]
    module: Any = part
    module.__class__ = form
    if "draws" in form.__annotations__:
        module.draws = draws
    if isinstance(part, RecurrentDecoder):
        module.loop_weights, module.drop = partial(SeedwiseWeights, draws), draws.dropout
    for one in inside:
        make_seedwise(one, draws)
