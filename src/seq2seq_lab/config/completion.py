"""What an override may go on with: groups, options and keys of conf/, by Hydra's own completion."""

from argparse import Namespace
from types import SimpleNamespace

from hydra.plugins.completion_plugin import DefaultCompletionPlugin

from seq2seq_lab.config.command_line import SHOWING
from seq2seq_lab.config.compose import conf_dir, session
from seq2seq_lab.config.overrides import refused_override
from seq2seq_lab.config.search_path import take_folders


def complete_override(word: str, given: Namespace) -> list[str]:
    """Return what a word that is begun may become; `given` has the overrides before it, and Hydra's flags.

    Overrides that may not be composed are left out. Nothing is found where the others do not compose.
    """
    words = [one for one in getattr(given, "overrides", None) or [] if not _is_refused(one)]
    is_sweep = bool(getattr(given, "multirun", False))
    if _is_refused(word):
        return []
    flags = dict.fromkeys(SHOWING, True) | {"config_name": getattr(given, "config_name", None)}
    try:
        further, words = take_folders(words, getattr(given, "config_dir", None))
        arguments = SimpleNamespace(**flags, multirun=is_sweep)
        with session(str(conf_dir()), arguments, further) as opened:
            plugin = DefaultCompletionPlugin(opened.loader)
            line = " ".join(["-m"] * is_sweep + words + [word])
            found = plugin._query(opened.config_name, line)
    except Exception:  # a line that is half typed may be wrong in any way
        return []
    return [one for one in found if not one.rpartition("=")[2].startswith("_")]


def _is_refused(word: str) -> bool:
    return len(word.split()) > 1 or refused_override(word) is not None
