"""Send the W&B runs that a study recorded offline: all its runs, and the study's own one with its table and report.

python scripts/sync.py outputs/studies/<study>
python scripts/sync.py <study> --dry-run          # what would be sent
python scripts/sync.py <study> --project other --entity team

Needs an account (`wandb login`). What was sent before is skipped, so the command can be repeated.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from seq2seq_lab import errors, stopping

if __name__ == "__main__":
    stopping.listen_from_now_on()

from seq2seq_lab.config.command_line import Parser


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", help="a study's folder, or its name under outputs/studies")
    parser.add_argument("--project", help="send all to this project (default: as recorded)")
    parser.add_argument("--entity", help="team or user (default: that of the account)")
    parser.add_argument("--dry-run", action="store_true", help="list the runs and send nothing")
    return parser.parse_args()


def needs_report_run(folder: Path) -> bool:
    """Return whether the report is newer than the study's own run, or there is none yet."""
    table = folder / "report" / "table.csv"
    runs = list(folder.glob("wandb/offline-run-*"))
    newest = max((run.stat().st_mtime for run in runs), default=0.0)
    return table.is_file() and table.stat().st_mtime > newest


def main() -> None:
    arguments = parse()
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
    line = [sys.executable, "-m", "wandb", "sync", "--yes"]
    for flag, value in (("--project", arguments.project), ("--entity", arguments.entity)):
        line += [flag, value] if value else []
    line += ["--dry-run"] if arguments.dry_run else []
    done = subprocess.run([*line, *map(str, runs)], check=False)
    if done.returncode:
        raise errors.UserError(
            f"wandb sync ended with code {done.returncode}; wandb login gives it an account"
        )
    print(errors.one_line(f"{len(runs)} runs of {folder}"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(errors.run(main))
