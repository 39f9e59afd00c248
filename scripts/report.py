"""Write the report of a study again from what lies on disk: a page, tables and figures, offline.

python scripts/report.py attention_vs_none
python scripts/report.py outputs/studies/attention_vs_none --metric test/bleu
"""

import argparse
import sys

from seq2seq_lab import errors, stopping

if __name__ == "__main__":
    stopping.listen_from_now_on()

from seq2seq_lab.config.command_line import Parser


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", help="the folder of a study, or its name under outputs/studies")
    parser.add_argument("--metric", help="test/NAME or val/NAME (default: what the study declares)")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    from seq2seq_lab.report.page import write_report
    from seq2seq_lab.study.matrix import find_study

    path = write_report(find_study(arguments.study), arguments.metric)
    print(errors.printable((path.parent / "report.md").read_text(encoding="utf-8")))
    print(errors.one_line(f"Report: {path}"))


if __name__ == "__main__":
    sys.exit(errors.run(main))
