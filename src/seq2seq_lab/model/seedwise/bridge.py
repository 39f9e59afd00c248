"""Bridges with parameters of their own, of several seeds."""

from seq2seq_lab.model.bridge import LearnedBridge, States
from seq2seq_lab.model.state import Memory


class SeedwiseLearnedBridge(LearnedBridge):
    """Trained constants (seeds, layers, dim)."""

    def forward(self, memory: Memory) -> States:
        """Return the constants of each row's seed."""
        each = len(memory.states) // len(self.hidden)
        hidden = self.hidden.repeat_interleave(each, dim=0)
        empty = hidden[..., :0]
        return hidden, empty if self.cell is None else self.cell.repeat_interleave(each, dim=0)
