"""Decode the test split of finished runs by further searches, each in a folder of its own; what is done stays.

seq2seq-lab search attention_vs_none beam_5="decoding=beam decoding.beam_size=5" long="decoding.max_ratio=4"
seq2seq-lab search outputs/<name>/<run> outputs/<name>/<other run> --searches searches.yaml

A search is NAME="OVERRIDES", these as for train. A file has the lines of training.callback.searches: NAME: [OVERRIDE,
...]. Nothing is trained. Results lie in searches/NAME/ of each run, where a run with training/callback=searches has
them too; `seq2seq-lab report STUDY --searches` compares them.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.config.search_path import add_config_dir, with_config_dir
from seq2seq_lab.inference.named_search import NamedSearch

_SEARCH = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)
_EXAMPLE = 'beam_5="decoding=beam decoding.beam_size=5"'


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0], epilog=f"A search is {_EXAMPLE}.")
    flags.add_argument(
        "words", nargs="+", metavar="RUN_OR_SEARCH",
        help="studies, by name or folder, or run folders; and the searches, each as NAME=OVERRIDES",
    )  # fmt: skip
    flags.add_argument(
        "--searches", metavar="FILE", help="YAML with lines of NAME: [OVERRIDE, ...]"
    )
    add_config_dir(flags)
    flags.add_argument("--batch-size", type=int, default=64, metavar="N", help="sentences")
    flags.add_argument("--device", default="cpu", help="cpu, cuda ...")
    return flags


def taken_apart(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the places and the searches among the words. Raises `ConfigError` if a search is named twice."""
    places: list[str] = []
    searches: dict[str, str] = {}
    for word in words:
        found = None if Path(word).exists() else _SEARCH.fullmatch(word)
        if found is None:
            places.append(word)
        elif found[1] in searches:
            raise errors.ConfigError(f"{found[1]}: two searches have this name; choose another")
        else:
            searches[found[1]] = found[2]
    return places, searches


def searches_of(arguments: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    """Return the places, and the searches of the command line and the file."""
    from seq2seq_lab.stored_text import read_yaml

    places, searches = taken_apart(arguments.words)
    if not places:
        raise errors.ConfigError("no study or run; name one before the searches")
    declared: Any = {}
    if arguments.searches is not None:
        advice = "write lines of NAME: [OVERRIDE, ...]"
        declared = read_yaml(Path(arguments.searches), errors.ConfigError, advice)
        if not isinstance(declared, dict):
            raise errors.ConfigError(f"{arguments.searches}: {advice}")
    twice = [name for name in searches if name in declared]
    if twice:
        raise errors.ConfigError(f"{twice[0]}: {arguments.searches} has this name; choose another")
    if not searches and not declared:
        raise errors.ConfigError(f"no search; add one as {_EXAMPLE}, or --searches FILE")
    return places, {**declared, **searches}


def runs_of(places: Sequence[str]) -> list[Path]:
    """Return the folders of the runs: each place is one, or a study whose finished runs count."""
    from seq2seq_lab.study.matrix import Study, find_study
    from seq2seq_lab.study.plan import states

    found: list[Path] = []
    for place in places:
        if (Path(place) / "hypotheses").is_dir():
            found.append(Path(place))
            continue
        folder = find_study(place)
        if not (folder / "study.json").is_file():
            raise errors.ConfigError(
                f"{place}: neither a study nor the folder of a finished run; a search is {_EXAMPLE}"
            )
        study = Study.load(folder)
        done = [s.kind == "done" for s in states(study)]
        found += [study.folder(r) for r, is_done in zip(study.runs, done, strict=True) if is_done]
        if not all(done):
            text = (
                f"note: {done.count(False)} of {len(done)} runs of {place} are not done: left out"
            )
            print(errors.one_line(text), file=sys.stderr)
    if not found:
        raise errors.ConfigError(f"{places[0]}: no run of this study is done")
    return list(dict.fromkeys(found))


def main(arguments: argparse.Namespace) -> None:
    if arguments.batch_size < 1:
        raise errors.ConfigError(f"--batch-size {arguments.batch_size}: must be >= 1; 64 is usual")
    places, declared = searches_of(arguments)
    runs = runs_of(places)
    for run, searches in chosen(runs, declared, with_config_dir(arguments.config_dir, [])).items():
        decode_all(run, searches, arguments)


def chosen(
    runs: Sequence[Path], declared: dict[str, Any], config_folders: Sequence[str]
) -> dict[Path, list[NamedSearch]]:
    """Return the searches of each run, all of them checked: a mistake costs no decoding."""
    import json
    from dataclasses import replace

    from seq2seq_lab.inference.search_choice import choose_all
    from seq2seq_lab.inference.search_folder import read_searches, refuse_others
    from seq2seq_lab.inference.trained import read_model

    known: dict[str, list[NamedSearch]] = {}
    found = {}
    for run in runs:
        stored = read_model(run).config["decoding"]
        key = json.dumps(stored)
        if key not in known:
            known[key] = choose_all(declared, stored, config_folders)
        there = [one for one in read_searches(run).values() if one.name not in declared]
        first = 1 + max((one.number for one in there), default=-1)
        found[run] = [replace(one, number=first + one.number) for one in known[key]]
        refuse_others(run, found[run])
    return found


def decode_all(run: Path, searches: Sequence[NamedSearch], arguments: argparse.Namespace) -> None:
    """Decode the test split of one run by each search, and print a line for each."""
    from dataclasses import replace

    from seq2seq_lab.data.batching import BySentences
    from seq2seq_lab.files import locked
    from seq2seq_lab.inference.searches import SearchedRun, decode
    from seq2seq_lab.inference.trained import load
    from seq2seq_lab.report.interventions import stored_pairs

    trained, pairs = load(run, device=arguments.device), stored_pairs(run)
    translator = replace(trained.translator, batching=BySentences(arguments.batch_size))
    tested = SearchedRun(run, translator, pairs, trained.target_language)
    metric = f"test/{trained.config['data']['monitor'].rpartition('/')[2]}"
    with locked(run / ".lock", "wait for it, then type this command again"):
        for search in searches:
            numbers, text = decode(tested, search), "is there already"
            if numbers is not None:
                score = f"{metric} {numbers[metric]:.2f}, " if metric in numbers else ""
                ratio, seconds = numbers["test/length_ratio"], numbers["test/decoding_seconds"]
                text = f"{score}length ratio {ratio:.3f}, {seconds:.1f} s"
            print(errors.one_line(f"{run.name} {search.name}: {text}"), flush=True)
