"""The model card of an export: README.md with the metadata that the Hugging Face hub reads, from what the run stored.

Nothing in it is made up: what the run does not hold is left out, and numbers stand in it only for the checkpoint that
they were measured with.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seq2seq_lab.errors import CheckpointError, one_line
from seq2seq_lab.inference.checkpoint_file import MEAN
from seq2seq_lab.inference.publication import published_words
from seq2seq_lab.inference.stored_model import StoredModel
from seq2seq_lab.metrics.interval import bootstrap_interval
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.stored_text import read_json, read_json_lines

_NO_LANGUAGE = {"und", "zxx", "mul", "mis"}
_ADVICE = "export the run again once it is repaired"


@dataclass(frozen=True)
class Result:
    """A number on the test split: its row of METRICS, the 95 % interval over sentences and sacreBLEU's signature."""

    name: str
    value: float
    interval: tuple[float, float]
    signature: str


@dataclass(frozen=True)
class Run:
    """What a finished run stored beside its checkpoint."""

    manifest: dict[str, Any]
    data: dict[str, Any]
    results: tuple[Result, ...]


def run_of(checkpoint: Path) -> Run | None:
    """Return what is known of the run whose tested checkpoint this is; None for another file or an exported folder."""
    known = {MEAN: checkpoint.parent, "best.ckpt": checkpoint.parent.parent}
    folder = known.get(checkpoint.name, Path()) if checkpoint.is_file() else checkpoint
    tested = next(
        (p for p in (folder / MEAN, folder / "checkpoints" / "best.ckpt") if p.is_file()), None
    )
    is_tested = tested is not None and (checkpoint.is_dir() or checkpoint.samefile(tested))
    if not is_tested or not (folder / "manifest.json").is_file():
        return None
    manifest = read_json(folder / "manifest.json", CheckpointError, _ADVICE)
    data = read_json(folder / "data_report.json", CheckpointError, _ADVICE)
    is_finished = (folder / "result.json").is_file()
    return Run(manifest, data, tuple(_results(folder)) if is_finished else ())


def _results(folder: Path) -> Iterator[Result]:
    numbers = read_json(folder / "result.json", CheckpointError, _ADVICE)
    signatures = read_json(folder / "hypotheses" / "signatures.json", CheckpointError, _ADVICE)
    rows = list(read_json_lines(folder / "hypotheses" / "test.jsonl", CheckpointError, _ADVICE))
    hypotheses = [row["hypothesis"] for row in rows]
    references = [tuple(row.get("references", [row["reference"]])) for row in rows]
    found = re.search(r"tok:([^|]+)", signatures.get("bleu", ""))
    tokenize = found[1] if found else "13a"
    for name in METRICS:
        value = numbers.get(f"test/{name}")
        if value is not None:
            interval = bootstrap_interval(name, hypotheses, references, tokenize=tokenize)
            yield Result(name, value, interval, signatures.get(name, ""))


def card(stored: StoredModel, parameters: int, run: Run | None, repository: str | None) -> str:
    """Return the text of README.md; `repository` is USER/REPO if it is known already."""
    name = one_line(stored.config.get("name") or "model")
    parts = [
        f"---\n{yaml.safe_dump(_metadata(name, stored, run), sort_keys=False, allow_unicode=True)}---",
        f"# {_escaped(name)}",
        _first_lines(stored, parameters, run),
        _use(repository),
        _model(stored, parameters, run),
        *([] if run is None else [_data(run), _evaluation(run), _training(run)]),
        _limits(stored, run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(name: str, stored: StoredModel, run: Run | None) -> dict[str, Any]:
    """Return what the hub reads: https://huggingface.co/docs/hub/model-cards#model-card-metadata."""
    languages = [code.split("-")[0].lower() for code in _languages(stored)]
    is_translation = len(languages) == 2 and len(set(languages)) == 2
    found: dict[str, Any] = {
        "library_name": "seq2seq-lab",
        "tags": ["seq2seq-lab", "encoder-decoder"],
    }
    if is_translation:
        found["pipeline_tag"] = "translation"
    if languages:
        found["language"] = list(dict.fromkeys(languages))
    if run is None:
        return found
    origin = run.data.get("origin", {})
    if "commit" in origin:
        found["datasets"] = [origin["repository"]]
    if run.results:
        found["metrics"] = list(dict.fromkeys(_type(one.name) for one in run.results))
        task = {"type": "translation", "name": "Translation"} if is_translation else None
        found["model-index"] = [{"name": name, "results": [_index(run, origin, task)]}]
    return found


def _index(run: Run, origin: dict[str, Any], task: dict[str, str] | None) -> dict[str, Any]:
    corpus = origin.get("repository") or run.manifest.get("choices", {}).get("data", "unknown")
    dataset = {"name": corpus, "type": corpus, "split": "test"}
    if "commit" in origin:
        dataset |= {"config": origin["config"], "split": origin["splits"].get("test", "test")}
        dataset |= {"revision": origin["commit"]}
    metrics = [
        {
            "type": _type(one.name),
            "name": METRICS[one.name].label,
            "value": round(one.value, 4),
            "args": {"interval_95": [round(end, 4) for end in one.interval]}
            | ({"signature": one.signature} if one.signature else {}),
        }
        for one in run.results
    ]
    return {"task": task or {"type": "text-generation"}, "dataset": dataset, "metrics": metrics}


def _type(name: str) -> str:
    """Return the hub's name of a metric."""
    return next((known for known in ("bleu", "chrf") if name.startswith(known)), name)


def _languages(stored: StoredModel) -> list[str]:
    codes = (stored.source_language, stored.target_language)
    return [code for code in codes if code.split("-")[0].lower() not in _NO_LANGUAGE]


def _first_lines(stored: StoredModel, parameters: int, run: Run | None) -> str:
    sides = f"from `{stored.source_language}` to `{stored.target_language}`"
    scores = {one.name: one for one in run.results} if run else {}
    text = (
        f"An encoder-decoder model of {parameters:,} parameters {sides}, trained with seq2seq-lab."
    )
    if "bleu" in scores:
        low, high = scores["bleu"].interval
        text += f" BLEU on its test split: {scores['bleu'].value:.2f} (95 % interval {low:.2f} to {high:.2f})."
    return text


def _use(repository: str | None) -> str:
    place = "FOLDER" if repository is None else f"hf://{repository}"
    pinned = "" if repository is None else f"\n\n`{place}@COMMIT` keeps the version of a commit."
    return (
        "## How to use it\n\n```\npip install 'seq2seq-lab[hf]'\n"
        f'seq2seq-lab translate {place} --text "..."\n'
        f"seq2seq-lab translate {place} input.txt --beam 5 --output output.txt\n"
        f"seq2seq-lab evaluate {place} source.txt reference.txt\n```{pinned}\n\n"
        "The weights are safetensors and the rest is JSON: nothing is executed. export.json has each file's SHA-256."
    )


def _model(stored: StoredModel, parameters: int, run: Run | None) -> str:
    sizes = [stored.config["model"].get(f"{side}_vocab_size") for side in ("source", "target")]
    rows = [
        ("parameters", f"{parameters:,}"),
        ("vocabulary, source and target", " and ".join(map(str, sizes))),
    ]
    choices = {} if run is None else run.manifest.get("choices", {})
    groups = ("model", "decoding", "data/tokenizer")
    rows += [(key, f"`{value}`") for key, value in choices.items() if key.startswith(groups)]
    return "## Model\n\n" + _table(("part", "value"), rows)


def _data(run: Run) -> str:
    splits = run.data["splits"]
    rows = [(name, f"{part['pairs']:,}", f"`{part['sha256']}`") for name, part in splits.items()]
    origin = run.data.get("origin", {})
    corpus = f"`data={run.manifest.get('choices', {}).get('data', 'unknown')}`"
    if "commit" in origin:
        where = origin["repository"]
        corpus = (
            f"[{where}](https://huggingface.co/datasets/{where}/tree/{origin['commit']}), configuration "
            f"`{origin['config']}`, commit `{origin['commit']}`"
        )
    return (
        f"## Training data\n\nCorpus: {corpus}. The SHA-256 is that of the texts of a split in their order.\n\n"
        + _table(("split", "pairs", "SHA-256"), rows)
    )


def _evaluation(run: Run) -> str:
    if not run.results:
        return ""
    rows = [
        (METRICS[one.name].label, f"{one.value:.2f}", f"{one.interval[0]:.2f} to {one.interval[1]:.2f}",
         f"`{one.signature}`" if one.signature else "")
        for one in run.results
    ]  # fmt: skip
    pairs = run.data["splits"]["test"]["pairs"]
    return (
        "## Evaluation\n\n" + _table(("metric, on test", "value", "95 % interval", "sacreBLEU's signature"), rows)
        + f"\n\nThe interval is the bootstrap over the {pairs:,} sentences of the split (Koehn 2004): it says how the "
        "score could differ with other sentences of the same kind, and nothing of other seeds."
    )  # fmt: skip


def _training(run: Run) -> str:
    manifest = run.manifest
    code = manifest.get("code") or {}
    commit = code.get("commit") or "not recorded"
    commit += ", with uncommitted changes" if code.get("diff_sha256") else ""
    versions = manifest.get("versions") or {}
    shown = ", ".join(
        f"{key} {versions[key]}" for key in ("seq2seq-lab", "torch") if versions.get(key)
    )
    words = [shlex.quote(word) for word in published_words(manifest.get("command") or [])]
    lines = " \\\n  ".join(words).replace("`", "")
    rows = [
        ("seed", str(manifest.get("seed"))),
        ("commit of seq2seq-lab", commit),
        ("versions", shown),
    ]
    return (
        "## Training\n\n" + _table(("fact", "value"), rows)
        + f"\n\n```\nseq2seq-lab train {lines}\n```\n\nFiles are named without their folders."
    )  # fmt: skip


def _limits(stored: StoredModel, run: Run | None) -> str:
    lines = [f"- A source of more than {stored.max_source_tokens} tokens is cut."]
    if run is not None:
        pairs = run.data["splits"]["train"]["pairs"]
        single = all("nrefs:1|" in one.signature for one in run.results if one.signature)
        references = "one reference" if single else "several references"
        unknown = run.data["splits"]["test"]["source"]["unknown_rate"]
        lines = [
            f"- It learned from {pairs:,} pairs of one corpus; of other text it may make fluent nonsense.",
            f"- {100 * unknown:.2f} % of the source tokens of its test split are not in its vocabulary.",
            *lines,
            "- One training run with one seed; another seed gives other numbers.",
            f"- The numbers compare with {references} per sentence; no person judged the output.",
        ]
    return "## Limits\n\n" + "\n".join(lines)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)


def _escaped(text: str) -> str:
    """Return a text as it may stand in a table of Markdown."""
    return one_line(text).replace("|", "\\|").replace("<", "&lt;")
