"""Compare the outputs of any toolkit: text files by arm and seed against a reference, with intervals and a page.

seq2seq-lab compare --reference ref.txt none=a-s1.txt,a-s2.txt,a-s3.txt 'attention=b-s*.txt'
seq2seq-lab compare --reference ref.zh --source src.en --language zh base=base.*.txt new=new.*.txt --metric chrf
"""

import argparse
from pathlib import Path

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser

MARK = "table.csv"
"""A folder with this file is an earlier comparison and may be written again."""


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument(
        "arms", nargs="+", metavar="NAME=FILES",
        help="an arm and its files, one for each seed: NAME=FILE,FILE or NAME='PATTERN'; the first is the baseline",
    )  # fmt: skip
    flags.add_argument(
        "--reference", required=True, action="append",
        help="UTF-8 text or .gz, line by line; may be given several times, for several references of each sentence",
    )  # fmt: skip
    flags.add_argument("--source", help="the sources, for the table by length and the sentences")
    flags.add_argument("--metric", default="bleu", help="a metric of docs/metrics (default: bleu)")
    flags.add_argument(
        "--language", default="en", help="the language of the outputs, for BLEU's tokeniser"
    )
    flags.add_argument("--tokenize", help="sacreBLEU's tokeniser itself: 13a, zh, char, none ...")
    flags.add_argument(
        "--out", default="comparison", help="the folder of page and tables (default: comparison)"
    )
    flags.add_argument(
        "--figures", action="store_true", help="write every figure as PDF, SVG, PNG and CSV as well"
    )  # fmt: skip
    return flags


def main(arguments: argparse.Namespace) -> None:
    from seq2seq_lab.metrics.bleu import bleu_tokenizer
    from seq2seq_lab.report.page import write_pages
    from seq2seq_lab.report.text_files import Texts, arms_of, read_texts

    source = None if arguments.source is None else Path(arguments.source)
    references = tuple(map(Path, arguments.reference))
    texts = Texts(arms_of(arguments.arms), references, source)
    folder = Path(arguments.out).expanduser()
    check_folder(folder, texts.paths)
    tokenize = arguments.tokenize or bleu_tokenizer(arguments.language)
    records = read_texts(texts, arguments.metric, checked_tokenizer(tokenize), folder)
    path = write_pages(records, folder, with_figures=arguments.figures)
    print(errors.printable((folder / "report.md").read_text(encoding="utf-8")))
    print(errors.one_line(f"Report: {path}"))


def checked_tokenizer(name: str) -> str:
    """Return a tokeniser that sacreBLEU has and can use; `ConfigError` for another."""
    from sacrebleu.metrics import BLEU

    if name not in BLEU.TOKENIZERS:
        known = ", ".join(BLEU.TOKENIZERS)
        raise errors.ConfigError(
            f"--tokenize {name}: sacreBLEU has no such tokeniser; it has {known}"
        )
    try:
        BLEU(tokenize=name)
    except (ImportError, RuntimeError) as error:
        raise errors.ConfigError(f"--tokenize {name}: {errors.one_line(error)}") from error
    return name


def check_folder(folder: Path, inputs: list[Path]) -> None:
    """Refuse a folder that holds something else, or one of the inputs."""
    if folder.exists() and not folder.is_dir():
        raise errors.ConfigError(f"--out {folder}: a file; choose a folder")
    if not folder.is_dir():
        return
    inside = folder.resolve()
    taken = next((path for path in inputs if inside in path.resolve().parents), None)
    if taken is not None:
        raise errors.ConfigError(f"--out {folder}: {taken} lies in it; choose another folder")
    if any(folder.iterdir()) and not (folder / MARK).is_file():
        raise errors.ConfigError(f"--out {folder}: holds other files; choose an empty folder")
