"""The flags `--extension PATH` of a command line."""


def take_flags(argv: list[str]) -> list[str]:
    """Return the words of a command line without its `--extension` flags."""
    return list(argv)
