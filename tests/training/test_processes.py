"""What the first process makes of the end of another one, with small programs in the place of ranks."""

import os
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from seq2seq_lab.errors import ConfigError, DataError, ResourceError, StoppedError
from seq2seq_lab.stopping import FIRST_PROCESS
from seq2seq_lab.training import processes
from seq2seq_lab.training.processes import Launcher, ProcessError, together
from support.small_runs import trainer

LOST = "RuntimeError: [gloo/transport/tcp/pair.cc:534] Connection closed by peer"
SAYS = "import sys, time; time.sleep({0}); print({1!r}, file=sys.stderr); sys.exit({2})"
DIES = "import os; os.kill(os.getpid(), 9)"
WAITS = "import time; time.sleep(60)"


def fake_trainer():
    launcher = _SubprocessScriptLauncher(LightningEnvironment(), 3, 1)
    return SimpleNamespace(strategy=SimpleNamespace(launcher=launcher, _launcher=launcher))


@pytest.fixture
def run():
    """Enter `together` with these programs as the second and third process, and do `act` in the first."""

    def run(act, *programs):
        fake = fake_trainer()
        with together(fake, ["python", "train.py"], "python train.py resume=auto"):
            launcher = fake.strategy._launcher
            assert isinstance(launcher, Launcher)
            os.environ["LOCAL_RANK"] = "0"
            for program in programs:
                launcher.said.append(tempfile.TemporaryFile())  # noqa: SIM115
                line = [sys.executable, "-c", program]
                launcher.procs.append(subprocess.Popen(line, stderr=launcher.said[-1]))
            act(launcher)
        return launcher

    yield run
    assert "LOCAL_RANK" not in os.environ


def lose(launcher):
    raise RuntimeError(LOST)


def finish(launcher):
    pass


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("a.txt:3: empty", "a.txt:3: empty"),
        ("2 problems:\n  a: x\n  b: y", "2 problems: a: x; b: y"),
    ],
)
def test_the_error_of_another_process_is_told_with_its_exit_code(run, says, told):
    secondary = SAYS.format(0, f"error: this is a bug: {LOST}", 1)
    cause = SAYS.format(0.3, f"warning: x\nerror: {says}\nlast words", 3)
    with pytest.raises(ProcessError, match=rf"^process 3 of 3: {told}$") as caught:
        run(lose, secondary, cause)
    assert caught.value.exit_code == 3


def test_a_killed_process_is_named_with_what_goes_on(run):
    with pytest.raises(ResourceError, match=r"process 2 of 3 .* SIGKILL .*python train.py resume"):
        run(lose, DIES, WAITS)


def test_a_bug_of_another_process_comes_with_its_traceback(run, capfd):
    text = (
        "Traceback (most recent call last):\n  x\nerror: this is a bug of seq2seq-lab: KeyError: 1"
    )
    with pytest.raises(ProcessError, match="process 2 of 3: this is a bug"):
        run(lose, SAYS.format(0, text, 1), WAITS)
    assert capfd.readouterr().err == "Traceback (most recent call last):\n  x\n"


@pytest.mark.parametrize("error", [DataError("own"), StoppedError("own", 15), RuntimeError("own")])
def test_an_own_error_ends_the_others_and_stays(run, monkeypatch, error):
    launchers = []

    def fail(launcher):
        launchers.append(launcher)
        raise error

    monkeypatch.setattr(processes, "_TO_STOP", 0.1)
    with pytest.raises(type(error), match="own"):
        run(fail, WAITS, WAITS)
    assert [p.wait(20) for p in launchers[0].procs] == [-9, -9]


def test_a_process_that_fails_in_the_end_is_not_passed_over(run):
    with pytest.raises(ProcessError, match="process 2 of 3: ended with exit code 4"):
        run(finish, "exit(4)", "")


def test_processes_that_end_well_are_waited_for(run):
    launcher = run(finish, "import time; time.sleep(0.2)", "")
    assert [p.returncode for p in launcher.procs] == [0, 0]


@pytest.mark.slow
def test_a_process_ends_with_the_first(tmp_path):
    program = (
        "import time\nfrom seq2seq_lab.training.processes import end_with_the_first\n"
        "end_with_the_first()\ntime.sleep(60)"
    )
    read, write = os.pipe()
    environment = {**os.environ, FIRST_PROCESS: "1", "SEQ2SEQ_LAB_SCREEN": str(write)}
    line = [sys.executable, "-c", program]
    environment["SEQ2SEQ_LAB_RUN_FOLDER"] = "outputs/x"
    assert subprocess.run(line, env=environment, pass_fds=[write], timeout=60).returncode == 5
    os.close(write)
    with os.fdopen(read) as screen:
        (told,) = screen.read().splitlines()
    assert told.startswith("error: the first process of this run was killed")
    assert told.endswith("resume=auto run_dir=outputs/x")


def test_one_process_needs_nothing(tmp_path):
    engine = trainer(tmp_path)
    with together(engine, [], ""):
        assert engine.strategy.launcher is None


def test_forked_processes_are_refused(tmp_path):
    engine = trainer(tmp_path, strategy="ddp_fork", devices=2)
    with pytest.raises(ConfigError, match="take ddp"), together(engine, [], ""):
        pass
