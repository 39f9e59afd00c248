"""Data sets in the hub's layout: which rows, columns and splits become pairs, and what a mistake says."""

import json

import pytest

from seq2seq_lab.data.hugging_face import HuggingFace
from seq2seq_lab.errors import ConfigError, DataError
from seq2seq_lab.testing.corpus import check_corpus
from support.hub_folders import parquet_folder, rows, text_folder
from support.small_runs import train

pytest.importorskip("datasets", reason="the extra hf is not installed")

LANGUAGES = {"source_language": "de", "target_language": "en"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return parquet_folder(tmp_path_factory.mktemp("sets") / "numbers")


def read(repository, **settings):
    return HuggingFace(str(repository), **(LANGUAGES | settings)).read()


def sources(pairs):
    return [pair.source for pair in pairs]


def expected(first, last):
    return [row["translation"]["de"] for row in rows(first, last)]


def test_it_keeps_what_every_corpus_keeps(folder):
    check_corpus(HuggingFace, repository=str(folder), **LANGUAGES)


def test_a_split_of_the_repository_is_taken_and_a_missing_one_is_held_out_of_training(folder):
    text = read(folder)
    assert sources(text.test) == expected(200, 220)
    assert len(text.val) == 5
    assert sorted(sources(text.train) + sources(text.val)) == sorted(expected(100, 200))
    assert sources(text.train) == [s for s in expected(100, 200) if s in set(sources(text.train))]


def test_the_origin_is_reported_without_the_folder_around_it(folder):
    assert read(folder).origin == {
        "repository": "numbers",
        "config": "de-en",
        "splits": {"train": "train", "test": "test"},
        "rows": {"train": 100, "test": 20},
    }


def test_no_more_rows_are_read_than_asked_for(folder, monkeypatch):
    from seq2seq_lab.data.hub_table import HubTable

    seen, real = [], HubTable.rows

    def counted(*arguments):
        for row in real(*arguments):
            seen.append(row)
            yield row

    monkeypatch.setattr(HubTable, "rows", counted)
    text = read(folder, max_rows=15)
    assert len(seen) == 30
    assert len([*text.train, *text.val]) == len(text.test) == 15


def test_only_the_columns_of_the_pairs_are_read(folder):
    from seq2seq_lab.data.hub_table import open_table

    table = open_table(str(folder), None, None)
    found = next(table.rows("train", ["translation.de", "translation.en"], 1))
    assert set(found) == {"translation"}
    assert set(next(table.rows("train", ["id", "nowhere"], 1))) == {"translation", "id"}


def test_flat_columns_name_the_languages(tmp_path):
    lines = [{"en": f"a {i}", "tgt": f"b {i}"} for i in range(30)]
    content = "".join(f"{json.dumps(line)}\n" for line in lines)
    made = text_folder(tmp_path / "set", "train.jsonl", content)
    corpus = HuggingFace(str(made), columns=["en", "tgt"])
    assert (corpus.source_language, corpus.target_language) == ("en", "und")
    text = corpus.read()
    assert sorted(sources([*text.train, *text.val, *text.test])) == sorted(x["en"] for x in lines)


def test_words_that_look_like_nothing_stay_words(tmp_path):
    content = "de,en\n" + "".join(
        f"{w},{w} {i}\n" for i, w in enumerate(["null", "NA", "None"] * 3)
    )
    text = read(text_folder(tmp_path / "set", "train.csv", content), columns=["de", "en"])
    assert set(sources([*text.train, *text.val, *text.test])) <= {"null", "NA", "None"}


def test_rows_with_an_empty_side_are_counted(tmp_path):
    lines = [{"de": f"a {i}", "en": f"b {i}"} for i in range(30)]
    lines += [{"de": None, "en": "x"}, {"de": "y", "en": " "}]
    content = "".join(f"{json.dumps(line)}\n" for line in lines)
    text = read(text_folder(tmp_path / "set", "train.jsonl", content), columns=["de", "en"])
    assert text.dropped == {"train": {"empty source": 1, "empty target": 1}}
    assert len([*text.train, *text.val, *text.test]) == 30


MISTAKES = {
    "language": ({"target_language": "fr"}, r"row 1: no key 'translation.fr'; the keys are 'translation.de'"),
    "object": ({"columns": ["translation", None]}, r"is an object; name one of its fields: translation.de"),
    "number": ({"columns": ["id", None]}, r"'id' must be a string, got 100"),
    "split": ({"test_split": "tset"}, r"no split 'tset'; set data.test_split to one of train, test"),
    "config": ({"config": "fr-en"}, r"data.config=fr-en: .* no such configuration, only de-en"),
    "revision": ({"revision": "main"}, r"is a folder here, which has none"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_says_what_there_is(folder, name):
    settings, says = MISTAKES[name]
    with pytest.raises((DataError, ConfigError), match=says) as error:
        read(folder, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"max_rows": 0}, "max_rows=0: must be >= 1"),
        ({"columns": ["a"]}, "must be two"),
        ({"val_fraction": 1.5}, "val_fraction=1.5"),
    ],
)
def test_a_wrong_setting_is_named(settings, says):
    with pytest.raises(ValueError, match=says):
        HuggingFace("a/b", **(LANGUAGES | settings))


@pytest.mark.parametrize("settings", [{"columns": ["a", "a"]}, {"source_language": "en"}])
def test_one_column_for_both_sides_is_a_line(folder, settings):
    with pytest.raises(ConfigError, match=r"source and target are both the column .*set data\."):
        read(folder, **settings)


def test_no_repository_is_a_line(folder):
    with pytest.raises(ConfigError, match=r"data\.repository is not set"):
        HuggingFace(None, **LANGUAGES).read()


def test_it_trains_and_the_run_keeps_where_its_text_came_from(folder, tmp_path):
    keys = ("data=hugging_face", f"data.repository={folder}", "data.config=de-en")
    languages = ("data.source_language=de", "data.target_language=en", "training/logger=csv")
    assert train("debug=tiny", *keys, *languages, f"run_dir={tmp_path / 'run'}") == 0
    for file, key in (("data_report.json", "origin"), ("manifest.json", "data_origin")):
        facts = json.loads((tmp_path / "run" / file).read_text(encoding="utf-8"))
        assert facts[key]["rows"] == {"train": 64, "test": 20}  # of debug=tiny
