"""What every corpus keeps, found by itself: disjoint, non-empty, deterministic splits of clean lines."""

import importlib
import inspect
import os
import pkgutil
from functools import cache, partial
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import seq2seq_lab.data
from seq2seq_lab.data import drawing
from seq2seq_lab.data.corpus import Pair, ParallelText
from seq2seq_lab.data.synthetic import Copy
from seq2seq_lab.testing.corpus import (
    fingerprints,
    fingerprints_elsewhere,
    no_source_in_two_splits,
    no_split_is_empty,
    reads_the_same_again,
    texts_are_clean,
)

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
INFLECTED = Path(__file__).parent / "inflected.tsv"
OWN_FILES = {
    "table_file": ROOT / "src" / "seq2seq_lab" / "data" / "toy_zh_en.tsv",
    "cmudict": ROOT / "tests" / "data" / "pronunciations.dict",
}
"""The `path` of corpora that are read from a small file here."""


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
    own = {
        "scan": {"root": DATA / "scan"},
        "sigmorphon": {"train": INFLECTED, "val": None, "test": None},
        **{corpus: {"path": path} for corpus, path in OWN_FILES.items()},
    }
    for key, path in (FILES | own.get(name, {})).items():
        if key in data and data[key] is None and path is not None:
            german = str(path).replace(".en.gz", ".de.gz")
            is_two = key in CAPTIONS and name == "text_files"
            data[key] = [german, str(path)] if is_two else str(path)
    return OmegaConf.to_container(OmegaConf.create({"data": data}).data.corpus, resolve=True)


def corpus_node(name: str) -> dict:
    """The same with fewer pairs where their number is an argument: checking every call takes time."""
    node = default_node(name)
    return node | {key: size for key, size in FEWER.items() if key in node}


def maker(node: dict) -> partial:
    """The class of a node with its arguments."""
    module, _, kind = node["_target_"].rpartition(".")
    arguments = {key: value for key, value in node.items() if key != "_target_"}
    return partial(getattr(importlib.import_module(module), kind), **arguments)


def is_there(name: str) -> bool:
    values = [v for v in corpus_node(name).values() if v is not None]
    paths = [p for v in values for p in (v if isinstance(v, list) else [v])]
    return all(Path(p).exists() for p in paths if str(p).startswith(str(DATA)))


def build(name: str, node: dict | None = None):
    if name in NOT_OURS_TO_MAKE:
        pytest.skip(f"{name} is fetched from elsewhere")
    if not is_there(name):
        pytest.skip(f"the files for {name} are not under {DATA}; set SEQ2SEQ_LAB_DATA")
    return maker(node or corpus_node(name))()


@cache
def read(name: str) -> ParallelText:
    return build(name).read()


@pytest.fixture(scope="module")
def fresh_process():
    names = [name for name in NAMES if name not in NOT_OURS_TO_MAKE and is_there(name)]
    return fingerprints_elsewhere({name: maker(corpus_node(name)) for name in names})


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
    no_split_is_empty(read(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in GIVEN_SPLITS])
def test_no_source_stands_in_two_splits(name):
    no_source_in_two_splits(read(name))


def test_overlapping_splits_are_noticed():
    with pytest.raises(AssertionError):
        no_source_in_two_splits(ParallelText([Pair("a", "b")], [Pair("c", "d")], [Pair("a", "e")]))


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_not_blank_and_on_one_line(name):
    texts_are_clean(read(name))


@pytest.mark.parametrize("bad", [" ", "", "a\nb", "a\r"])
def test_unclean_texts_are_noticed(bad):
    with pytest.raises(AssertionError):
        texts_are_clean(ParallelText([Pair("a", "b")], [Pair("c", bad)], []))


@pytest.mark.parametrize("name", NAMES)
def test_text_and_order_do_not_depend_on_the_process_or_an_earlier_read(name, fresh_process):
    here = fingerprints(read(name))
    assert fresh_process[name] == [here, here]


# planted bugs: whole corpora with one each are in tests/testing/test_corpus.py


def test_a_generator_shared_by_two_reads_is_noticed(monkeypatch):
    shared = drawing.Dice(1)
    monkeypatch.setattr("seq2seq_lab.data.synthetic.Dice", lambda seed: shared)
    with pytest.raises(AssertionError):
        reads_the_same_again(Copy(num_train=40, num_val=5, num_test=5))
