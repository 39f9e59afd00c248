import tomllib
from pathlib import Path

import pytest

from seq2seq_lab.study import content_hash as module
from seq2seq_lab.study.content_hash import code_hash, content_hash, data_version
from support.extension_packages import MY_LAB, install, on_path

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = {
    "seed": 1,
    "torch_threads": 1,
    "run_dir": "a",
    "traceback": False,
    "study": "s",
    "study_dir": None,
    "training": {"logger": {"mode": "offline"}, "seed": 3},
    "model": {"dim": 7},
    "data": {"corpus": {"_target_": "x", "path": None, "source_language": "en"}},
}


def on(path):
    return {**CONFIG, "data": {"corpus": {**CONFIG["data"]["corpus"], "path": str(path)}}}


@pytest.mark.parametrize(
    "change",
    [
        {"run_dir": "b"},
        {"traceback": True},
        {"study": "t"},
        {"study_dir": "c"},
        {"training": {"logger": None, "seed": 3}},
    ],
)
def test_where_a_run_is_recorded_is_not_part_of_the_content_hash(change):
    assert content_hash({**CONFIG, **change}) == content_hash(CONFIG)


def test_source_and_version_of_the_extensions_that_a_config_names_are_part_of_it(tmp_path):
    mine = {**CONFIG, "model": {"_target_": "my_lab.attention.SharpAttention"}}
    plain, before = content_hash(CONFIG), content_hash(mine)
    seen = {before}
    newer = {**MY_LAB, "conf/data/twice.yaml": "a: 1"}
    for name, files, version in (("a", MY_LAB, "0.1"), ("b", MY_LAB, "0.2"), ("c", newer, "0.1")):
        install(tmp_path / name, files, version=version)
        with on_path(tmp_path / name):
            assert content_hash(CONFIG) == plain  # one that is only installed changes nothing
            logs = {
                **CONFIG,
                "training": {"logger": {"_target_": "my_lab.watch.MyLogger"}, "seed": 3},
            }
            assert content_hash(logs) == plain  # nor does one that only records
            assert content_hash(mine) not in seen
            seen.add(content_hash(mine))


@pytest.mark.parametrize("change", [{"seed": 2}, {"model": {"dim": 8}}, {"torch_threads": 2}])
def test_what_a_run_computes_is_part_of_the_content_hash(change):
    assert content_hash({**CONFIG, **change}) != content_hash(CONFIG)


def test_the_order_of_keys_is_not_part_of_the_content_hash():
    assert content_hash(dict(reversed(CONFIG.items()))) == content_hash(CONFIG)


@pytest.mark.parametrize("is_folder", [False, True])
def test_the_text_of_the_data_is_part_of_the_content_hash(tmp_path, is_folder):
    file = tmp_path / "train.tsv"
    file.write_text("a\tb\n")
    config = on(tmp_path if is_folder else file)
    before = content_hash(config)
    assert list(data_version(config)) == [str(file)]
    assert content_hash(config) == before
    file.write_text("a\tc\n")
    assert content_hash(config) != before


@pytest.mark.parametrize("place", ["~/mine", "~/mine/inner/train.tsv", "~nobody-at-all/mine"])
def test_data_below_the_home_and_in_inner_folders_are_part_of_it(place, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "mine" / "inner" / "train.tsv"
    hidden = tmp_path / "mine" / ".git" / "index"
    for one in (file, hidden):
        one.parent.mkdir(parents=True)
        one.write_text("a\tb\n")
    is_there = "nobody" not in place
    assert list(data_version(on(place))) == [str(file)] * is_there
    before = content_hash(on(place))
    file.write_text("a\tc\n")
    assert (content_hash(on(place)) != before) == is_there


def test_planted_hash_without_the_data_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "data_version", lambda config: {})
    with pytest.raises(AssertionError):
        test_the_text_of_the_data_is_part_of_the_content_hash(tmp_path, is_folder=False)


def test_a_folder_named_like_a_language_is_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "a.txt").write_text("a")
    assert data_version(CONFIG) == {}


def test_the_code_is_part_of_the_content_hash(tmp_path, monkeypatch):
    package = tmp_path / "src" / "lab"
    for folder in ("study", "commands", "doctor", "report", "testing", "model/report"):
        (package / folder).mkdir(parents=True)
    (package / "study" / "content_hash.py").write_text("")
    monkeypatch.setattr(module, "__file__", str(package / "study" / "content_hash.py"))
    seen = [code_hash()]
    for path, text in (
        (package / "new.py", "x = 1"),
        (package / "new.py", "x = 22"),
        (package / "table.tsv", "a"),
        (package / "commands" / "train.py", "x = 1"),
        (package / "model" / "report" / "new.py", "x = 1"),
    ):
        path.write_text(text)
        seen.append(code_hash())
    assert len(set(seen)) == 6
    for name in ("README.md", "train.py"):  # it runs the package's own program
        (tmp_path / name).write_text("words")
    for place in (
        "__main__.py",
        "commands/report.py",
        "doctor/new.py",
        "report/new.py",
        "testing/new.py",
    ):
        (package / place).write_text("x = 1")
    assert code_hash() == seen[-1]


def test_what_the_content_hash_leaves_out_are_the_layers_above_training():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    above = layers[: layers.index("study | training")]
    names = {name.strip() for layer in above for name in layer.split("|")}
    assert names == {name.removesuffix(".py") for name in module._ABOVE_TRAINING}


def test_the_version_of_torch_is_part_of_the_content_hash(monkeypatch):
    before = content_hash(CONFIG)
    monkeypatch.setattr(module, "_versions", lambda: {"torch": "0.1"})
    assert content_hash(CONFIG) != before
