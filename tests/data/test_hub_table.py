"""A data set is data: no file outside of it is read, no format that could run code, and mistakes are one line."""

import pytest

from seq2seq_lab import extras
from seq2seq_lab.data.hub_table import open_table
from seq2seq_lab.errors import ConfigError, DataError, UnsafeError
from support.hub_folders import head, text_folder

pytest.importorskip("datasets", reason="the extra hf is not installed")

JSON_LINES = '{"de": "a", "en": "b"}\n'


@pytest.mark.parametrize(
    "path", ["../secret.jsonl", "{outside}/secret.jsonl", "data/../../secret.jsonl"]
)
def test_a_readme_cannot_name_files_elsewhere(tmp_path, path):
    (tmp_path / "secret.jsonl").write_text(JSON_LINES)
    named = path.format(outside=tmp_path)
    folder = text_folder(
        tmp_path / "set", "a.jsonl", JSON_LINES, head(train="a.jsonl", other=named)
    )
    (folder / "data").mkdir()
    with pytest.raises((UnsafeError, DataError)):
        open_table(str(folder), None, None)


def test_the_links_of_the_hubs_cache_are_followed(tmp_path):
    (tmp_path / "blob").write_text(JSON_LINES)
    folder = text_folder(tmp_path / "set", "README.md", "# x\n")
    (folder / "train.jsonl").symlink_to(tmp_path / "blob")
    assert open_table(str(folder), None, None).splits == ("train",)


def test_a_loading_script_is_not_run(tmp_path):
    script = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    folder = text_folder(tmp_path / "set", "set.py", script)
    (folder / "train.jsonl").write_text(JSON_LINES)
    with pytest.raises(DataError, match=r"scripts are no longer supported, but found set.py"):
        open_table(str(folder), None, None)
    assert not (tmp_path / "ran").exists()


def test_other_formats_are_refused(tmp_path):
    folder = text_folder(tmp_path / "set", "train.txt", "a\nb\n")
    with pytest.raises(UnsafeError, match=r"holds text files, which are not read; only parquet"):
        open_table(str(folder), None, None)


def test_several_configurations_are_listed(tmp_path):
    entry = "- config_name: {0}\n  data_files: {0}.jsonl\n"
    readme = f"---\nconfigs:\n{entry.format('one')}{entry.format('two')}---\n"
    folder = text_folder(tmp_path / "set", "one.jsonl", JSON_LINES, readme)
    (folder / "two.jsonl").write_text(JSON_LINES)
    with pytest.raises(ConfigError, match=r"set data.config to one of one, two"):
        open_table(str(folder), None, None)
    assert open_table(str(folder), "two", None).origin["config"] == "two"


@pytest.mark.parametrize("name", ["numbers", "a/b/c", "hf://a/b", "", "../nowhere"])
def test_what_is_neither_folder_nor_repository_is_named(name):
    with pytest.raises(DataError, match=r"neither a folder nor OWNER/NAME|no usable data set"):
        open_table(name or "no set", None, None)


def test_without_the_extra_the_line_to_type_is_given(monkeypatch):
    monkeypatch.setattr(extras, "is_installed", lambda module: module != "datasets")
    with pytest.raises(ConfigError, match=r"pip install 'seq2seq-lab\[hf\]'"):
        open_table("a/b", None, None)
