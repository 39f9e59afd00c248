"""Every yaml file of conf/ composes, passes the check, and holds no dead key; found by walking."""

import ast
import re
import subprocess
import sys
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path

import pytest
import yaml

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config, conf_dir
from seq2seq_lab.config.rules import RULES
from seq2seq_lab.errors import UserError

CONF = conf_dir()
FILES = {
    "table_file": "data.path=a.tsv",
    "tatoeba": "data.path=a.txt",
    "text_files": "data.train=[a,b]",
}
"""Corpora that need a file; it is not read by the check."""


def options(group: str) -> list[str]:
    return sorted(p.stem for p in (CONF / group).glob("[!_]*.yaml"))


def override(path: Path) -> list[str]:
    """Return the overrides that bring a file into a run; a corpus brings the file that it needs."""
    group, name = path.parent.relative_to(CONF).as_posix(), path.stem
    if group == "preset":
        return [f"{group}={name}", "experiment=synthetic_length"]
    if group.startswith(
        "experiment/"
    ):  # experiment/NAME/PRESET.yaml or experiment/NAME/GROUP/OPTION.yaml
        experiment, *inner = group.split("/")[1:]
        return [f"experiment={experiment}", f"{group if inner else 'preset'}={name}"]
    if group == "data/tokenizer":
        return [f"{group}={name}"]
    if group == "training/callback":
        return [f"{group}=[{name},checkpoint]"]  # which refers to data.monitor
    return [f"{group}={name}", *([FILES[name]] if group == "data" and name in FILES else [])]


EVERY = sorted(p for p in CONF.rglob("*.yaml") if p.name != "train.yaml" and p.name[0] != "_")
IDS = [p.relative_to(CONF).with_suffix("").as_posix() for p in EVERY]


def checked(*overrides: str) -> None:
    """Compose and check. A model part that contradicts the default of another is reported, never a crash."""
    check(compose_config(list(overrides)))


def refusal(*overrides: str) -> str:
    try:
        checked(*overrides)
    except UserError as error:
        return str(error)
    return ""


OF_FEATURES = "data/tokenizer@data.source_tokenizer=features"
ALONE = {
    **{f"model/feature_encoder/{name}": [OF_FEATURES] for name in options("model/feature_encoder")},
    "model/readout/state": ["model/attention=none"],
    "model/attention/none": ["model/readout=state"],
    "decoding/intervention/other_seed": ["decoding.intervention.run=outputs/other"],
    "model/output/copy": ["data.joint=true"],
    "training/callback/searches": ["+training.callback.searches.searches.a='decoding=beam'"],
    **{
        f"model/{group}/{file.stem}": ["model=transformer"]
        for group in ("norm", "position")
        for file in (CONF / "model" / group).glob("*.yaml")
    },
    **{
        f"model/transition/{file.stem}": ["model=hard_monotonic"]
        for file in (CONF / "model" / "transition").glob("*.yaml")
    },
    **{
        f"decoding/length_penalty/{file.stem}": ["decoding=beam"]
        for file in (CONF / "decoding" / "length_penalty").glob("*.yaml")
    },
}
"""Parts that only fit with another choice for a second part."""


def side_by_side() -> list[tuple[Path, ...]]:
    """Return sets of files of different groups, each file in one of them; parts of a model go with no other model."""
    groups: dict[str, dict[Path, list[Path]]] = {"parts": {}, "wholes": {}, "alone": {}}
    for path in EVERY:
        name = path.relative_to(CONF).with_suffix("").as_posix()
        is_whole = path.parent.parent == CONF
        is_alone = name in ALONE or name.startswith(("experiment/", "preset/", "debug/"))
        kind = "alone" if is_alone else "wholes" if is_whole else "parts"
        groups[kind].setdefault(path.parent, []).append(path)
    together = [
        tuple(filter(None, row))
        for kind in ("parts", "wholes")
        for row in zip_longest(*groups[kind].values())
    ]
    return [*together, *((path,) for path in chain(*groups["alone"].values()))]


@cache
def refused(paths: tuple[Path, ...]) -> dict[Path, str]:
    """Return the files that are refused alone, with the reason; a set that passes together holds none."""
    told = refusal(*chain.from_iterable(map(override, paths)))
    if not told or len(paths) == 1:
        return dict.fromkeys(paths, told) if told else {}
    middle = len(paths) // 2
    return refused(paths[:middle]) | refused(paths[middle:])


@pytest.mark.parametrize("path", EVERY, ids=IDS)
def test_every_file_composes_and_passes_the_check(path):
    """Files of different groups are checked together, and alone where the check refuses the set."""
    overrides = override(path)
    (together,) = [paths for paths in side_by_side() if path in paths]
    found = refused(together).get(path)
    if found:
        partner = ALONE.get(path.relative_to(CONF).with_suffix("").as_posix(), [])
        assert partner, found
        checked(*overrides, *partner)


def test_there_is_no_file_outside_a_group():
    assert [p.name for p in CONF.glob("*.yaml")] == ["train.yaml"]
    assert [p for p in CONF.rglob("*") if p.is_file() and p.suffix != ".yaml"] == []


MODELS = [name for name in options("model") if name[0] != "_"]
CORPORA = [name for name in options("data") if name[0] != "_"]


@cache
def pair_is_checked(number: int) -> None:
    """Check one model with one corpus under every debug setting; so many pairs hold each model and each corpus."""
    model, corpus = MODELS[number % len(MODELS)], CORPORA[number % len(CORPORA)]
    for debug in options("debug"):
        checked(f"model={model}", *override(CONF / "data" / f"{corpus}.yaml"), f"debug={debug}")


@pytest.mark.parametrize("model", MODELS)
def test_every_model_goes_with_every_debug_setting(model):
    pair_is_checked(MODELS.index(model))


@pytest.mark.parametrize("data", CORPORA)
def test_every_corpus_goes_with_every_debug_setting(data):
    pair_is_checked(CORPORA.index(data))


SIDES = ("tokenizer", "source_tokenizer", "target_tokenizer")


@cache
def with_tokenizers(*names: str) -> dict:
    """Compose with one tokenizer for each of the sides."""
    groups = ("data/tokenizer", *(f"data/tokenizer@data.{side}" for side in SIDES[1:]))
    return compose(["data=copy", *(f"{g}={n}" for g, n in zip(groups, names, strict=True))])["data"]


@pytest.mark.parametrize("side", SIDES)
def test_every_tokenizer_goes_on_every_side(side):
    names = options("data/tokenizer")
    for number in range(len(names)):
        chosen = [names[(number + offset) % len(names)] for offset in range(len(SIDES))]
        file = CONF / "data" / "tokenizer" / f"{chosen[SIDES.index(side)]}.yaml"
        target = yaml.safe_load(file.read_text())["_target_"]
        assert with_tokenizers(*chosen)[side]["_target_"] == target


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_goes_with_debug_tiny(experiment):
    found = refusal(f"experiment={experiment}", "debug=tiny")
    assert found == ""


@pytest.mark.parametrize("batching", options("data/batching"))
@pytest.mark.parametrize("debug", options("debug"))
def test_every_batching_goes_with_every_debug_setting(batching, debug):
    found = refusal(f"data/batching={batching}", f"debug={debug}")
    assert found == ""


SLOW_TO_IMPORT = ("pytorch_lightning", "torch._dynamo", "sympy", "spacy", "matplotlib", "wandb")


def imported_by_check(before: str = "pass") -> list[str]:
    """Check the default config in a fresh process and return the slow packages that this imported."""
    code = (
        f"{before}; import sys; from seq2seq_lab.config.check import check; "
        "from seq2seq_lab.config.compose import compose_config; "
        "check(compose_config([])); "
        f"print([m for m in {SLOW_TO_IMPORT!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stdout)


def light_targets_import_lightning(slow: tuple[str, ...]) -> bool:
    """Import every class that conf/ names, but those listed as slow, in a fresh process."""
    found = re.findall(r"_target_: (\S+)", "\n".join(p.read_text() for p in CONF.rglob("*.yaml")))
    light = sorted(
        {t for t in found if t.startswith(("seq2seq_lab.", "torch.")) and not t.startswith(slow)}
    )
    assert light
    code = (
        "import sys; from seq2seq_lab.config.build import target_class; "
        f"[target_class(t) for t in {light!r}]; print('pytorch_lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stdout)


def test_every_target_that_imports_lightning_is_listed_as_slow():
    assert not light_targets_import_lightning(RULES.slow)


def test_planted_target_that_imports_lightning_is_noticed():
    assert light_targets_import_lightning(("seq2seq_lab.training.callback.",))


def test_a_check_imports_nothing_slow():
    assert imported_by_check() == []


def test_planted_slow_import_is_noticed():
    assert imported_by_check("import matplotlib") == ["matplotlib"]
