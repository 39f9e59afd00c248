"""Finished runs decoded again under each intervention: hypotheses, numbers, and the comparison.

The arms of the comparison are the interventions; `none`, the learned weights, is the baseline. Everything else is the
report of a study: intervals over seeds, differences paired by model and by sentence, Holm's correction.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seq2seq_lab.config.build import build
from seq2seq_lab.data.batching import BySentences
from seq2seq_lab.data.corpus import Pair
from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.files import write_json, write_json_lines, write_text
from seq2seq_lab.inference.decoding_choice import GROUP, choose
from seq2seq_lab.inference.other_seed import with_other
from seq2seq_lab.inference.scorer import Scorer, Wanted
from seq2seq_lab.inference.trained import Trained, load, read_model
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.metrics.scores import hypothesis_rows, score
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.records import Records, Run, Translated, read_translated
from seq2seq_lab.report.tables import arms_markdown, markdown
from seq2seq_lab.study.matrix import Study, find_study
from seq2seq_lab.study.plan import states

NONE, OTHER = "none", "other_seed"
INTERVENTIONS = ("uniform", "shuffled", "shifted", "hard", OTHER)
LOSS = "test/loss"
_READING = (
    "Loss: nats per token of the references, teacher-forced under the same intervention; intervals over seeds only. "
    f"{NONE} has the learned weights; all arms are the same models, so seeds are paired. What an arm loses is what the "
    "weights carried that it took away."
)


@dataclass(frozen=True)
class Setting:
    """How the runs of an arm are decoded again, and where the results go."""

    folder: Path
    names: tuple[str, ...] = INTERVENTIONS
    metric: str = "test/bleu"
    batch_size: int = 64
    device: str = "cpu"


def arms_of(places: Sequence[Path]) -> dict[str, dict[int, Path]]:
    """Return the run folders of each arm by seed: those of a study that are done, or run folders that are one arm."""
    if all((place / "hypotheses").is_dir() for place in places):
        return _one_arm(places)
    if len(places) > 1:
        raise ConfigError(f"{places[0]} ...: name one study, or the folders of finished runs")
    folder = find_study(str(places[0]))
    if not (folder / "study.json").is_file():
        raise ConfigError(f"{places[0]}: neither a study nor the folder of a finished run")
    study = Study.load(folder)
    arms: dict[str, dict[int, Path]] = {}
    for run, state in zip(study.runs, states(study), strict=True):
        if state.kind == "done":
            arms.setdefault(run.arm, {})[run.seed] = study.folder(run)
    if not arms:
        raise ConfigError(f"{places[0]}: no run of this study is done")
    return {arm: dict(sorted(runs.items())) for arm, runs in arms.items()}


def _one_arm(places: Sequence[Path]) -> dict[str, dict[int, Path]]:
    configs = [read_model(place).config for place in places]
    found = {int(config["seed"]): place for config, place in zip(configs, places, strict=True)}
    if len(found) < len(places):
        raise ConfigError("two of these runs have the same seed; name runs that differ by the seed")
    for config, place in zip(configs, places, strict=True):
        if config["model"] != configs[0]["model"]:
            raise ConfigError(
                f"{place}: not the model of {places[0]}; name the seeds of one arm, or a study"
            )
    return {str(configs[0]["name"]): dict(sorted(found.items()))}


def intervene(arm: str, runs: Mapping[int, Path], setting: Setting) -> str:
    """Decode the runs of one arm under every intervention; write all that is found and return the report."""
    place = setting.folder / re.sub(r"[^\w.-]+", "_", arm)
    names = [name for name in setting.names if name != OTHER or len(runs) > 1]
    arms = {
        name: tuple(_run(name, runs, seed, place / name / f"seed_{seed}", setting) for seed in runs)
        for name in (NONE, *names)
    }
    total = sum(map(len, arms.values()))
    name = f"interventions on {arm}"
    records = Records(name, place, setting.metric, {}, arms, (), total)
    if not all(setting.metric in run.result for run in records.runs):
        known = ", ".join(sorted(records.runs[0].result))
        raise ConfigError(f"--metric {setting.metric}: no such number; there are {known}")
    lines = [markdown(records, analyse(records)), "Teacher-forced loss:", ""]
    lines += [*arms_markdown(analyse(replace(records, metric=LOSS))), "", _READING]
    if OTHER in setting.names and len(runs) == 1:
        lines.append(f"{OTHER} is left out: it needs a second seed.")
    text = "\n".join(lines) + "\n"
    write_text(place / "report.md", text)
    return text


def opened(name: str, runs: Mapping[int, Path], seed: int, setting: Setting) -> Trained:
    """Load the model of a seed under an intervention; `other_seed` is the next one of the arm."""
    trained = load(runs[seed], device=setting.device)
    overrides = []
    node = {key: value for key, value in trained.config[GROUP].items() if key != "intervention"}
    if name != NONE:
        overrides = [f"{GROUP}/intervention={name}"]
    if name == OTHER:
        seeds = list(runs)
        other = runs[seeds[(seeds.index(seed) + 1) % len(seeds)]]
        overrides.append(f"{GROUP}.intervention.run={json.dumps(str(other.absolute()))}")
    node = choose(node, overrides)
    translator = with_other(
        replace(trained.translator, decoding=build(node), batching=BySentences(setting.batch_size))
    )
    return replace(trained, translator=translator, config={**trained.config, GROUP: node})


def _run(name: str, runs: Mapping[int, Path], seed: int, folder: Path, setting: Setting) -> Run:
    """Decode and score the test split of one run under one intervention, and store it as a run."""
    trained, pairs = opened(name, runs, seed, setting), stored_pairs(runs[seed])
    found = trained.translator.translate([pair.source for pair in pairs])
    texts = [one.text for one in found]
    scores = score(pairs, texts, trained.target_language)
    numbers = {f"test/{key}": value for key, value in scores.numbers.items()}
    numbers[LOSS] = teacher_forced_loss(trained.translator, pairs)
    (folder / "hypotheses").mkdir(parents=True, exist_ok=True)
    rows = hypothesis_rows(pairs, texts, [one.score for one in found])
    write_json_lines(folder / "hypotheses" / "test.jsonl", rows)
    write_json(folder / "hypotheses" / "signatures.json", scores.signatures)
    write_json(folder / "decoding.json", trained.config[GROUP])
    write_json(folder / "result.json", numbers)
    return Run(
        name=f"{name}-s{seed}", arm=name, seed=seed, factors={}, folder=folder, result=numbers,
        signatures=scores.signatures, history=(), manifest={}, data_report={}, seconds=math.nan,
        translated=tuple(
            Translated(p.source, p.target, text, p.further) for p, text in zip(pairs, texts, strict=True)
        ),
        model=str(runs[seed]),
    )  # fmt: skip


def stored_pairs(run: Path) -> list[Pair]:
    """Return the test split of a run, as its hypotheses file has it."""
    path = run / "hypotheses" / "test.jsonl"
    if not path.is_file():
        raise DataError(
            f"{path}: missing; only a run that was tested with training.callback.bleu can be decoded again"
        )
    return [
        Pair(one.source, one.reference, one.further)
        for one in read_translated(path, "train the run again")
    ]


def teacher_forced_loss(translator: Translator, pairs: Sequence[Pair]) -> float:
    """Return the loss in nats per token of the references, the end token included, under the intervention."""
    sources = translator.source_tokenizer.encode_batch([pair.source for pair in pairs])
    targets = translator.target_tokenizer.encode_batch([pair.target for pair in pairs])
    limit = translator.max_source_tokens
    wanted = [Wanted(s[:limit], t) for s, t in zip(sources, targets, strict=True)]
    scores = Scorer(translator.searched_model(), translator.batching)(wanted)
    return -sum(map(sum, scores)) / max(sum(map(len, scores)), 1)
