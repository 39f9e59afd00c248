"""Send the W&B runs that a study recorded offline: all its runs, and the study's own one with its table and report.

seq2seq-lab sync outputs/studies/<study>
seq2seq-lab sync <study> --dry-run          # what would be sent
seq2seq-lab sync <study> --project other --entity team

Needs an account (`wandb login`). What was sent before is skipped, so the command can be repeated.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("study", help="a study's folder, or its name under outputs/studies")
    flags.add_argument("--project", help="send all to this project (default: as recorded)")
    flags.add_argument("--entity", help="team or user (default: that of the account)")
    flags.add_argument("--dry-run", action="store_true", help="list the runs and send nothing")
    return flags


def needs_report_run(folder: Path) -> bool:
    """Return whether the report is newer than the study's own run, or there is none yet."""
    table = folder / "report" / "table.csv"
    runs = list(folder.glob("wandb/offline-run-*"))
    newest = max((run.stat().st_mtime for run in runs), default=0.0)
    return table.is_file() and table.stat().st_mtime > newest


def main(arguments: argparse.Namespace) -> None:
    folder = Path(arguments.study)
    if not folder.is_dir():
        folder = Path("outputs") / "studies" / arguments.study
    if not (folder / "study.json").is_file():
        raise errors.ConfigError(
            f"{arguments.study}: no study there (no study.json); give its folder or its name"
        )
    from seq2seq_lab.report.wandb_report import log_study, offline_runs

    if needs_report_run(folder) and not arguments.dry_run:
        log_study(folder, "offline", arguments.project, arguments.entity)
    runs = offline_runs(folder)
    if not runs:
        raise errors.DataError(
            f"{folder}: no W&B runs that were recorded offline (training/logger=wandb records them)"
        )
    line = [sys.executable, "-P", "-m", "wandb", "sync", "--yes"]
    for flag, value in (("--project", arguments.project), ("--entity", arguments.entity)):
        line += [flag, value] if value else []
    line += ["--dry-run"] if arguments.dry_run else []
    done = subprocess.run([*line, *map(str, runs)], check=False)
    if done.returncode:
        raise errors.UserError(
            f"wandb sync ended with code {done.returncode}; wandb login gives it an account"
        )
    print(errors.one_line(f"{len(runs)} runs of {folder}"), file=sys.stderr)
