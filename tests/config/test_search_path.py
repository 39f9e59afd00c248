"""Config files of one's own lie in folders that the command line names, and only there."""

import pickle
import sys

import pytest
from hydra.types import RunMode

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.config.compose import compose_config, session
from seq2seq_lab.config.job_command import job_command
from seq2seq_lab.config.launch import launch
from seq2seq_lab.config.overrides import check_overrides, refused_override
from seq2seq_lab.config.search_path import take_folders, with_config_dir
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.inference.decoding_choice import choose
from support.bad_input_files import assert_error_lines
from support.miniature_conf import write

MINE = "defaults: [tanh, _self_]\ndim: 13"


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    return write(tmp_path_factory.mktemp("search_path"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model of one's own, in an odd place below the working folder."""
    place = tmp_path / "it's, mine"
    (place / "model").mkdir(parents=True)
    (place / "model" / "mine.yaml").write_text(MINE)
    (place / "decoding").mkdir()
    (place / "decoding" / "wide.yaml").write_text("defaults: [beam, _self_]\nbeam_size: 9")
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def plain(folder):
    return folder.rename(folder.with_name("mine"))


@pytest.fixture
def command(conf, monkeypatch, capsys):
    """Launch a command line on the miniature conf; each job asks something of its config."""

    def run(*arguments, ask=lambda cfg: (cfg.model.dim, cfg.seed)):
        found = []
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", *arguments])
        code = launch(lambda cfg: found.append(ask(cfg)), conf)
        return code, found, capsys.readouterr().err

    return run


def test_the_flag_and_the_search_path_say_the_same(conf, folder, plain):
    absolute = f"hydra.searchpath=[file://{plain}]"
    for line in (with_config_dir("mine", []), [absolute], ["hydra.searchpath=[file://./mine]"]):
        assert compose_config([*line, "model=mine"], conf).model.dim == 13


def test_any_path_can_be_named(conf, folder):
    line = with_config_dir(str(folder), ["model=mine"])
    assert compose_config(line, conf).model.dim == 13


@pytest.mark.parametrize("first", ["--config-dir=mine", "hydra.searchpath=[file://./mine]"])
def test_it_holds_in_runs_and_in_the_jobs_of_sweeps(command, plain, first):
    assert command(first, "model=mine") == (0, [(13, 1)], "")
    line = ["-m", first, "model=mine,wide"] if first[0] == "-" else ["-m", "model=mine,wide", first]
    assert command(*line)[:2] == (0, [(13, 1), (7, 1)])


def test_the_files_of_two_folders_join(conf, plain, tmp_path):
    (tmp_path / "other" / "model").mkdir(parents=True)
    (tmp_path / "other" / "model" / "yours.yaml").write_text("defaults: [mine, _self_]\ndim: 14")
    line = [*with_config_dir("mine", []), "hydra.searchpath=[file://./other]", "model=yours"]
    assert compose_config(line, conf).model.dim == 14


def test_a_worker_of_a_launcher_composes_with_it(conf, plain):
    """Launchers send the loader to their workers as a pickle, and compose there."""
    further, rest = take_folders(["hydra.searchpath=[file://./mine]", "seed=3"])
    with session(str(conf), further=further) as opened:
        opened.mode = RunMode.MULTIRUN
        check_overrides(opened, rest)
        worker = pickle.loads(pickle.dumps(opened.loader))
        job = worker.load_sweep_config(opened.compose(rest), ["model=mine"])
    assert job.model.dim == 13


@pytest.mark.parametrize("places", [["hydra.searchpath=[file://./mine]"], ["-cd", "mine"]])
def test_the_command_of_one_job_has_it_too(command, plain, places):
    flags = [*filter(lambda text: "=[" not in text, places)]
    rest = [text for text in places if text not in flags]
    line = ["-m", *flags, *rest, "seed=2,3", "model=mine"]
    code, lines, _ = command(*line, ask=lambda cfg: job_command())
    kept = ["--config-dir=mine"] if flags else rest
    assert (code, lines[1]) == (
        0,
        ["python", "train.py", *kept, "seed=3", "model=mine", "hydra.mode=RUN"],
    )


REFUSED = [
    ("hydra.searchpath=[pkg://antigravity]", 7, "hydra.searchpath: may name folders only"),
    ("hydra={searchpath:[file://./mine]}", 7, "hydra.searchpath: must stay empty"),
    ("hydra.searchpath=[file://./nowhere]", 2, "file://./nowhere]: no such folder"),
    ("--config-dir=nowhere", 2, "--config-dir nowhere: no such folder"),
    ("experiment=search", 7, "search.yaml: hydra.searchpath adds folders"),
]


@pytest.mark.parametrize(("argument", "code", "text"), REFUSED, ids=[r[0] for r in REFUSED])
def test_anything_but_folders_is_refused(command, plain, argument, code, text):
    found, jobs, err = command("-m", argument)
    assert (found, jobs) == (code, []), err
    assert_error_lines(err)
    assert text in err
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "override",
    [
        "hydra.searchpath=['file://./mine','pkg://antigravity']",
        "hydra.searchpath=[structured://antigravity]",
        "hydra.searchpath=[mine]",
        "hydra.searchpath=file://./mine",
        "hydra.searchpath=[]",
        "hydra.searchpath=null",
        "hydra.searchpath=[file://./mine],[file://./mine]",
        "hydra.searchpath=[file://./mine",
        "hydra.searchpath=['file://${oc.env:HOME}']",
        "+hydra.searchpath=[file://./mine]",
        "++hydra.searchpath=[file://./mine]",
        "~hydra.searchpath",
    ],
)
def test_what_is_no_list_of_folders_stays_and_is_unsafe(plain, override):
    assert take_folders([override, "seed=1"]) == ([], [override, "seed=1"])
    refused = refused_override(override)
    assert refused is not None
    assert refused.is_unsafe


@pytest.mark.parametrize("place", ["file://", "file://./mine/model/mine.yaml", "file://mine\n"])
def test_a_folder_that_is_none_is_named(plain, place):
    with pytest.raises(ConfigError, match="no such folder"):
        take_folders([f"hydra.searchpath=['{place}']"])


def test_a_file_of_such_a_folder_adds_no_folder(command, plain):
    (plain / "experiment").mkdir()
    text = "# @package _global_\nhydra: {searchpath: ['file:///']}"
    (plain / "experiment" / "more.yaml").write_text(text)
    code, jobs, err = command("--config-dir=mine", "experiment=more")
    assert (code, jobs) == (7, [])
    assert "more.yaml: hydra.searchpath adds folders" in err


def test_a_file_that_would_be_hidden_is_refused(conf, plain):
    (plain / "model" / "wide.yaml").write_text(MINE)
    line = with_config_dir("mine", [])
    with pytest.raises(ConfigError, match=r"mine: model/wide is the name of a config of .*rename"):
        compose_config([*line, "model=wide"], conf)
    assert compose_config([*line, "model=mine"], conf).model.dim == 13


COMMANDS = {
    "doctor": ["--config-dir", "mine", "decoding=wide"],
    "equal-cost": ["--config-dir", "mine", "decoding=wide", "--like", "decoding=wide"],
    "tune": ["search", "--config-dir", "mine", "decoding=wide", "model.dim=int(2,4)"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_composes_takes_the_flag(name, plain, monkeypatch, capsys):
    composed = []

    def compose(overrides):
        composed.append((compose_config(overrides).decoding.beam_size, overrides[0]))
        raise ConfigError("that was all")

    for module in ("config.compose", "doctor.patient", "study.equal_cost"):
        monkeypatch.setattr(f"seq2seq_lab.{module}.compose_config", compose)
    assert carry_out([name, *COMMANDS[name]]) == 2
    assert capsys.readouterr().err == "error: that was all\n"
    assert composed == [(9, f"hydra.searchpath=[file://{plain}]")]


def test_a_trained_model_decodes_by_a_file_of_ones_own(plain):
    stored = {"_target_": "seq2seq_lab.decoding.greedy.Greedy", "max_ratio": 3.0}
    place = with_config_dir("mine", [])
    assert choose(stored, place) is stored
    chosen = choose(stored, [*place, "decoding=wide"])
    assert (chosen["beam_size"], chosen["max_ratio"]) == (9, 3.0)
