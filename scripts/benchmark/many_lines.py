"""What the output path costs: processor time of `translate` over many lines, and of the search alone within it."""

import argparse
import io
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from seq2seq_lab.commands.translate import translate
from seq2seq_lab.decoding.beam import Beam
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.trained import load
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.special_tokens import NUM_SPECIAL_TOKENS

SHORTEST, LONGEST = 4, 20


def made_lines(translator: Translator, count: int) -> list[str]:
    """Return lines of 4 to 20 tokens of the source vocabulary, drawn at random."""
    rng, tokenizer = random.Random(1), translator.source_tokenizer
    words = [tokenizer.decode([i]) for i in range(NUM_SPECIAL_TOKENS, len(tokenizer))]
    return [
        " ".join(rng.choice(words) for _ in range(rng.randint(SHORTEST, LONGEST)))
        for _ in range(count)
    ]


def many_lines(arguments: Any, report: Callable[..., Any]) -> dict[str, Any]:  # noqa: ARG001
    """Translate `count` lines with beam 5 and the model of a run; return lines per second of the whole and the search.

    Reading a file and starting the program are left out; the tokenizer, all output texts and their writing count.
    """
    if not arguments.run:
        raise ConfigError("many_lines: give a run folder, many_lines RUN --count 100000")
    translator = replace(
        load(arguments.run, device=arguments.device).translator, decoding=Beam(beam_size=5)
    )
    lines = made_lines(translator, arguments.count)
    words = argparse.Namespace(file="-", text=None, batch_size=64, quiet=True)
    words = argparse.Namespace(**vars(words), jsonl=False, attention=False, n_best=None)
    seconds, search = [0.0], Translator._search

    def timed(*given: Any) -> Any:
        begin = time.process_time()
        found = search(*given)
        seconds[0] += time.process_time() - begin
        return found

    begin = time.process_time()
    with patch.object(Translator, "_search", timed):
        translate(words, translator, ((line, "") for line in lines), io.StringIO())
    whole = time.process_time() - begin
    says = (
        f"{arguments.count:,} lines: {arguments.count / whole:,.0f} lines per processor second, the search alone "
        f"{arguments.count / seconds[0]:,.0f}; whole / search {whole / seconds[0]:.3f}"
    )
    return {"lines": arguments.count, "whole_over_search": whole / seconds[0], "says": [says]}
