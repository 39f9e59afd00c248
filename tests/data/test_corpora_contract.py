"""What every corpus keeps, found by itself: disjoint, non-empty, deterministic splits of clean lines."""

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import seq2seq_lab.data
from seq2seq_lab.data import drawing
from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.report import fingerprint
from seq2seq_lab.data.synthetic import Copy

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf" / "data"
DATA = Path(os.environ.get("SEQ2SEQ_LAB_DATA") or ROOT.parent / "shared" / "data")
NAMES = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem[0] != "_")
# Splits that others published or that the user names are taken as they are; the data report counts their overlap.
GIVEN_SPLITS = {"multi30k", "text_files"}
NOT_OURS_TO_MAKE = {"hugging_face"}
FEWER = {"num_train": 400, "num_val": 40, "num_test": 40}
CAPTIONS = {
    split: f"{split}{'_2016_flickr' if split == 'test' else ''}" for split in drawing.SPLITS
}
FILES = {
    "root": DATA / "multi30k",
    "path": DATA / "tatoeba-cmn-eng" / "cmn.txt",
    **{split: DATA / "multi30k" / f"{name}.en.gz" for split, name in CAPTIONS.items()},
}
TABLE = ROOT / "src" / "seq2seq_lab" / "data" / "toy_zh_en.tsv"
READ_TWICE = """
import json, sys
from importlib import import_module
from seq2seq_lab.data.report import fingerprint
exec(sys.argv[2])
prints = {}
for name, node in json.loads(sys.argv[1]).items():
    module, _, kind = node.pop("_target_").rpartition(".")
    corpus = getattr(import_module(module), kind)(**node)
    texts = [corpus.read() for _ in range(2)]
    prints[name] = [[fingerprint(s) for s in (t.train, t.val, t.test)] for t in texts]
print(json.dumps(prints))
"""


def corpus_classes() -> set[str]:
    """The public classes of the data package that read pairs in two languages."""
    found = set()
    for info in pkgutil.walk_packages(seq2seq_lab.data.__path__, "seq2seq_lab.data."):
        module = importlib.import_module(info.name)
        for name, kind in inspect.getmembers(module, inspect.isclass):
            is_ours = kind.__module__ == info.name and not name.startswith("_")
            is_protocol = getattr(kind, "_is_protocol", False)
            if is_ours and not is_protocol and hasattr(kind, "read"):
                arguments = inspect.signature(kind).parameters
                if {"source_language", "target_language"} <= set(arguments):
                    found.add(f"{info.name}.{name}")
    return found


@cache
def default_node(name: str) -> dict:
    """The corpus of a yaml with its interpolations resolved; file names are those of the test data."""
    data = OmegaConf.merge(
        OmegaConf.load(CONF / "_corpus.yaml"), OmegaConf.load(CONF / f"{name}.yaml")
    )
    if name == "table_file":
        data.source_column, data.target_column = "zh", "en"
    for key, path in (FILES | ({"path": TABLE} if name == "table_file" else {})).items():
        if key in data and data[key] is None:
            german = str(path).replace(".en.gz", ".de.gz")
            data[key] = [german, str(path)] if key in CAPTIONS else str(path)
    return OmegaConf.to_container(OmegaConf.create({"data": data}).data.corpus, resolve=True)


def corpus_node(name: str) -> dict:
    """The same with fewer pairs where their number is an argument: checking every call takes time."""
    node = default_node(name)
    return node | {key: size for key, size in FEWER.items() if key in node}


def is_there(name: str) -> bool:
    values = [v for v in corpus_node(name).values() if v is not None]
    paths = [p for v in values for p in (v if isinstance(v, list) else [v])]
    return all(Path(p).exists() for p in paths if str(p).startswith(str(DATA)))


def build(name: str, node: dict | None = None):
    if name in NOT_OURS_TO_MAKE:
        pytest.skip(f"{name} is fetched from elsewhere")
    if not is_there(name):
        pytest.skip(f"the files for {name} are not under {DATA}; set SEQ2SEQ_LAB_DATA")
    node = dict(node or corpus_node(name))
    module, _, kind = node.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), kind)(**node)


@cache
def read(name: str) -> ParallelText:
    return build(name).read()


def fingerprints(nodes: dict[str, dict], planted_bug: str = "", hash_seed: str = "3"):
    """For each corpus, what two reads in a fresh process give."""
    command = [sys.executable, "-c", READ_TWICE, json.dumps(nodes), planted_bug]
    env = os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def fresh_process():
    names = [name for name in NAMES if name not in NOT_OURS_TO_MAKE and is_there(name)]
    return fingerprints({name: corpus_node(name) for name in names})


def assert_disjoint(text: ParallelText) -> None:
    train, val, test = ({p.source for p in part} for part in (text.train, text.val, text.test))
    assert not train & val
    assert not train & test
    assert not val & test


def assert_clean(text: ParallelText) -> None:
    for pair in [*text.train, *text.val, *text.test]:
        for side in (pair.source, pair.target):
            assert side.strip()
            assert not set(side) & {"\n", "\r"}


def test_there_are_corpora():
    assert len(NAMES) >= 8


def test_every_corpus_class_has_a_yaml_and_every_yaml_a_class():
    assert corpus_classes() == {corpus_node(name)["_target_"] for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_of_the_yaml_has_its_languages(name):
    node = default_node(name)
    corpus = build(name, node)
    expected = node["source_language"], node["target_language"]
    assert (corpus.source_language, corpus.target_language) == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_split_is_empty(name):
    assert all((read(name).train, read(name).val, read(name).test))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in GIVEN_SPLITS])
def test_no_source_stands_in_two_splits(name):
    assert_disjoint(read(name))


def test_overlapping_splits_are_noticed():
    with pytest.raises(AssertionError):
        assert_disjoint(ParallelText([Pair("a", "b")], [Pair("c", "d")], [Pair("a", "e")]))


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_not_blank_and_on_one_line(name):
    assert_clean(read(name))


@pytest.mark.parametrize("bad", [" ", "", "a\nb", "a\r"])
def test_unclean_texts_are_noticed(bad):
    with pytest.raises(AssertionError):
        assert_clean(ParallelText([Pair("a", "b")], [Pair("c", bad)], []))


@pytest.mark.parametrize("name", NAMES)
def test_text_and_order_do_not_depend_on_the_process_or_an_earlier_read(name, fresh_process):
    text = read(name)
    here = [fingerprint(part) for part in (text.train, text.val, text.test)]
    assert fresh_process[name] == [here, here]


def test_a_split_that_depends_on_the_hash_seed_is_noticed():
    bug = (
        "from seq2seq_lab.data import drawing as d; d.split_of = lambda s: d._BUCKETS[hash(s) % 10]"
    )
    node = corpus_node("copy") | {"num_train": 40, "num_val": 5, "num_test": 5}
    assert fingerprints({"copy": node}, bug, "3") != fingerprints({"copy": node}, bug, "4")


def test_a_generator_shared_by_two_reads_is_noticed(monkeypatch):
    shared = drawing.Dice(1)
    monkeypatch.setattr("seq2seq_lab.data.synthetic.Dice", lambda seed: shared)
    corpus = Copy(num_train=40, num_val=5, num_test=5)
    assert fingerprint(corpus.read().train) != fingerprint(corpus.read().train)
