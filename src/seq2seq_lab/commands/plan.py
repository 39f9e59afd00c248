"""Say how many seeds and sentences an effect needs, from the variance of a pilot study, and how many hours they take.

seq2seq-lab plan attention_vs_none --effect 1.0
seq2seq-lab plan outputs/studies/attention_vs_none --effect 0.5 --power 0.9 --metric test/chrf --arm attention=dot

The pilot is a study with two finished seeds or more for the baseline (its first arm) and for another arm. Power is that
of the report's test at 5 %: of one comparison, before a correction for the number of arms.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser

if TYPE_CHECKING:
    from seq2seq_lab.report.planning import Cost, Plan

SEEDS = (2, 3, 5, 8, 10, 15, 20, 30)
TIMES = (1, 2, 4, 10)


def effect(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: must be a number > 0, in points of the metric")
    return value


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.05 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text}: must be between 0.05 and 1, as in 0.8")
    return value


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    add = flags.add_argument
    add("study", help="the folder of a study, or its name under outputs/studies")
    add("--effect", type=effect, required=True, help="the difference to be found, in points")
    add("--power", type=share, default=0.8, help="how often it is to be found (default: 0.8)")
    add("--metric", help="test/NAME or val/NAME (default: what the study declares)")
    add("--arm", help="this arm and the baseline only (default: every arm)")
    add("--json", action="store_true", help="write JSON with exact numbers")
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.report.planning import plans
    from seq2seq_lab.report.records import read_records
    from seq2seq_lab.study.matrix import find_study

    records = read_records(find_study(arguments.study), arguments.metric)
    found, reasons = plans(
        records, arguments.arm, arguments.effect, arguments.power, (SEEDS, TIMES)
    )
    for reason in reasons:
        print(errors.one_line(f"note: {reason}"), file=sys.stderr)
    if arguments.json:
        import dataclasses

        from seq2seq_lab.files import json_text
        from seq2seq_lab.report.run_query import plain

        content = {
            "study": records.name,
            "metric": records.metric,
            "effect": arguments.effect,
            "power": arguments.power,
            "arms": list(map(dataclasses.asdict, found)),
        }
        sys.stdout.write(errors.for_stream(json_text(plain(content)), sys.stdout))
        return
    asked = f"effect {arguments.effect:g}, power asked {arguments.power:g}"
    print(errors.one_line(f"study {records.name}: {records.metric}, {asked}"))
    for plan in found:
        print()
        for line in lines(plan):
            print(errors.printable(line))


def lines(plan: "Plan") -> list[str]:
    """Return the text of one arm: what varies, the table, and what is needed."""
    pilot, sizes = plan.pilot, sorted({size for _, size, _ in plan.table})
    known = pilot.num_sentences > 1
    counts = " and ".join(map(str, pilot.num_seeds))
    deviations = " and ".join(f"{variance**0.5:.2f}" for variance in pilot.seeds)
    added = "sentences do not determine this metric"
    if known:
        added = f"the {pilot.num_sentences:,} sentences add {pilot.sentences**0.5:.2f}"
    head = f"{plan.arm} - {plan.baseline} ({counts} seeds)"
    found = [f"{head}: standard deviation between seeds {deviations}; {added}"]
    heads = [f"{size:,} sentences" for size in sizes] if known else ["power"]
    found.append("  seeds  " + "  ".join(f"{head:>17}" for head in heads))
    for seeds in sorted({seeds for seeds, _, _ in plan.table}):
        cells = [f"{power:17.2f}" for n, _, power in plan.table if n == seeds]
        found.append(f"  {seeds:5}  " + "  ".join(cells))
    return [*found, *_needs(plan, known=known)]


def _needs(plan: "Plan", *, known: bool) -> list[str]:
    size = f" at {plan.pilot.num_sentences:,} sentences" if known else ""
    if plan.cost is None:
        found = [f"needed{size}: more than 1,000 seeds for each arm"]
    else:
        ends = " to ".join("more than 1,000" if end is None else str(end) for end in plan.range)
        doubt = f"{ends} by the pilot's uncertainty (80 %)"
        found = [f"needed{size}: {plan.seeds} seeds for each arm; {doubt}", _hours(plan.cost)]
    if known:
        more = (
            "not enough, whatever their number,"
            if plan.sentences is None
            else f"{plan.sentences:,}"
        )
        found.append(f"more sentences alone: {more} with {plan.fewest} seeds for each arm")
    return found


def _hours(cost: "Cost") -> str:
    if cost.hours is None:
        return f"hours: unknown, no run has its seconds; {cost.runs_left} runs are to be trained"
    left = f"{cost.hours_left:.2f} for the {cost.runs_left} that are to be trained"
    return f"hours: {cost.hours:.2f} for {cost.runs} runs, {left}, one after another"
