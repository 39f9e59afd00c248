"""Packages of other people: who is trusted, what a config may name of them, how their arguments are checked."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config, conf_dir
from seq2seq_lab.config.extension import take_flags
from seq2seq_lab.config.extension_registry import VARIABLE, activate, extensions, used
from seq2seq_lab.config.extension_source import NEVER
from seq2seq_lab.config.loader import YamlSource
from seq2seq_lab.config.signature import signature_of
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.metrics.table import METRICS, lower_is_better
from support.extension_packages import MY_LAB, SHARP, declare, install, mistake, on_path, write

ROOT = Path(__file__).resolve().parents[2]


# what is trusted


def test_an_installed_package_is_found_and_nothing_of_it_is_imported(my_lab):
    (found,) = extensions().values()
    assert (found.name, found.version, found.distribution) == ("my_lab", "0.1", "my-lab")
    assert (found.root, found.conf) == (my_lab, my_lab / "conf")
    assert compose_config(SHARP).model.decoder.attention.sharpness == 3
    assert "my_lab" not in sys.modules


def test_a_package_that_declares_nothing_is_not_trusted(tmp_path):
    write(tmp_path, MY_LAB)
    with on_path(tmp_path):
        assert extensions() == {}
        assert mistake(["experiment=my_study"])[0] == 2
        target = "data.corpus._target_=my_lab.data.Twice"
        assert mistake(["data=copy", target])[0] == 7


WRONG = {
    "os": "os is a module of Python itself",
    "subprocess": "subprocess is a module of Python itself",
    "torch": "torch is a package that seq2seq-lab uses",
    "seq2seq_lab": "seq2seq_lab is seq2seq-lab itself",
    "hydra_plugins": "hydra_plugins is a package that seq2seq-lab uses",
    "torch.optim": "name the top-level package, as in 'torch'",
    "my_lab.attention": "name the top-level package, as in 'my_lab'",
    "my_lab:main": "name the top-level package, as in 'my_lab'",
    "not_there": "there is no package not_there",
    "_private": "_private is private",
    "iniconfig": "iniconfig is no part of it",
}


@pytest.mark.parametrize("value", WRONG)
def test_a_declaration_that_cannot_be_trusted_is_one_line(tmp_path, capsys, value):
    declare(tmp_path, value, distribution="sly", owns="sly")
    with on_path(tmp_path):
        assert extensions() == {}
        assert extensions() == {}
    told = capsys.readouterr().err
    assert (
        told
        == f"warning: extension sly of sly 0.1 is not trusted: {told.partition('trusted: ')[2]}"
    )
    assert WRONG[value] in told
    assert told.count("\n") == 1


def test_nothing_that_seq2seq_lab_imports_can_be_an_extension():
    files = sorted((ROOT / "src").rglob("*.py"))
    lines = [line for file in files for line in ast.walk(ast.parse(file.read_bytes()))]
    modules = [line.module for line in lines if isinstance(line, ast.ImportFrom) and line.module]
    modules += [a.name for line in lines if isinstance(line, ast.Import) for a in line.names]
    assert {m.partition(".")[0] for m in modules} - NEVER - set(sys.stdlib_module_names) == set()


# flags


def test_a_flag_is_taken_out_and_told_to_child_processes(tmp_path):
    package = write(tmp_path, MY_LAB)
    with on_path():
        line = ["a=1", "--extension", str(package), f"--extension={package}", "--", "--extension"]
        assert take_flags(line) == ["a=1", "--", "--extension"]
        assert extensions()["my_lab"].is_flag
        assert json.loads(os.environ[VARIABLE]) == {"process": os.getpid(), "paths": [str(package)]}
        assert str(tmp_path) not in sys.path  # what lies beside it is not trusted
        assert compose_config(SHARP).name == "my_study"


def test_a_child_process_trusts_what_its_parent_was_told_and_warns_of_nothing(tmp_path):
    package = write(tmp_path / "given", MY_LAB)
    declare(tmp_path / "site", "os", distribution="sly")
    code = "from seq2seq_lab.config.extension_registry import *; print(*extensions(), flagged_paths()[0])"
    places = os.pathsep.join([str(ROOT / "src"), str(tmp_path / "site")])
    with on_path():
        take_flags(["--extension", str(package)])
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": places},
            capture_output=True,
            text=True,
            check=True,
        )
    assert (done.stdout.split(), done.stderr) == (["my_lab", str(package)], "")


def test_a_folder_without_init_is_a_package_too(tmp_path):
    package = write(tmp_path, {"attention.py": MY_LAB["attention.py"]}, "plain_lab")
    with on_path():
        take_flags(["--extension", str(package)])
        assert signature_of("plain_lab.attention.SharpAttention").arguments["dim"].required
        target = "model.decoder.attention._target_=plain_lab.attention.SharpAttention"
        keys = ("+model.decoder.attention.dim=4", "~model.decoder.attention.temperature")
        check(compose_config(["data=copy", target, *keys]))


REFUSED_FLAGS = {
    "nothing.py": (None, "no such file or folder"),
    "notes.txt": ("", "no Python file"),
    "my-lab.py": ("", "my-lab cannot be the name of a module; rename it"),
    "class.py": ("", "class cannot be the name of a module"),
    "random.py": ("", "the name random is a module of Python itself"),
    "torch.py": ("", "the name torch is a package that seq2seq-lab uses"),
    "seq2seq_lab.py": ("", "the name seq2seq_lab is seq2seq-lab itself"),
    "iniconfig.py": ("", "another module has this name"),
    "broken_lab.py": ("def f(:\n", "broken_lab.py:1: not Python"),
    "odd_lab.py": ("x = '\0'\n", "not Python"),
    "__init__.py": ("", "name the folder of the package"),
}


@pytest.mark.parametrize("name", REFUSED_FLAGS)
def test_a_flag_that_names_no_extension_is_refused_with_what_to_do(tmp_path, name):
    text, message = REFUSED_FLAGS[name]
    if text is not None:
        (tmp_path / name).write_text(text)
    with on_path(), pytest.raises(ConfigError, match=re.escape(message)):
        take_flags(["--extension", str(tmp_path / name)])


def test_a_flag_without_a_path_an_empty_folder_and_two_of_one_name_are_refused(tmp_path):
    one, other = (write(tmp_path / part, {"a.py": ""}, "same_lab") for part in "ab")
    with on_path():
        for line, message in (
            (["--extension"], "needs a file or folder"),
            (["--extension", str(tmp_path)], "no Python file in this folder"),
            (["--extension", str(one), "--extension", str(other)], "has the same name"),
        ):
            with pytest.raises(ConfigError, match=message):
                take_flags(line)


# conf folders


def test_an_option_that_ours_or_another_has_is_refused(folder, tmp_path):
    files = {"__init__.py": "", "conf/model/attention/sharp.yaml": "dim: 1"}
    install(tmp_path / "b", files, "other_lab", distribution="other-lab")
    with (
        on_path(folder, tmp_path / "b"),
        pytest.raises(ConfigError, match=r"sharp.yaml: my_lab has"),
    ):
        compose_config([])
    files = {"__init__.py": "", "conf/model/gru.yaml": "dim: 1"}
    install(tmp_path / "c", files, "third_lab", distribution="third-lab")
    with on_path(tmp_path / "c"), pytest.raises(ConfigError, match=r"gru.yaml: seq2seq-lab has"):
        compose_config([])


def test_options_lie_behind_ours_and_are_read_by_the_same_reader(my_lab):
    from seq2seq_lab.config.compose import session

    with session(str(conf_dir())) as opened:
        sources = [s for s in opened.repository.get_sources() if s.scheme() == "file"]
        assert [s.path for s in sources] == [str(conf_dir()), str(my_lab / "conf")]
        assert all(isinstance(s, YamlSource) for s in sources)
        assert {"sharp", "additive"} <= set(opened.options("model/attention"))


# which runs use it


def test_only_what_the_config_names_belongs_to_a_run(my_lab):
    assert used(compose(["data=copy"])) == {}
    assert list(used(compose(SHARP))) == ["my_lab"]
    before = {**METRICS}
    activate(compose(["data=copy"]))
    assert "first_word" not in METRICS
    activate(compose(SHARP))
    assert {name: row for name, row in METRICS.items() if name != "first_word"} == before
    assert METRICS["first_word"].corpus(["a b", "c"], ["a", "d"]).value == 50
    assert not lower_is_better("val/first_word")
    check(compose_config([*SHARP, "data.monitor=val/first_word"]), with_lightning=True)
    _, text = mistake(["data=copy", "data.monitor=val/first_word"], with_lightning=True)
    assert "no validation measures this" in text


def test_metrics_of_a_flag_count_and_what_an_extension_imports_belongs_to_the_run(tmp_path, folder):
    rows = {"__init__.py": MY_LAB["metric.py"].replace("first_word", "first_again")}
    write(tmp_path, rows, "metric_lab")
    user = {"own.py": "from my_lab.data import Twice\nclass Mine(Twice):\n    pass\n"}
    write(tmp_path, user, "user_lab")
    with on_path(folder):
        take_flags([f"--extension={tmp_path / name}" for name in ("metric_lab", "user_lab")])
        assert list(used(compose(["data=copy"]))) == ["metric_lab"]
        config = compose(["data=copy", "data.corpus._target_=user_lab.own.Mine"])
        assert list(used(config)) == ["metric_lab", "my_lab", "user_lab"]
        activate(config)
        assert {"first_word", "first_again"} <= set(METRICS)


def test_a_metric_that_ours_has_already_is_refused(tmp_path):
    text = MY_LAB["metric.py"].replace("first_word", "bleu")
    write(tmp_path, {"__init__.py": text}, "bleu_lab")
    with on_path():
        take_flags([f"--extension={tmp_path / 'bleu_lab'}"])
        activate({})
        with pytest.raises(ConfigError, match="there is a metric of this name already"):
            list(METRICS)
