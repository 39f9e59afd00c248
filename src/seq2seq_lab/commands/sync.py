"""Send the W&B runs that were recorded offline: of a study with its Report, of a run, or of a folder of runs.

seq2seq-lab sync outputs/studies/<study>
seq2seq-lab sync outputs/<name>/<run>       # or outputs/<name>, all its runs
seq2seq-lab sync <study> --dry-run          # what would be sent
seq2seq-lab sync <study> --project other --entity team

Needs an account (`wandb login`). What was sent before is skipped, so the command can be repeated. Where each run can be
seen is printed, written into its manifest.json and linked in the report of its study. A study's Report in W&B is made
again each time, at the same address (`pip install 'seq2seq-lab[workspaces]'`).
"""

import argparse
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument(
        "folder",
        help="a study's folder or its name under outputs/studies, a run, or a folder of runs",
    )
    flags.add_argument("--project", help="send all to this project (default: as recorded)")
    flags.add_argument("--entity", help="team or user (default: that of the account)")
    flags.add_argument("--dry-run", action="store_true", help="list the runs and send nothing")
    flags.add_argument(
        "--timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="give up after (default: 3600)",
    )
    return flags


def place_of(text: str) -> Path:
    """Return the folder that is meant."""
    for folder in (Path(text), Path("outputs") / "studies" / text, Path("outputs") / text):
        if folder.is_dir():
            return folder
    raise errors.ConfigError(f"{text}: no such folder; give a study, a run, or a folder of runs")


def main(arguments: argparse.Namespace) -> None:
    folder = place_of(arguments.folder)
    if not arguments.timeout > 0:
        raise errors.ConfigError(f"--timeout {arguments.timeout:g}: must be over 0 seconds")
    from seq2seq_lab.report import wandb_place, wandb_sync

    is_study = (folder / "study.json").is_file()
    if is_study and (folder / "report" / "table.csv").is_file() and not arguments.dry_run:
        from seq2seq_lab.report.wandb_report import log_study

        log_study(folder, "offline", arguments.project, arguments.entity)
    runs = wandb_place.offline_runs(folder)
    is_online = is_study and wandb_place.project_of(folder) is not None
    if not runs and not is_online:
        raise errors.DataError(
            f"{folder}: no W&B runs that were recorded offline (training/logger=wandb records them)"
        )
    runs = wandb_sync.at_rest(runs)
    if arguments.dry_run:
        for run in runs:
            if not wandb_place.is_sent(run):
                print(errors.one_line(run))
        return
    options = []
    for flag, value in (("--project", arguments.project), ("--entity", arguments.entity)):
        options += [flag, value] if value else []
    urls = wandb_sync.send(runs, options, arguments.timeout)
    before = len(runs) - len(urls)
    wandb_sync.say(f"{folder}: {len(urls)} offline runs sent, {before} were sent before")
    if is_study:
        publish(folder, is_new=bool(urls))


def publish(study: Path, *, is_new: bool) -> None:
    """Save the Report of a study; with new addresses the page with the list of its runs is written before."""
    from seq2seq_lab.report import wandb_publish
    from seq2seq_lab.report.refresh import refresh_report

    if is_new:
        refresh_report(study, wait=True)
    wandb_publish.publish(study)
