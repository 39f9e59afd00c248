"""List the runs of a folder with their scores and what sets them apart: finished, running, failed and damaged ones.

seq2seq-lab runs
seq2seq-lab runs outputs/studies/mine --metric test/chrf --sort test/chrf
seq2seq-lab runs --where attention=dot --where 'seconds<600' --columns +training.optimizer.lr,study
seq2seq-lab runs --csv > runs.csv

A KEY is a fact (state, reason, model, data, seed, name, study, sweep, started, finished, seconds, parameters,
folder), a number of result.json, a choice such as `attention` or `model/attention`, or a config key such as
`model.dim`.
"""

import argparse
import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.commands.status import at_least_one
from seq2seq_lab.config.command_line import Parser


def parser() -> Parser:
    flags = Parser(
        description=__doc__.partition("\n")[0],
        epilog="A KEY is a fact such as state, seed, study or seconds, a number of result.json (test/bleu), a choice "
        "(attention, or model/attention) or a key of the config (model.dim).",
    )
    add = flags.add_argument
    add(
        "folder",
        nargs="?",
        default="outputs",
        help="or a study's name; searched at any depth (default: outputs)",
    )
    add("--metric", default="test/bleu", help="shown with its 95 %% interval (default: test/bleu)")
    add("--columns", metavar="KEY,KEY", help="in place of the usual ones; +KEY,KEY: as well")
    add(
        "--where",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="or != < <= > >=; may be repeated",
    )
    add("--sort", metavar="KEY", help="best number first, else ascending (default: newest first)")
    add("--reverse", action="store_true", help="in the opposite order")
    add("--limit", metavar="N", type=at_least_one, help="only the first N")
    output = flags.add_mutually_exclusive_group()
    output.add_argument("--csv", action="store_true", help="write CSV with exact numbers")
    output.add_argument("--json", action="store_true", help="write JSON with exact numbers")
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.report import run_query, run_table
    from seq2seq_lab.report.run_list import find_runs, let_metrics_count
    from seq2seq_lab.study.matrix import find_study

    folder = Path(arguments.folder)
    if not folder.is_dir() and find_study(arguments.folder).is_dir():
        folder = find_study(arguments.folder)
    runs = list(find_runs(folder)) if folder.is_dir() else []
    if not runs:
        what = "no runs there" if folder.is_dir() else "no such folder"
        raise errors.ConfigError(
            f"{folder}: {what}; give the folder of your runs, or train one: seq2seq-lab train model=lstm_attn"
        )
    conditions = [run_query.condition(text, runs) for text in arguments.where]
    columns = chosen_columns(arguments, runs)
    key = run_query.find_key(arguments.sort, runs, "--sort") if arguments.sort else None
    missing = let_metrics_count(runs) if key is not None and key.is_number_of_result else None
    if missing:
        note(f"{missing}; until then, more counts as better of its metrics")
    found, without = run_query.chosen(runs, conditions)
    for name, count in without.items():
        note(f"left out: {count} of {len(runs)} runs, which have no {name}")
    shown = run_query.ordered(found, key, reverse=arguments.reverse)[: arguments.limit]
    if arguments.csv or arguments.json:
        write_rows(run_table.exact_rows(shown, columns), as_csv=arguments.csv)
    elif shown:
        from rich.console import Console

        run_table.print_table(shown, columns, Console())
    states = Counter(run.state for run in found)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    part = "" if len(found) == len(runs) else f" of {len(runs)}"
    part_shown = "" if len(shown) == len(found) else f"; {len(shown)} shown"
    note(f"{len(found)}{part} run{'s' * (len(runs) != 1)}{': ' * bool(counts)}{counts}{part_shown}")


def note(text: str) -> None:
    print(errors.one_line(text), file=sys.stderr)


def chosen_columns(arguments: argparse.Namespace, runs: Sequence[Any]) -> list[Any]:
    """Return the columns; raises `ConfigError` for a key that no run has."""
    from seq2seq_lab.report import run_query, run_table

    text = arguments.columns or ""
    names = [name.strip() for name in text.removeprefix("+").split(",") if name.strip()]
    if arguments.columns is not None and not names:
        raise errors.ConfigError("--columns: names no key; write --columns seed,test/bleu")
    if not names or text.startswith("+"):
        names = [*run_table.COLUMNS[:-1], *names, run_table.FOLDER]
    columns = []
    for name in dict.fromkeys(names):
        if name == run_table.OVERRIDES:
            columns.append(run_table.Column(name, None))
            continue
        asked = arguments.metric if name == run_table.METRIC else name
        is_metric = asked == arguments.metric
        if is_metric and name == run_table.METRIC and not any(run.result for run in runs):
            continue  # no run has come to its end
        flag = "--metric" if name == run_table.METRIC else "--columns"
        key = run_query.find_key(asked, runs, flag)
        columns.append(run_table.Column(key.name, key, is_metric))
    return columns


def write_rows(rows: list[dict[str, Any]], *, as_csv: bool) -> None:
    from seq2seq_lab.files import json_text

    if not as_csv:
        sys.stdout.write(errors.for_stream(json_text(rows), sys.stdout))
        return
    buffer = io.StringIO()
    output = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    output.writeheader()
    output.writerows(rows)
    sys.stdout.write(errors.for_stream(buffer.getvalue(), sys.stdout))
