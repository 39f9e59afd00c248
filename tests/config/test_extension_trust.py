"""Tries to gain trust by what is written in configs: each is refused with exit code 7, and nothing of it runs."""

import copy
import sys

import pytest
from omegaconf import OmegaConf

from seq2seq_lab.config import rules
from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.config.dry_run import find_problems
from seq2seq_lab.config.extension import take_flags
from seq2seq_lab.config.launch import launch
from seq2seq_lab.config.problems import raise_problems
from seq2seq_lab.config.resolve import resolve
from seq2seq_lab.config.rules import RULES
from seq2seq_lab.errors import UserError
from support.extension_packages import install, on_path, write

EVIL = "evil_lab"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A trusted my_lab, and beside it evil_lab, which is nobody's and writes `mark` once it is imported."""
    folder = tmp_path_factory.mktemp("trust")
    install(folder)
    code = f"""
        from pathlib import Path
        Path({str(folder / "mark")!r}).touch()
        from seq2seq_lab.data.synthetic import Copy
        METRICS = {{}}
        class Evil(Copy):
            def __init__(self, **others):
                super().__init__(**others)
    """
    write(folder, {"__init__.py": code, "conf/data/evil.yaml": "a: 1"}, EVIL)
    return folder


@pytest.fixture(autouse=True)
def nothing_runs(place, monkeypatch):
    monkeypatch.chdir(place)
    with on_path(place):
        yield
        assert EVIL not in sys.modules
    assert not (place / "mark").exists()


@pytest.fixture(scope="module")
def sound(place):
    """A sound config, its interpolations as they are and resolved."""
    with on_path(place):
        cfg = compose_config(["data=copy", "training/logger=csv"])
        return OmegaConf.to_container(cfg, resolve=False), resolve(cfg)


def with_target(sound, keys, target):
    """Let a node of the config name another class, and check it."""
    raw, plain = copy.deepcopy(sound)
    for node in (raw, plain):
        for key in keys:
            node = node[key]
        node["_target_"] = target
    raise_problems(find_problems(raw, plain, RULES))


# what a `_target_` may name, wherever it is written

TARGETS = [
    "evil_lab.Evil",
    "os.system",
    "subprocess.Popen",
    "my_lab.attention.system",
    "my_lab.attention.os.system",
    "my_lab.attention.subprocess.Popen",
    "my_lab.attention.Shell",
    "my_lab.attention.make",
    "my_lab.attention._Hidden",
    "my_lab.attention.AdditiveAttention",
    "my_lab.attention.attention",
    "my_lab.attention.SharpAttention.__init__",
    "my_lab.attention.__builtins__.exec",
    "my_lab.__main__.Evil",
    "my_lab.conf.Evil",
    "my_lab..attention.SharpAttention",
    "my_lab/../evil_lab.Evil",
    "my_lab.METRICS",
    "my_lab",
    "my_lab_.Evil",
    "MY_LAB.attention.SharpAttention",
    "seq2seq_lab_evil.Evil",
]
PLACES = [("data", "corpus"), ("model",), ("training", "callback", "bleu")]


def is_refused(sound, target):
    for keys in PLACES if target == TARGETS[0] else PLACES[:1]:
        with pytest.raises(UserError) as found:
            with_target(sound, keys, target)
        assert found.value.exit_code == 7, found.value
        assert "refused" in str(found.value)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_of_nobody_that_is_trusted(sound, target):
    is_refused(sound, target)


# what acts before any check: Hydra's settings, interpolations, files of the command line and of extensions

YAML = {
    "target": "# @package _global_\ndata: {corpus: {_target_: evil_lab.Evil}}",
    "by_parts": "# @package _global_\nname: evil_lab\ndata: {corpus: {_target_: '${name}.Evil'}}",
    "environment": "# @package _global_\ndata: {corpus: {_target_: '${oc.env:HOME}'}}",
    "searchpath": "# @package _global_\nhydra: {searchpath: ['pkg://evil_lab.conf']}",
    "variable": "# @package _global_\nhydra: {job: {env_set: {SEQ2SEQ_LAB_EXTENSIONS: '{}'}}}",
    "callback": "# @package _global_\nhydra: {callbacks: {x: {_target_: evil_lab.Evil}}}",
    "python": "# @package _global_\nname: !!python/object/apply:evil_lab.Evil []",
    "sweep": (
        "# @package _global_\nstudy: evil\nhydra: {mode: MULTIRUN, sweeper: {params: "
        "{data.corpus._target_: 'evil_lab.Evil,seq2seq_lab.data.synthetic.Copy'}}}"
    ),
}  # fmt: skip
LINES = {
    "an override": ["data.corpus._target_=evil_lab.Evil"],
    "a new node": ["+training.callback.x={_target_: evil_lab.Evil}"],
    "the search path": ["hydra.searchpath=[pkg://evil_lab.conf]"],
    "a variable that is set": ["+hydra.job.env_set.SEQ2SEQ_LAB_EXTENSIONS='{}'"],
    "the environment": ["name=${oc.env:SEQ2SEQ_LAB_EXTENSIONS}"],
    "a sweeper": ["-m", "hydra.sweeper._target_=evil_lab.Evil"],
    "a log handler": ["+hydra.job_logging.handlers.x.class=my_lab.watch.Counter"],
}


def run(line, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["train.py", *line])
    code = launch(lambda cfg: check(cfg))
    return code, capsys.readouterr().err


@pytest.mark.parametrize("name", LINES)
def test_a_command_line(name, monkeypatch, capsys):
    code, told = run([*LINES[name], "data=copy"], monkeypatch, capsys)
    assert code == 7, told
    assert "refused" in told


@pytest.mark.parametrize("name", YAML)
def test_an_experiment_of_a_folder_that_the_command_line_names(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / f"{name}.yaml").write_text(YAML[name])
    line = ["--config-dir", str(tmp_path), "data=copy", f"experiment={name}"]
    code, told = run(line, monkeypatch, capsys)
    assert code == 7, told
    assert "refused" in told or "broken YAML" in told


@pytest.mark.parametrize("name", ["target", "searchpath"])
def test_a_yaml_file_of_a_trusted_extension(name, tmp_path, monkeypatch, capsys):
    files = {"__init__.py": "", f"conf/experiment/{name}.yaml": YAML[name]}
    install(tmp_path, files, "sly_lab", distribution="sly-lab")
    with on_path(tmp_path):
        code, told = run(["data=copy", f"experiment={name}"], monkeypatch, capsys)
    assert code == 7, told


def test_a_config_has_no_key_that_names_an_extension(monkeypatch, capsys):
    line = ["data=copy", "+extensions=[evil_lab]", "data.corpus._target_=evil_lab.Evil"]
    for _ in line[:1]:
        code, told = run(line, monkeypatch, capsys)
        assert code in {2, 7}, told  # 2: there is no such key either
        assert "evil_lab.Evil is not on the list" in told


# planted bug


def test_planted_trust_in_what_an_extension_imports_is_caught(sound, monkeypatch):
    monkeypatch.setattr(rules, "extension_problem", lambda target, path: None)
    with pytest.raises(AssertionError):
        is_refused(sound, "my_lab.attention.os.system")


def test_the_flag_alone_grants_what_the_tries_ask_for(place, sound):
    """The tries fail for want of trust and not of something else."""
    take_flags(["--extension", str(place / EVIL)])
    with_target(sound, ("data", "corpus"), "evil_lab.Evil")
    assert sys.modules.pop(EVIL) is not None
    (place / "mark").unlink()
    compose_config(["data=evil"])
