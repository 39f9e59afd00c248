"""Which way a metric gets better, by its name."""

_LOWER = ("loss", "perplexity", "exposure_bias", "gradient_norm")


def lower_is_better(name: str) -> bool:
    """Tell whether less is better of a metric named `<split>/<metric>`: losses, perplexity, exposure bias."""
    return name.rpartition("/")[2].startswith(_LOWER)
