"""Teacher-forcing schedules: optimizer step -> the ratio of target tokens that are fed as they stand in the data."""


class Constant:
    """The same ratio at every step: 1 is pure teacher forcing, 0 feeds the model's own outputs only."""

    def __init__(self, ratio: float = 1.0):
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"ratio={ratio}: must be in [0, 1]")
        self.ratio = ratio

    def __call__(self, step: int) -> float:  # noqa: ARG002
        """Return the ratio at this optimizer step."""
        return self.ratio
