"""Packages of other people: who is trusted, what a config may name of them, how their arguments are checked."""

import ast
import json
import os
import re
import sys
from pathlib import Path

import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose, compose_config, conf_dir
from seq2seq_lab.config.extension import take_flags, with_flags
from seq2seq_lab.config.extension_registry import VARIABLE, activate, extensions, used
from seq2seq_lab.config.extension_source import NEVER
from seq2seq_lab.config.loader import YamlSource
from seq2seq_lab.config.signature import signature_of
from seq2seq_lab.errors import ConfigError, UserError
from seq2seq_lab.metrics.table import METRICS, lower_is_better
from support.extension_packages import MY_LAB, declare, install, on_path, write

ROOT = Path(__file__).resolve().parents[2]
SHARP = ["experiment=my_study", "data.corpus.num_train=20"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where my_lab is installed."""
    place = tmp_path_factory.mktemp("site")
    install(place)
    return place


@pytest.fixture
def my_lab(folder):
    with on_path(folder):
        yield folder / "my_lab"


def mistake(overrides, **flags) -> tuple[int, str]:
    with pytest.raises(UserError) as found:
        check(compose_config(overrides), **flags)
    return found.value.exit_code, str(found.value)


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
        assert with_flags(["a=1"]) == ["a=1", "--extension", str(package)]
        assert sys.path[-1] == str(tmp_path)  # last: what lies beside it hides nothing
        assert compose_config(SHARP).name == "my_study"


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


# what a config may name, and its arguments


def test_arguments_of_our_constructor_are_inherited_and_checked(my_lab):
    found = signature_of("my_lab.attention.SharpAttention")
    assert list(found.arguments) == ["query_dim", "memory_dim", "dim", "normalizer", "sharpness"]
    assert not found.is_open  # **others goes to a constructor of ours
    assert found.arguments["dim"].required
    for override, code, message in (
        ("+model.decoder.attention.shapness=1", 2, "did you mean model.decoder.attention.sharpness?"),
        ("+model.decoder.attention.temperature=1", 2, "temperature: no such key"),
        ("model.decoder.attention.sharpness=high", 2, "expected float, got 'high'"),
        ("+model.decoder.attention.normalizer={_target_: seq2seq_lab.model.cell.GruCell}", 2, "Normalizer"),
        ("model.decoder.attention.sharpness=-1", 2, "sharpness=-1: must be > 0; use sharpness=2"),
        ("model.decoder.attention._target_=my_lab.attention.SharpAtention", 2, "did you mean SharpAttention?"),
        ("model.decoder.attention._target_=my_lab.data.Twice", 2, "expected a Attention"),
    ):  # fmt: skip
        found_code, text = mistake([*SHARP, override])
        assert (found_code, message in text) == (code, True), text


BASES = {
    "import seq2seq_lab.model.attention as a": "a.AdditiveAttention",
    "import seq2seq_lab.model.attention": "seq2seq_lab.model.attention.AdditiveAttention",
    "from seq2seq_lab.model import attention": "attention.AdditiveAttention",
    "from seq2seq_lab.model.attention import AdditiveAttention": "AdditiveAttention",
    "from seq2seq_lab.model.attention import AdditiveAttention as Own": "Own",  # class Own(Own)
    "from base_lab.here import Again": "Again",
}


@pytest.mark.parametrize("line", BASES)
def test_a_base_is_found_however_it_is_imported(tmp_path, line):
    write(
        tmp_path,
        {
            "__init__.py": "from . import here, own",
            "here.py": "from seq2seq_lab.model.attention import AdditiveAttention as Again",
            "own.py": f"{line}\nclass Own({BASES[line]}):\n    pass\n",
        },
        "base_lab",
    )
    with on_path():
        take_flags(["--extension", str(tmp_path / "base_lab")])
        found = signature_of("base_lab.own.Own").arguments
        assert list(found) == ["query_dim", "memory_dim", "dim", "temperature", "normalizer"]
        target = "model.decoder.attention._target_=base_lab.own.Own"
        check(compose_config(["data=copy", target, "+model.decoder.attention.dim=4"]))


def test_dataclasses_inherit_fields_across_packages_and_circles_end(tmp_path):
    write(
        tmp_path,
        {
            "__init__.py": "from ring_lab import other",
            "other.py": "from ring_lab.own import Nothing",
            "own.py": """
                from dataclasses import dataclass
                from ring_lab.other import Nothing
                from seq2seq_lab.data.length_filter import LengthFilter

                @dataclass
                class Shorter(LengthFilter):
                    share: float = 0.5

                class Lost(Nothing):
                    pass
            """,
        },
        "ring_lab",
    )
    with on_path():
        take_flags(["--extension", str(tmp_path / "ring_lab")])
        found = list(signature_of("ring_lab.own.Shorter").arguments)
        assert found == [
            *signature_of("seq2seq_lab.data.length_filter.LengthFilter").arguments,
            "share",
        ]
        assert signature_of("ring_lab.own.Lost").arguments == {}


def test_loggers_and_callbacks_are_of_their_kind_by_what_they_derive_from(my_lab):
    logger = "training.logger={_target_: my_lab.watch.MyLogger, save_dir: x}"
    plain = [*SHARP, "~training/logger", "+training/callback=counter", f"+{logger}"]
    check(compose_config(plain), with_lightning=True)
    _, text = mistake([*SHARP, "training.callback.bleu={_target_: my_lab.data.Twice}"])
    assert "expected a Callback or one that derives from it, got Twice" in text
    _, text = mistake([*plain, "+training.logger.naem=x"])
    assert "did you mean training.logger.name?" in text
    _, text = mistake([*SHARP, "training.loss={_target_: my_lab.watch.Counter}"])
    assert "expected a class of seq2seq_lab.training.loss or one that derives from it" in text


def test_what_a_module_raises_at_its_import_is_one_line(tmp_path):
    lines = "from seq2seq_lab.data.synthetic import Copy\nimport nowhere_at_all\nclass Own(Copy):\n    pass\n"
    write(tmp_path, {"own.py": lines}, "sick_lab")
    with on_path():
        take_flags(["--extension", str(tmp_path / "sick_lab")])
        code, text = mistake(["data=copy", "data.corpus._target_=sick_lab.own.Own"])
        assert (code, "sick_lab.own" in text and "nowhere_at_all" in text) == (2, True), text


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
