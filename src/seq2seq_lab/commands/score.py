"""Score given translations with a trained model: the log-probability of each, and the perplexity of all.

seq2seq-lab score outputs/<name>/<run> test.de test.en > scores.txt
seq2seq-lab score outputs/<name>/<run> test.de test.en --jsonl > scores.jsonl
seq2seq-lab score outputs/<name>/<run> --hypotheses hypotheses.jsonl

The score is the natural logarithm of p(target, end of sentence | source), teacher forced. Of what translate wrote
it is the score that the search gave (in 32 bits within 1e-4, or 1e-5 of a large score), if the text leads back to the
same tokens: a search may cut a word into other pieces, write what normalises to another spelling, or an unknown word.
`--hypotheses` reads the output of `translate --jsonl` and scores its tokens as they are, and without the end token
where an output was cut at its limit. An empty output for an empty source has no tokens and the score 0.
"""

import argparse
import io
import itertools
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from seq2seq_lab import errors
from seq2seq_lab.config.command_line import Parser
from seq2seq_lab.inference import decoding_choice
from seq2seq_lab.inference.unknown_tokens import UnknownTokens, unknown_pieces
from seq2seq_lab.output import refuse_same_file
from seq2seq_lab.special_tokens import EOS, UNK


def parser() -> Parser:
    flags = Parser(
        description=__doc__.partition("\n")[0],
        epilog="Writes one line per translation to standard output, the perplexity to standard error.",
    )
    flags.add_argument("checkpoint", help="a checkpoint file, a run folder or an exported folder")
    flags.add_argument("source", nargs="?", help="UTF-8 text or .gz, one sentence per line")
    flags.add_argument("target", nargs="?", help="the translations, line by line")
    flags.add_argument("--hypotheses", metavar="FILE", help="output of translate --jsonl")
    flags.add_argument("--jsonl", action="store_true", help="tokens and their scores as well")
    decoding_choice.add_model_arguments(flags)
    return flags


def check(arguments: argparse.Namespace) -> None:
    if arguments.hypotheses is None and arguments.target is None:
        raise errors.ConfigError("give SOURCE and TARGET, or --hypotheses FILE; see --help")
    if arguments.hypotheses is not None and arguments.source is not None:
        raise errors.ConfigError("give either SOURCE and TARGET or --hypotheses, not both")


@dataclass(frozen=True)
class Asked:
    """One translation to score: the number of its line (from 0), the source, the output as ids, its text if known."""

    number: int
    source: str
    ids: list[int]
    finished: bool
    target: str = ""


def from_texts(arguments: argparse.Namespace, translator: Any) -> Iterator[Asked]:
    """Give the pairs one by one; that both files are as long is known before the first."""
    from seq2seq_lab.data.parallel import iter_parallel

    for number, pair in enumerate(iter_parallel(arguments.source, arguments.target)):
        ids = translator.target_tokenizer.encode_batch([pair.target], [pair.source])[0]
        yield Asked(number, pair.source, ids, finished=True, target=pair.target)


def from_hypotheses(path: str, vocabulary: int) -> Iterator[Asked]:
    from seq2seq_lab.data.text import iter_file

    for number, line in enumerate(iter_file(path)):
        try:
            row = json.loads(line)
            source = row["source"]
            found = [(h["ids"], h["finished"]) for h in row["hypotheses"]]
            fits = isinstance(source, str) and all(
                isinstance(ids, list) and all(type(i) is int for i in ids) for ids, _ in found
            )
        except (ValueError, TypeError, KeyError, RecursionError):
            fits = False
        if not fits:
            raise errors.DataError(
                f"{path}:{number + 1}: not a line of translate --jsonl; give texts as SOURCE and TARGET"
            )
        for ids, finished in found:
            if not all(0 <= i < vocabulary for i in ids):
                raise errors.DataError(
                    f"{path}:{number + 1}: a token beyond the {vocabulary} of this model; score with the model that "
                    "wrote the file"
                )
            yield Asked(number, source, ids, finished is True)


def checked_hypotheses(path: str, vocabulary: int) -> Iterator[Asked]:
    """Give all or nothing: a broken line is reported before the first score. A pipe is held in memory."""
    if not Path(path).expanduser().is_file():
        return iter(list(from_hypotheses(path, vocabulary)))
    for _ in from_hypotheses(path, vocabulary):
        pass
    return from_hypotheses(path, vocabulary)


def rows(asked: list[Asked], scores: list[list[float]], translator: Any) -> Iterator[dict]:
    for one, found in zip(asked, scores, strict=True):
        tokens = [*map(translator.target_tokenizer.token, one.ids)]
        if len(found) > len(tokens):
            tokens.append(translator.target_tokenizer.token(EOS))
        yield {
            "id": one.number,
            "score": sum(found, 0.0),
            "finished": one.finished,
            "tokens": tokens,
            "ids": one.ids,
            "token_scores": found,
        }


@dataclass
class Sums:
    """What the summary says of all translations, gathered as they come."""

    score: float = 0.0
    tokens: int = 0
    translations: int = 0
    cut: int = 0
    unknown: tuple[UnknownTokens, UnknownTokens] = field(
        default_factory=lambda: (UnknownTokens("source"), UnknownTokens("target"))
    )


def main(arguments: argparse.Namespace) -> None:
    check(arguments)
    files = (arguments.source, arguments.target, arguments.hypotheses)
    refuse_same_file(sys.stdout, decoding_choice.inputs_of(arguments, *files))
    translator = decoding_choice.open_model(arguments).translator
    if arguments.hypotheses is None:
        asked = from_texts(arguments, translator)
    else:
        asked = checked_hypotheses(arguments.hypotheses, len(translator.target_tokenizer))
    cast(io.TextIOWrapper, sys.stdout).reconfigure(encoding="utf-8", newline="\n")
    sums, size = Sums(), 50 * arguments.batch_size  # like lengths find each other within so many
    while chunk := list(itertools.islice(asked, size)):
        write_scores(chunk, translator, sums, as_json=arguments.jsonl)
    if not sums.translations:
        where = arguments.hypotheses or arguments.source
        raise errors.DataError(f"{where}: no line in it; a score needs one translation at least")
    summarize(sums, translator.max_source_tokens)


def write_scores(asked: list[Asked], translator: Any, sums: Sums, *, as_json: bool) -> None:
    """Score some translations and write their lines at once."""
    from seq2seq_lab.inference.scorer import Scorer, Wanted

    sources = translator.source_tokenizer.encode_batch([one.source for one in asked])
    limit = translator.max_source_tokens
    both = zip(asked, sources, strict=True)
    wanted = [Wanted(source[:limit], one.ids, one.finished) for one, source in both]
    scores = Scorer(translator.model, translator.batching)(wanted)
    for row in rows(asked, scores, translator):
        line = json.dumps(row, ensure_ascii=False) if as_json else f"{row['score']:.6f}"
        print(errors.for_stream(line, sys.stdout))
    sys.stdout.flush()
    sums.score += math.fsum(sum(one) for one in scores)
    sums.tokens += sum(map(len, scores))
    sums.translations += len(scores)
    sums.cut += sum(len(source) > limit for source in sources)
    for one, ids in zip(asked, sources, strict=True):
        sums.unknown[0].add_text(translator.source_tokenizer, one.source, ids[:limit])
        missing = unknown_pieces(translator.target_tokenizer, one.target, one.ids)
        sums.unknown[1].add(len(one.ids), one.ids.count(UNK), missing)


def summarize(sums: Sums, limit: int) -> None:
    perplexity = math.exp(min(-sums.score / max(sums.tokens, 1), 700.0))
    print(
        f"perplexity {perplexity:.6g}  log-probability {sums.score:.4f}  {sums.tokens:,} tokens  "
        f"{sums.translations:,} translations",
        file=sys.stderr,
    )
    notes = [note for side in sums.unknown for note in side.notes]
    if sums.cut:
        text = f"note: {sums.cut} of {sums.translations} sources were over {limit} tokens and cut"
        notes = [text, *notes]
    for note in notes:
        print(errors.one_line(note), file=sys.stderr)
