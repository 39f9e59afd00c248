"""Checks of constructor arguments: sizes and probabilities."""


def check_probability(name: str, value: float) -> float:
    """Return the dropout probability, or refuse it with the rule."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name}={value}: must be in [0, 1); use 0 to turn dropout off")
    return value


def check_positive(**sizes: int) -> None:
    """Refuse sizes below 1, naming the argument."""
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name}={value}: must be >= 1")
