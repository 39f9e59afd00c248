"""Diverse beam search: groups of hypotheses with a penalty on each other's tokens (Vijayakumar et al. 2018)."""

from dataclasses import dataclass, replace

from seq2seq_lab.decoding.beam import Beam, Rules


@dataclass(frozen=True, kw_only=True)
class DiverseBeam(Beam):
    """A beam of `num_groups` equal groups; in each step a token costs `diversity` for each earlier group that took it.

    The cost affects the choice only: scores are log-probabilities, and the best of all groups are returned.
    """

    num_groups: int = 5
    diversity: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_groups < 2 or self.beam_size % self.num_groups:
            raise ValueError(
                f"num_groups={self.num_groups}: must be >= 2 and divide beam_size={self.beam_size}; use decoding=beam "
                "for a single group"
            )
        if self.diversity <= 0:
            raise ValueError(f"diversity={self.diversity}: must be > 0")

    @property
    def rules(self) -> Rules:
        """The settings in the form of `beam_search`; `width` is that of a group."""
        return replace(
            super().rules,
            width=self.beam_size // self.num_groups,
            groups=self.num_groups,
            strength=self.diversity,
        )
