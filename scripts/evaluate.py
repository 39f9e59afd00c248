"""Score a trained model on any two parallel files; prints the metrics and stores them.

python scripts/evaluate.py outputs/<name>/<run> test.de test.en --output scores/
python scripts/evaluate.py outputs/<name>/<run> test.de test.en --beam 5 decoding.max_ratio=2
"""

import argparse
import sys
from pathlib import Path

from seq2seq_lab import errors, stopping

if __name__ == "__main__":
    stopping.listen_from_now_on()

from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.inference import decoding_choice


def parse() -> tuple[argparse.Namespace, list[str]]:
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", help="a checkpoint file, a run folder or an exported folder")
    parser.add_argument("source", help="UTF-8 text or .gz, one sentence per line")
    parser.add_argument("reference", help="the translations, line by line")
    parser.add_argument(
        "--output",
        help="folder for metrics.json and hypotheses.jsonl (default: evaluation_<source file> in the working folder)",
    )
    decoding_choice.add_search_arguments(parser)
    decoding_choice.add_model_arguments(parser)
    arguments = parser.parse_intermixed_args()
    return arguments, decoding_choice.take_overrides(arguments)


def main() -> None:
    arguments, overrides = parse()
    from seq2seq_lab.data.parallel import read_parallel
    from seq2seq_lab.files import write_json, write_json_lines
    from seq2seq_lab.metrics.scores import hypothesis_rows, score

    source = Path(arguments.source)
    pairs, _ = read_parallel(source, Path(arguments.reference))
    if not pairs:
        raise errors.DataError(f"{source}: no line in it; a score needs one pair at least")
    trained = decoding_choice.open_trained(arguments, overrides)
    folder = Path(arguments.output or f"evaluation_{source.name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"--output {folder}: cannot be made ({error.strerror}); choose another folder"
        raise errors.ResourceError(text) from error
    found = trained.translator.translate([pair.source for pair in pairs])
    texts = [t.text for t in found]
    scores = score(pairs, texts, trained.target_language)
    write_json_lines(
        folder / "hypotheses.jsonl", hypothesis_rows(pairs, texts, [t.score for t in found])
    )
    facts = {"sentences": len(pairs), "decoding": trained.config["decoding"]}
    write_json(
        folder / "metrics.json", {**scores.numbers, "signatures": scores.signatures, **facts}
    )
    for name, value in scores.numbers.items():
        print(f"{name:24s} {value:8.2f}")
    print(f"{len(pairs)} sentences; stored in {folder}/")
    print("; ".join(f"{name}: {text}" for name, text in scores.signatures.items()))
    cut = sum(t.truncated for t in found)
    if cut:
        limit = trained.translator.max_source_tokens
        print(
            f"note: {cut} of {len(pairs)} lines were over {limit} tokens and cut", file=sys.stderr
        )


if __name__ == "__main__":
    sys.exit(errors.run(main))
