"""A conf path is a module path: whoever sees an option finds the class that it names, and the tests of that class."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
CONF, TESTS = REPOSITORY / "conf", REPOSITORY / "tests"
OURS = "seq2seq_lab."
WHOLE_CONFIG = {"debug", "experiment", "hydra", "preset"}
"""Folders whose files set keys all over the config and name no class of ours."""
ELSEWHERE = {
    "data/_corpus.yaml": "training.datamodule",  # the corpora are in data/; Lightning reads them in training/
    "model/order/before.yaml": "model.recurrent_decoder",  # the order is the decoder's class
    "model/order/after.yaml": "model.recurrent_decoder",
    "model/order/between.yaml": "model.conditional_decoder",
    "training/scheduled_sampling/sequential.yaml": "training.scheduled_sampling.sequential",
    "training/scheduled_sampling/parallel.yaml": "training.scheduled_sampling.parallel",
}
"""The exceptions: file -> module of the class that it names."""


def targets(node: object) -> Iterator[str]:
    """Yield every `_target_` of a YAML file, the file's own first."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)


def is_in_its_place(path: str, module: str) -> bool:
    """Tell whether the class of conf/PATH may be in this module (without the package's name).

    The files of a group directly under conf/ name modules of the package with its name: `data/copy.yaml` one of data/.
    Those of a deeper group name the module or package with the group's path, or a neighbour that ends with its name:
    `model/attention/dot.yaml` one of model/attention.py, model/attention/ or model/*_attention.py.
    """
    if path in ELSEWHERE:
        return module == ELSEWHERE[path]
    *folders, _ = path.split("/")
    group, parts = folders[-1], module.split(".")
    if len(folders) == 1:
        return parts[0] == group
    home = parts[: len(folders)]
    is_neighbour = home[:-1] == folders[:-1] and home[-1].endswith(f"_{group}")
    return home == folders or is_neighbour


def misplaced(conf: Path) -> list[str]:
    """Return `file: class` for each option whose own class is not where its path says."""
    wrong = []
    for file in sorted(conf.rglob("*.yaml")):
        path = file.relative_to(conf).as_posix()
        if path.split("/")[0] in WHOLE_CONFIG or "/" not in path:
            continue
        own = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("_target_", "")
        module = own.removeprefix(OURS).rpartition(".")[0]
        if own.startswith(OURS) and not is_in_its_place(path, module):
            wrong.append(f"{path}: {own}")
    return wrong


def modules_without_tests(conf: Path, tests: Path) -> list[str]:
    """Return the modules that options name and that no test file of the mirrored folder imports."""
    named = set()
    for file in conf.rglob("*.yaml"):
        every = targets(yaml.safe_load(file.read_text(encoding="utf-8")))
        named |= {t.rpartition(".")[0] for t in every if t.startswith(OURS)}
    missing = []
    for module in sorted(named):
        parts = module.removeprefix(OURS).split(".")
        files = sorted(tests.joinpath(*parts[:-1]).glob("test_*.py"))
        is_named = any(parts[-1] in file.stem for file in files)
        if not is_named and not any(module in f.read_text(encoding="utf-8") for f in files):
            missing.append(module)
    return missing


def test_a_conf_path_is_a_module_path():
    assert misplaced(CONF) == []


def test_the_exceptions_exist():
    assert [path for path in ELSEWHERE if not (CONF / path).is_file()] == []


def test_every_module_that_an_option_names_has_tests_in_the_mirrored_folder():
    assert modules_without_tests(CONF, TESTS) == []


# planted bugs


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("model/cell/gru.yaml", "model.bridge.GruCell"),
        ("decoding/beam.yaml", "model.beam.Beam"),
        (
            "training/scheduled_sampling/unit/token.yaml",
            "training.scheduled_sampling.schedule.Token",
        ),
        ("data/tokenizer/bpe.yaml", "data.subword.BpeTokenizer"),
    ],
)
def test_planted_misplaced_class_is_caught(tmp_path, path, target):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(f"_target_: {OURS}{target}\n")
    assert misplaced(tmp_path) == [f"{path}: {OURS}{target}"]


def test_planted_module_without_tests_is_caught(tmp_path):
    (tmp_path / "model.yaml").write_text(f"cell:\n  _target_: {OURS}model.cell.Cell\n")
    assert modules_without_tests(tmp_path, tmp_path) == [f"{OURS}model.cell"]
