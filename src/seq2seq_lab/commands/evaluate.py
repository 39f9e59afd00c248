"""Score a trained model on any two parallel files; prints the metrics and stores them.

seq2seq-lab evaluate outputs/<name>/<run> test.de test.en --output scores/
seq2seq-lab evaluate outputs/<name>/<run> test.de test.en --also other.en --beam 5 decoding.max_ratio=2
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.inference import decoding_choice
from seq2seq_lab.output import output_file

ROWS, NUMBERS = "hypotheses.jsonl", "metrics.json"


def parser() -> Parser:
    flags = Parser(description=__doc__.partition("\n")[0])
    flags.add_argument("checkpoint", help="a checkpoint file, a run folder or an exported folder")
    flags.add_argument("source", help="UTF-8 text or .gz, one sentence per line")
    flags.add_argument("reference", help="the translations, line by line")
    flags.add_argument(
        "--also", metavar="REFERENCE", action="append", default=[],
        help="a file of further references, an empty line for none; may be given several times",
    )  # fmt: skip
    flags.add_argument(
        "--output",
        help="folder for metrics.json and hypotheses.jsonl (default: evaluation_<source file> in the working folder)",
    )
    decoding_choice.add_search_arguments(flags)
    decoding_choice.add_model_arguments(flags)
    return flags


def main(arguments: argparse.Namespace) -> None:
    overrides = decoding_choice.take_overrides(arguments)
    from seq2seq_lab.data.parallel import read_references

    source, files = Path(arguments.source), [arguments.reference, *arguments.also]
    pairs, _ = read_references(source, files)
    if not pairs:
        raise errors.DataError(f"{source}: no line in it; a score needs one pair at least")
    trained = decoding_choice.open_trained(arguments, overrides)
    folder = Path(arguments.output or f"evaluation_{source.name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"--output {folder}: cannot be made ({error.strerror}); choose another folder"
        raise errors.ResourceError(text) from error
    inputs = decoding_choice.inputs_of(arguments, arguments.source, *files)
    # one file beside the other: both appear, or none
    with output_file(folder / ROWS, inputs) as rows, output_file(folder / NUMBERS, inputs) as file:
        evaluate(trained, pairs, rows, file)
    print(errors.one_line(f"{len(pairs)} sentences; stored in {folder}/"))


def evaluate(trained: Any, pairs: Any, rows: Any, file: Any) -> None:
    """Translate and score; write the hypotheses and the numbers, and print these."""
    from seq2seq_lab.files import json_lines, json_text
    from seq2seq_lab.inference.unknown_tokens import UnknownTokens
    from seq2seq_lab.metrics.scores import hypothesis_rows, score

    found = trained.translator.translate([pair.source for pair in pairs])
    texts, unknown = [t.text for t in found], UnknownTokens()
    for one in found:
        missing = one.unknown_source_tokens
        unknown.add(max(len(one.source_tokens) - 1, 0), len(missing), missing)
    scores = score(pairs, texts, trained.target_language)
    rows.write(json_lines(hypothesis_rows(pairs, texts, [t.score for t in found])))
    facts = {"sentences": len(pairs), "decoding": trained.config["decoding"], **unknown.numbers}
    file.write(json_text({**scores.numbers, "signatures": scores.signatures, **facts}))
    for name, value in scores.numbers.items():
        print(errors.one_line(f"{name:24s} {value:8.2f}"))
    signatures = "; ".join(f"{name}: {text}" for name, text in scores.signatures.items())
    print(errors.one_line(signatures))
    cut, limit, notes = sum(t.truncated for t in found), trained.translator.max_source_tokens, []
    if cut:
        notes = [f"note: {cut} of {len(pairs)} lines were over {limit} tokens and cut"]
    if trained.translator.decoding.intervention is not None:
        notes.append(
            f"note: attention weights were replaced: {trained.translator.decoding.intervention}"
        )
    for note in [*notes, *unknown.notes]:
        print(errors.one_line(note), file=sys.stderr)
