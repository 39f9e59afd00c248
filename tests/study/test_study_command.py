"""Studies as commands: what is skipped, done again, refused and told. The runs are fakes but for the last part."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.config.compose import conf_dir, session
from seq2seq_lab.errors import ConfigError, StoppedError
from seq2seq_lab.files import held
from seq2seq_lab.study import ledger
from seq2seq_lab.study.matrix import Study
from support.small_runs import run_command, train
from support.small_studies import (
    SWEEP,
    events,
    fake_run,
    launch,
    nothing_done_was_run_again,
    results,
    study,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    assert launch(*SWEEP) == 0
    patch.undo()
    return folder


@pytest.fixture
def small(finished, tmp_path, monkeypatch):
    """A copy of the finished study, as the current folder's."""
    shutil.copytree(finished / "outputs", tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    found = study()
    return found


def test_a_sweep_with_a_name_is_a_study(small):
    assert small.factors == {"model.dim": ("16", "32")}
    assert small.seeds == (1, 2, 3)
    assert [c.arm for c in small.runs] == ["dim=16"] * 3 + ["dim=32"] * 3
    assert [n["test/bleu"] for n in results(small).values()] == [16, 32, 48, 32, 64, 96]
    assert sorted(p.name for p in Path("outputs").iterdir()) == ["studies"]
    assert {p.name for p in small.place.iterdir()} == {
        "study.json",
        "ledger.jsonl",
        "runs",
        "locks",
    }
    nothing_done_was_run_again(small)


def test_the_same_command_again_runs_nothing(small, capsys):
    before = len(ledger.read(small.ledger))
    assert launch(*SWEEP, main=lambda cfg: pytest.fail("ran")) == 0
    assert len(ledger.read(small.ledger)) == before
    assert "6 of 6 runs done (6 of them before)" in capsys.readouterr().out


def test_a_larger_study_runs_only_what_is_new(small):
    assert launch(*SWEEP[:-1], "seed=1,2,3,4") == 0
    assert [c.split("-")[1] for c in events(study(), "started")[6:]] == ["s4", "s4"]
    nothing_done_was_run_again(study())


@pytest.mark.parametrize("name", ["result.json", "hypotheses/test.jsonl", "config.yaml"])
def test_a_tampered_run_is_done_again(small, name):
    run = small.runs[3]
    expected = results(small)
    (small.folder(run) / name).write_text('{"test/bleu": 100}')
    (small.folder(run) / "left over").write_text("")
    assert launch(*SWEEP) == 0
    assert events(small, "started")[6:] == [run.name]
    assert results(small) == expected
    assert not (small.folder(run) / "left over").exists()


def test_planted_trust_in_the_result_alone_is_caught(small, monkeypatch):
    from seq2seq_lab.study import plan, run

    for module in (run, plan):
        monkeypatch.setattr(module, "read_done", lambda folder, _: {} if folder.exists() else None)
    with pytest.raises(AssertionError):
        test_a_tampered_run_is_done_again(small, "result.json")


def test_an_interrupted_run_starts_again_from_a_clean_folder(small):
    run = small.runs[1]
    (small.folder(run) / "done.json").unlink()
    ledger.append(small.ledger, "started", run.name, 2, run.content_hash)
    assert launch(*SWEEP) == 0
    assert [e.event for e in ledger.read(small.ledger) if e.run == run.name][-3:] == [
        "interrupted", "started", "done",
    ]  # fmt: skip


def test_failures_leave_the_others_and_end_with_8(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sweep = ("-m", "study=small", "model.dim=16,13,-2")

    def main(cfg):
        if cfg.model.dim < 0:
            raise ConfigError(f"model.dim={cfg.model.dim}: must be >= 1")
        fake_run(cfg)

    assert launch(*sweep, main=main) == 8
    err = capsys.readouterr().err
    assert "error: study small: 1 of 3 runs done; dim_13-s1-" in err
    assert "Traceback" not in err
    failed = {
        e.run.split("-s1")[0]: e.reason for e in ledger.read(study().ledger) if e.event == "failed"
    }
    assert failed["dim_13"] == "NotFiniteError: the loss is nan; lower training.optimizer.lr"
    assert failed["dim_-2"] == "ConfigError: model.dim=-2: must be >= 1"
    assert launch(*sweep, main=main) == 8  # tries the failed ones again
    assert [c.split("-s1")[0] for c in events(study(), "started")] == [
        "dim_16", "dim_13", "dim_-2", "dim_13", "dim_-2",
    ]  # fmt: skip


def test_a_run_that_another_process_runs_is_refused_and_reported(small, capsys):
    run = small.runs[2]
    shutil.rmtree(small.folder(run))
    with held(small.lock(run)):
        assert launch(*SWEEP) == 8
    err = capsys.readouterr().err
    assert f"5 of 6 runs done; {run.name} " in err
    assert not small.folder(run).exists()
    assert launch(*SWEEP) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (StoppedError("stopped by SIGTERM", signal.SIGTERM), 143)],
)
def test_an_interrupt_ends_the_study_and_the_command_goes_on_later(
    tmp_path, monkeypatch, error, code
):
    monkeypatch.chdir(tmp_path)

    def main(cfg):
        if (cfg.model.dim, cfg.seed) == (16, 2):
            raise error
        fake_run(cfg)

    assert launch(*SWEEP, main=main) == code
    assert len(events(study(), "done")) == 1
    assert len(events(study(), "interrupted")) == 1
    assert launch(*SWEEP) == 0
    nothing_done_was_run_again(study())


BAD = [
    (("study=a/b", "seed=1,2"), "a name is made of"),
    (("study=a,b", "seed=1,2"), "one name for all runs"),
    (("study=a", "run_dir=x", "seed=1,2"), "use study_dir=PATH"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD, ids=[b[1] for b in BAD])
def test_a_wrong_study_is_refused(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert launch("-m", *arguments) == 2
    assert text in capsys.readouterr().err


def test_for_a_single_run_the_study_is_a_label_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert launch("study=a", "run_dir=one") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


def test_another_sweeper_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert launch("-m", "study=a", "seed=1,2", "hydra/sweeper=basic") == 8
    assert "needs hydra/sweeper=study" in capsys.readouterr().err


def test_a_launcher_that_is_not_installed_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert launch(*SWEEP, "hydra/launcher=ray_cluster") == 2
    assert "pip install 'seq2seq-lab[ray]'" in capsys.readouterr().err


def test_a_launcher_that_breaks_is_reported_and_loses_nothing(small, capsys, monkeypatch):
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    def broken(*_, **__):
        raise RuntimeError("sbatch: not found")

    shutil.rmtree(small.folder(small.runs[5]))
    with monkeypatch.context() as patch:
        patch.setattr(BasicLauncher, "launch", broken)
        assert launch(*SWEEP) == 8
    err = capsys.readouterr().err
    assert "5 of 6 runs done" in err
    assert "RuntimeError: sbatch: not found" in err
    assert launch(*SWEEP) == 0


# declared in a yaml


def test_an_experiment_declares_a_whole_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert launch("experiment=declared", "model.dim=32,64") == 0
    found = Study.load(Path("outputs/studies/declared"))
    assert found.factors == {"model.dim": ("32", "64")}  # the command line's values
    assert found.seeds == (1, 2, 3)
    assert found.fixed == ("experiment=declared",)
    assert launch("experiment=declared", "model.dmi=1,2") == 2
    assert "did you mean model.dim?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "arms", "seeds"),
    [
        ("attention_vs_none", 4, 3),
        ("teacher_forcing_ratio", 5, 2),
        ("teacher_forcing_schedule", 4, 2),
    ],
)
def test_the_declared_studies_have_arms_that_differ(name, arms, seeds):
    with session(str(conf_dir())) as opened:
        opened.read_sweep([f"experiment={name}"])
        factor, seed = opened.sweep_parameters
        key, _, values = factor.partition("=")
        runs = [opened.compose([f"experiment={name}", f"{key}={v}"]) for v in values.split(",")]
    content = {str(run.model) + str(run.training) for run in runs}
    assert len(content) == len(runs) == arms
    assert {run.study for run in runs} == {name}
    assert seed == "seed=" + ",".join(map(str, range(1, seeds + 1)))


# real runs


def test_real_runs_fail_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sweep = (
        "-m", "study=real", "model=lstm", "training.optimizer.lr=1e38,0.01,-1.0",
        "debug=tiny", "data=copy", "data.corpus.num_train=16", "data.batching.batch_size=2", "training/logger=csv",
        "training.trainer.max_epochs=1",
    )  # fmt: skip
    assert train(*sweep) == 8
    found = Study.load(Path("outputs/studies/real"))
    reasons = {e.run: e.reason for e in ledger.read(found.ledger) if e.event == "failed"}
    kinds = {run.split("-s1")[0]: reason.split(":")[0] for run, reason in reasons.items()}
    assert kinds == {"lr_1e_38": "NotFiniteError", "lr_-1.0": "ConfigError"}
    (done,) = events(found, "done")
    assert "test/bleu" in json.loads((found.place / "runs" / done / "result.json").read_text())
    manifest = json.loads((found.place / "runs" / done / "manifest.json").read_text())
    assert manifest["hardware"]["torch_threads"] == 1
    capsys.readouterr()


def test_status_tells_what_is_left(small, capsys):
    shutil.rmtree(small.folder(small.runs[0]))
    assert carry_out(["study", "status", "small"]) == 0
    out = capsys.readouterr().out
    assert "study small: 6 runs: 5 done, 1 missing" in out
    assert "time left: 0.0 minutes" in out


def test_status_of_nothing_is_one_line(tmp_path):
    done = run_command("status", "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
