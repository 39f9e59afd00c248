import os
import subprocess
import sys
from pathlib import Path

import hydra
import pytest

from seq2seq_lab.config.check import check
from seq2seq_lab.config.launch import launch
from seq2seq_lab.errors import DataError
from support.bad_input_files import assert_error_lines
from support.miniature_conf import RULES, write


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("launch")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(folder)
    patch.chdir(folder)
    yield write(folder)
    patch.undo()
    for name in [n for n in sys.modules if n.split(".")[0] == "minilab"]:
        del sys.modules[name]


@pytest.fixture
def command(conf, monkeypatch, capsys):
    def run(*arguments, main=None):
        def checked(cfg):
            check(cfg, RULES)

        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        code = launch(main or checked, conf)
        return code, capsys.readouterr().err

    return run


# Hydra's own settings would run or write these before any check of ours
REFUSED_SETTINGS = [
    ("hydra.run.dir=EVIL", "hydra.run.dir: EVIL would write elsewhere; use run_dir=PATH"),
    ("hydra.run.dir=${nope}", "hydra.run.dir: ${nope} would write elsewhere"),
    ("hydra={run:{dir:EVIL}}", "hydra.run.dir: EVIL would write elsewhere"),
    ("hydra.sweep.dir=/EVIL", "hydra.sweep.dir: /EVIL would write elsewhere"),
    ("hydra.output_subdir=EVIL", "hydra.output_subdir: EVIL would write elsewhere"),
    ("+hydra.job.env_set.LD_PRELOAD=x", "hydra.job.env_set: must stay empty"),
    ("hydra.job.env_copy=[HOME]", "hydra.job.env_copy: must stay empty"),
    ("hydra.job.chdir=true", "hydra.job.chdir: must stay empty"),
    ("hydra/job_logging=default", "would be written"),
    ("+hydra.job_logging.handlers.x.class=logging.FileHandler", "logging.FileHandler may not be run"),
    ("+hydra.job_logging.handlers.x={class: logging.StreamHandler, stream: 'ext://os.x'}", "ext://os.x is no stream"),
    ("hydra.searchpath=[pkg://antigravity]", "hydra.searchpath: may name folders only"),
    ("hydra.sweeper._target_=subprocess.Popen", "subprocess.Popen may not be run"),
    ("hydra.launcher._target_=os.system", "os.system may not be run"),
    ("experiment=search", "search.yaml: hydra.searchpath adds folders"),
    ("experiment=folder", "hydra.run.dir: EVIL would write elsewhere"),
]  # fmt: skip
BAD = [
    ("model=lsmt", 2, "model=lsmt: no such option; available: tanh, wide"),
    ("model=wied", 2, "model=wied: no such option; did you mean wide? available: tanh, wide"),
    ("model=null", 2, "model=null: no such option"),
    ("model/attention=dto", 2, "did you mean dot?"),
    ("model=wide,tanh", 2, "several values need -m"),
    ("modle=wide", 2, "modle=wide: no such group or key; did you mean model?"),
    ("model.dmi=3", 2, "model.dmi=3: no such group or key; did you mean model.dim?"),
    ("data.corpsu.pairs=1", 2, "did you mean data.corpus?"),
    ("lr=0.1", 2, "did you mean training.optimizer.lr?"),
    ("model/dim=3", 2, "did you mean model.dim?"),
    ("training.optimizer=sgd", 2, "training.optimizer is a group; write training/optimizer=sgd"),
    ("+model.dim=3", 2, "model.dim exists already; write model.dim=3"),
    ("+modle=wide", 2, "modle: no such key; did you mean model?"),
    ("~zzz", 2, "nothing to delete"),
    ("model", 2, "an override is KEY=VALUE; write model=VALUE"),
    ("model.dim=[1", 2, "cannot be read as KEY=VALUE"),
    ("=3", 2, "no such group or key"),
    ("--halp", 2, "unrecognized arguments: --halp; did you mean --help?"),
    ("--trainer.max_epochs=3", 2, "settings have no dashes, write training.trainer.max_epochs=3"),
    ("--ckpt_path", 2, "settings have no dashes, write resume=VALUE"),
    ("+trainer.max_epochs=3", 2, "trainer: no such key; did you mean training.trainer?"),
    ("--cfg=jbo", 2, "invalid choice: 'jbo'"),
    ("--config-name=trian", 2, "Cannot find primary config 'trian'"),
    ("--experimental-rerun=x.pickle", 7, "would unpickle"),
    ("experiment=goood", 2, "did you mean good?"),
    ("experiment=lost", 2, "model=lsmt: no such option"),
    ("experiment=broken", 2, "broken.yaml:4: broken YAML"),
    ("experiment=tag", 7, "tag.yaml:2: broken YAML"),
    ("experiment=evil", 7, "hydra.callbacks.x._target_: builtins.open may not be run"),
    ("+hydra.callbacks.x._target_=os.system", 7, "os.system may not be run"),
    ("hydra.verbose=${nope}", 2, "hydra.verbose: ${nope}: expected true"),
    ("hydra.verbose=3", 2, "hydra.verbose: 3: expected true"),
    ("hydra.verbose=[[]]", 2, "hydra.verbose: [[]]: expected true"),
    ("--config-path=.", 2, "add a folder of your own by --config-dir"),
    *((line, 7, text) for line, text in REFUSED_SETTINGS),
    ("model.dim=x", 2, "model.dim: expected int, got 'x'"),
    ("+model.cell.dmi=3", 2, "did you mean model.cell.dim?"),
    ("model.cell._target_=os.system", 7, "os.system is not on the list"),
]


def test_a_sweep_of_one_run_is_refused(command):
    code, err = command("-m", "hydra.mode=RUN")
    assert (code, err.count("\n")) == (2, 1)
    assert "leave one of them out" in err


@pytest.mark.parametrize(("argument", "code", "text"), BAD, ids=[b[0] for b in BAD])
def test_a_mistake_ends_with_its_error_lines(command, conf, argument, code, text):
    found, err = command(argument)
    assert found == code, err
    assert_error_lines(err)
    assert text in err
    assert not (conf.parent / "EVIL").exists()
    assert not (conf.parent / "TAG").exists()
    assert "antigravity" not in sys.modules


def test_all_mistakes_of_a_command_line_come_together(command):
    code, err = command("model=wied", "model.dmi=3", "data.corpsu.pairs=1", "modle=x", "seed")
    assert code == 2
    first, *lines = err.splitlines()
    assert first == "error: 5 problems:"
    named = [line.partition(": ")[0] for line in lines]
    assert sorted(named) == [
        f"  {x}"
        for x in sorted(("model=wied", "model.dmi=3", "data.corpsu.pairs=1", "modle=x", "seed"))
    ]


def test_no_text_of_the_user_begins_a_line(command):
    _, err = command("sed='a\nerror: 0 problems'", "model.dmi='\x1b[2J\r\n  x: fine'", "name=[")
    assert_error_lines(err)
    assert err.startswith("error: 3 problems:\n")


def test_a_sound_run_ends_with_zero(command):
    assert command("model=wide") == (0, "")


def test_a_decorated_main_is_accepted(command, conf):
    main = hydra.main(version_base="1.3", config_path=str(conf), config_name="train")(
        lambda cfg: None
    )
    assert command(main=main) == (0, "")


def test_an_error_of_the_job_keeps_its_exit_code(command):
    def main(cfg):
        raise DataError("a.txt:3: empty")

    assert command(main=main) == (3, "error: a.txt:3: empty\n")


def test_our_own_bug_shows_its_traceback(command):
    code, err = command(main=lambda cfg: 1 / 0)
    assert code == 1
    assert "Traceback" in err
    assert "bug of seq2seq-lab" in err


def test_a_traceback_comes_when_asked_for(command):
    code, err = command("traceback=true", "model.dim=x")
    assert code == 2
    assert "Traceback" in err


def test_an_interrupt_ends_with_130(command):
    def main(cfg):
        raise KeyboardInterrupt

    assert command(main=main) == (130, "interrupted\n")


def test_a_failed_job_of_a_sweep_does_not_stop_the_others(command):
    seen = []

    def main(cfg):
        seen.append(cfg.seed)
        if cfg.seed == 2:
            raise DataError("no data")

    code, err = command("-m", "seed=1,2,3", main=main)
    assert seen == [1, 2, 3]
    assert code == 8
    lines = err.splitlines()
    assert lines == [
        "error: no data",
        "error: 2 of 3 runs finished; failed: seed=2: no data",
    ]


def test_a_sweep_over_an_unknown_option_starts_no_job(command):
    code, err = command("-m", "model=tanh,wied", main=lambda cfg: pytest.fail("started"))
    assert code == 2
    assert "model=wied: no such option; did you mean wide?" in err


def test_a_hostile_file_within_a_sweep_is_refused(command):
    assert command("-m", "experiment=good,evil")[0] == 7


def test_help_cfg_and_info_work_and_stay_light(conf):
    script = conf.parent / "train.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom seq2seq_lab.config.launch import launch\n"
        "code = launch(lambda cfg: None, Path(sys.argv.pop()))\n"
        "assert 'torch' not in sys.modules\nsys.exit(code)\n"
    )
    for flag, text in (
        ("--help", "model: tanh, wide"),
        ("--cfg=job", "_target_"),
        ("--info=defaults", "Defaults"),
    ):
        arguments = [sys.executable, str(script), flag, str(conf)]
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(conf.parent),
            env=dict(os.environ),
        )
        assert (done.returncode, done.stderr) == (0, ""), flag
        assert text in done.stdout
