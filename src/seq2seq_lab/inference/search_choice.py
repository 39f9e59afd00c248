"""Named searches by the overrides of train.py: all of them composed and checked, before anything is decoded."""

from collections.abc import Mapping, Sequence
from typing import Any

from seq2seq_lab.config.problems import Problem, raise_problems
from seq2seq_lab.errors import UnsafeError, UserError, one_line
from seq2seq_lab.inference.decoding_choice import GROUP, choose
from seq2seq_lab.inference.named_search import NamedSearch, overrides_of

CALLBACK = "seq2seq_lab.training.callback.searches.Searches"


def choose_all(
    searches: Mapping[str, Sequence[str]],
    stored: dict[str, Any],
    places: Sequence[str] = (),
    first: int = 0,
) -> list[NamedSearch]:
    """Return each search with the decoding node that its overrides make of the stored one.

    The numbers begin at `first`. `places` are overrides that name folders of further config files. Raises one error
    for all mistakes, each with the nearest legal name.
    """
    found, problems = [], []
    for number, (name, overrides) in enumerate(overrides_of(searches).items(), first):
        try:
            node = choose(stored, [*places, *overrides])
            found.append(NamedSearch(name, number, overrides, node))
        except UserError as error:
            is_unsafe = isinstance(error, UnsafeError)
            problems.append(Problem(f"searches.{name}", one_line(error), is_unsafe=is_unsafe))
    raise_problems(problems)
    return found


def of_config(config: dict[str, Any], places: Sequence[str] = ()) -> list[NamedSearch]:
    """Return the searches of the resolved config of a run: those of its callback, none without one."""
    parts = [part for part in config["training"]["callback"].values() if part is not None]
    declared = [part["searches"] for part in parts if part["_target_"] == CALLBACK]
    return choose_all(declared[0], config[GROUP], places) if declared else []
