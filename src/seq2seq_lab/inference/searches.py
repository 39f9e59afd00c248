"""Further searches of a trained model: each decodes the test split into searches/NAME/ of the run's folder.

A folder holds hypotheses and numbers as a run does, and search.json: the decoding settings, a hash of the weights and
the SHA-256 of the other files. It appears whole, by one rename; what is done is not decoded again.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from seq2seq_lab.config.build import build
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.errors import ConfigError, ResourceError, is_out_of_memory, one_line
from seq2seq_lab.files import json_lines, json_text, write_folder
from seq2seq_lab.inference.named_search import NamedSearch
from seq2seq_lab.inference.other_seed import with_other
from seq2seq_lab.inference.search_folder import ABOUT, FOLDER, read_search, refuse_others
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.metrics.length_ratio import LENGTH_RATIO, length_ratio
from seq2seq_lab.metrics.scores import hypothesis_rows, score


@dataclass(frozen=True)
class SearchedRun:
    """A trained model in the folder of its run, and the sentences that it is tested on."""

    run: Path
    translator: Translator
    pairs: Sequence[Pair]
    target_language: str

    @cached_property
    def model(self) -> str:
        """The hash of the weights."""
        return weights_hash(self.translator.model)


@torch.no_grad()
def weights_hash(model: Any) -> str:
    """Return a SHA-256 of all weights, names and types included: the same on every device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        whole = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {whole.dtype} {tuple(whole.shape)};".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def searching(translator: Translator, search: NamedSearch) -> Translator:
    """Return the translator with this search. Raises `ConfigError` for one that the model cannot carry out."""
    try:
        return with_other(replace(translator, decoding=build(search.decoding), other=None))
    except ConfigError as error:
        raise ConfigError(f"searches.{search.name}: {one_line(error)}") from error


def decode(tested: SearchedRun, search: NamedSearch) -> dict[str, float] | None:
    """Decode and score the test split by a search, store it and return its numbers; None if that is done already.

    A folder that is damaged, or of other weights, is made again. `test/decoding_seconds` are those of the search
    alone, one model at a time.
    """
    folder = tested.run / FOLDER / search.name
    refuse_others(tested.run, [search])
    found = read_search(folder)
    if found is not None and found.model == tested.model:
        return None
    translator = searching(tested.translator, search)
    start = time.perf_counter()
    try:
        outputs = translator.translate([pair.source for pair in tested.pairs])
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            advice = "take a smaller beam, or `seq2seq-lab search` with a smaller --batch-size"
            raise ResourceError(f"searches.{search.name}: out of memory; {advice}") from error
        raise
    seconds = time.perf_counter() - start
    texts, scores = [one.text for one in outputs], [one.score for one in outputs]
    found_scores = score(tested.pairs, texts, tested.target_language)
    numbers = {f"test/{key}": value for key, value in found_scores.numbers.items()}
    references = [pair.target for pair in tested.pairs]
    numbers[f"test/{LENGTH_RATIO}"] = length_ratio(texts, references, tested.target_language)
    numbers["test/mean_score"] = sum(scores) / len(scores)
    numbers["test/decoding_seconds"] = round(seconds, 3)
    clean = {k: v if math.isfinite(v) else None for k, v in sorted(numbers.items())}
    files = {
        "test.jsonl": json_lines(hypothesis_rows(tested.pairs, texts, scores)),
        "test_counts.jsonl": json_lines(found_scores.counts),
        "signatures.json": json_text(found_scores.signatures),
        "result.json": json_text(clean),
    }
    _store(folder, files, _about(tested, search, files))
    return numbers


def _about(tested: SearchedRun, search: NamedSearch, files: dict[str, str]) -> dict[str, Any]:
    return {
        "number": search.number,
        "overrides": list(search.overrides),
        "decoding": json.loads(json.dumps(search.decoding)),
        "model": tested.model,
        "sha256": {n: hashlib.sha256(text.encode()).hexdigest() for n, text in files.items()},
    }


def _store(folder: Path, files: dict[str, str], about: dict[str, Any]) -> None:
    """Put the whole folder in its place; what a killed process left half-written goes."""
    folder.parent.mkdir(exist_ok=True)
    for left in [*folder.parent.glob(".*.tmp"), *([folder] if folder.is_dir() else [])]:
        shutil.rmtree(left, ignore_errors=True)
    write_folder(folder, {**files, ABOUT: json_text(about)})
