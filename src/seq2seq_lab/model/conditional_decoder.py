"""The conditional recurrent decoder: attention between two cells (Firat and Cho 2016; Sennrich et al. 2017)."""

from collections.abc import Callable

from torch import Tensor

from seq2seq_lab.model.cell import Cell
from seq2seq_lab.model.recurrent_decoder import RecurrentDecoder
from seq2seq_lab.model.state import RecurrentState
from seq2seq_lab.model.step_weights import StepWeights


class ConditionalDecoder(RecurrentDecoder):
    """Two cells in the first layer: one reads the previous token, the other what attention then finds.

    s' = cell(y, s), c = attention(s'), s'' = last cell(c, s'); further layers read s''. With GRUs this is the
    "conditional GRU". Needs attention.
    """

    context_enters_state = True

    def _make_cells(self, cell: Callable[..., Cell], widths: list[int]) -> list[Cell]:
        if not self.attention.context_dim:
            raise ValueError(
                "model/order=between without attention: there is nothing between the two cells; choose an attention, "
                "or model/order=after"
            )
        return [*super()._make_cells(cell, widths), cell(self.attention.context_dim, self.dim)]

    def _attend_and_recur(
        self, projected: Tensor, state: RecurrentState, weights: StepWeights
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        before = (state.hidden[:, 0], state.cell_state[:, 0])
        dynamic = [state.feed] if self.input_feeding else []
        gates = weights.first_gates(projected, dynamic, before[0], state.origin)
        between = self.cells[0].update(gates, before)
        context, attention = self._attend(between[0], state)
        gates = weights.upper_gates(self.num_layers, context, between[0])
        first = self.cells[-1].update(gates, between)
        top, layers = self._recur_above(first, projected, state, weights)
        return top, context, self._renewed(state, layers, attention)
