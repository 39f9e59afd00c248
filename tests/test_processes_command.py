"""Two processes as users start them, and what goes wrong in one of them: whole commands."""

import json
from pathlib import Path

import pytest

from support.resumed_runs import RUN, ends_like, rows
from support.small_runs import ROOT, run_script, train

pytestmark = pytest.mark.slow
TWO = (
    "training/trainer=ddp", "training.trainer.accelerator=cpu", "training.trainer.devices=2",
    "data.batching.batch_size=2",
)  # fmt: skip
"""Two epochs of four steps, as in RUN."""


def run(*words: object):
    """Run it in four imports of Lightning: a loaded machine takes a minute for them."""
    script, path = "tests/support/signalled_run.py", str(ROOT / "tests")
    return run_script(script, *words, timeout=280, PYTHONPATH=path)


def struck(folder: Path, when: object, *faults: object, line: tuple[str, ...] = (*RUN, *TWO)):
    """Run two processes that meet faults; demand that none of them is left."""
    words = (when, *faults, "--", *line, f"run_dir={folder}")
    ended = run(*words)
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in read(p)]
    assert left == []
    return ended.returncode, [
        text for text in ended.stderr.decode().splitlines() if not text.startswith("SIG")
    ]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two") / "run"
    code, told = struck(folder, "never")
    assert (code, told) == (0, [])
    return folder


FAULTS = {
    "kill the second": (6, "9@1", 5, "process 2 of 2 of this run was ended by SIGKILL"),
    "kill the first": (6, "9", -9, "the first process of this run was killed"),
    "kill the second at its start": ("start", "9@1", 5, "ended by SIGKILL"),
    "kill the second in the test": ("test", "9@1", 5, "ended by SIGKILL"),
    "SIGTERM": (6, "15", 143, "stopped by SIGTERM after step 6; saved"),
    "SIGTERM to the second": (6, "15@1", 143, "stopped by SIGTERM after step 6; saved"),
    "SIGINT in the test": ("test", "2", 130, "stopped by SIGINT in the final evaluation"),
    "data error in the second": (6, "DataError@1", 3, "process 2 of 2: planted DataError"),
    "data error at its start": ("start", "DataError@1", 3, "process 2 of 2: planted DataError"),
    "not finite in the second": ("test", "NotFiniteError@1", 4, "process 2 of 2: planted"),
    "not finite in the first": (6, "NotFiniteError", 4, "planted NotFiniteError"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_line_ends_all_and_a_resumed_run_ends_as_if_left_alone(tmp_path, alone, name):
    when, fault, code, words = FAULTS[name]
    folder = tmp_path / "run"
    found, told = struck(folder, when, fault)
    assert found == code, told
    assert len(told) == 1, told
    assert words in told[0]
    assert not (folder / "result.json").exists()
    is_saved = bool(list(folder.glob("checkpoints/*.ckpt")))
    code, told = struck(folder, "never", line=(*RUN, *TWO, "resume=auto"))
    assert (code, len(told)) == (0, 0 if is_saved else 1)
    assert is_saved or told[0].endswith("holds no checkpoint: the run begins again")
    ends_like(folder, alone)


def test_a_bug_in_the_second_shows_its_traceback_only(tmp_path):
    code, told = struck(tmp_path / "run", 3, "Bug@1")
    assert (code, told[0]) == (1, "Traceback (most recent call last):")
    assert sum(line.startswith("Traceback") for line in told) == 1
    assert (
        told[-1] == "error: process 2 of 2: this is a bug of seq2seq-lab: RuntimeError: planted Bug"
    )


def test_two_processes_write_what_one_writes(tmp_path):
    """The final evaluation too; the rows are equal in 32 bits."""
    plain = ("model.dropout=0.0", "training/scheduled_sampling/schedule=always")
    two, one = tmp_path / "two", tmp_path / "one"
    assert struck(two, "never", line=(*RUN, *TWO, *plain)) == (0, [])
    halves = (
        "data.batching.batch_size=2", "training.trainer.accumulate_grad_batches=2",
        "training.trainer.limit_train_batches=8",
    )  # fmt: skip
    assert train(*RUN, *plain, *halves, f"run_dir={one}") == 0
    numbers = [json.loads((folder / "result.json").read_text()) for folder in (two, one)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-4)
    for row, other in zip(rows(two), rows(one), strict=True):
        as_numbers = [{k: float(v) for k, v in r.items() if v} for r in (row, other)]
        assert as_numbers[0] == pytest.approx(as_numbers[1], rel=1e-4)
    for name in ("val", "test"):
        texts = [
            [json.loads(line)["hypothesis"] for line in (f / f"hypotheses/{name}.jsonl").open()]
            for f in (two, one)
        ]
        assert texts[0] == texts[1]
    names = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in (two, one)]
    assert names[0] == names[1]


def test_a_sweep_starts_the_processes_of_each_run(tmp_path):
    line = ("-m", *RUN, *TWO, "seed=1,2")
    words = ("never", "--", *line)
    ended = run(*words, f"name={tmp_path.name}")
    assert ended.returncode == 0, ended.stderr.decode()
