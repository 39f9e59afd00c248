"""What users get wrong at train.py: one line, the right exit code, no traceback, nothing left behind."""

import json

import pytest

from seq2seq_lab.commands.train import main
from seq2seq_lab.config.launch import launch
from seq2seq_lab.errors import UserError
from seq2seq_lab.training.module import Seq2SeqModule
from support.bad_input_cases import CONFIGS, DATA, FILES, SLOW, TABLE, TINY
from support.bad_input_files import ROWS, Outcome, assert_told, carry_out, make_files
from support.local_server import serve
from support.small_runs import run_command


def cases(table):
    slow = [name.strip() for name in SLOW.split(",")]
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in table]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def command(files, tmp_path, monkeypatch):
    """Run train.py in an empty working folder; `@` in an argument is the folder of the bad files."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, base=TINY):
        given = [a.replace("@/", f"{files}/") for a in (*base, "run_dir=run", *arguments)]
        given.sort(key=lambda a: not a.startswith("--"))  # flags first
        names = [a.split("=")[0] for a in given]
        last = [a for i, a in enumerate(given) if "=" not in a or names[i] not in names[i + 1 :]]
        return carry_out(lambda: launch(main), ["train.py", *last])

    return run


@pytest.mark.parametrize("name", cases(CONFIGS))
def test_a_wrong_config_is_one_line_before_data_is_read(
    command, files, tmp_path, name, monkeypatch
):
    arguments, code, *says = CONFIGS[name]
    if not name.startswith(("no path", "no files")):  # these two are found by the corpus itself
        monkeypatch.setattr(
            "seq2seq_lab.training.datamodule.Seq2SeqDataModule.setup", _must_not_run
        )
    outcome = command(*arguments)
    assert_told(outcome, code, tuple(says))
    assert list(tmp_path.iterdir()) == []
    assert not (files / "executed").exists()


def _must_not_run(*_):
    raise AssertionError("data was read")


@pytest.mark.parametrize("name", cases(DATA))
def test_unusable_data_are_one_line_with_the_place(command, tmp_path, name):
    arguments, code, *says = DATA[name]
    assert_told(command(*arguments, base=TABLE), code, tuple(says))
    assert list(tmp_path.iterdir()) == []


def test_a_download_with_another_hash_is_refused(command, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_LAB_CACHE", str(tmp_path / "cache"))
    with serve({"train.de.gz": b"something else"}) as (url, _):
        outcome = command("data=multi30k", f"+data.corpus.url={url}")
    assert_told(outcome, 7, ("train.de.gz", "SHA-256", "data.root=FOLDER"))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_loss_that_is_not_finite_ends_the_run(command):
    outcome = command(
        "training.optimizer.lr=1e38",
        "training.trainer.gradient_clip_val=0.0",
        "data.batching.batch_size=8",
    )
    assert_told(outcome, 4, ("nan", "lower training.optimizer.lr"))


def test_memory_that_runs_out_is_reported_with_the_key_to_lower(command, monkeypatch):
    def step(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Seq2SeqModule, "training_step", step)
    assert_told(command(), 5, ("out of memory", "data.batching.batch_size"))


def test_a_traceback_comes_only_when_wanted(command):
    outcome = command("model.dropout=2.0", "traceback=true")
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert outcome.err.removesuffix("\n").split("\n")[-1].startswith("error: ")


def test_planted_error_outside_the_contract_is_caught(command, monkeypatch):
    def bug(*_, **__):
        raise KeyError("dropout=1.5")

    monkeypatch.setattr("seq2seq_lab.config.check.all_problems", bug)
    with pytest.raises(AssertionError):
        assert_told(command("model.dropout=1.5"), 2, ("dropout=1.5",))


# legal but odd: nothing is lost

ODD = {
    "CRLF": (ROWS.replace("\n", "\r\n").encode(), 40),
    "BOM": (b"\xef\xbb\xbf" + ROWS.encode(), 40),
    "no last line end": (ROWS.removesuffix("\n").encode(), 40),
    "blank lines": (ROWS.replace("\n", "\n\n").encode(), 80),
    "empty sides": (ROWS.encode() + b"a\t\n\tb\n \t \n", 43),
    "line separators": (ROWS.replace(" c", "\u2028\x0c\x85c").encode(), 40),
    "special strings": (ROWS.replace(" c", " </s> <pad> @@ \u2581").encode(), 40),
    "right to left marks": (ROWS.replace(" c", " \u202e\u200d\ufeff").encode(), 40),
    "a word of 1 MB": (ROWS.encode() + b"a" * 1_000_000 + b"\tb\n", 41),
    "10^5 tokens": (ROWS.encode() + b"a " * 100_000 + b"\tb\n", 41),
    "the same pair often": (ROWS.encode() + b"p q\tr\n" * 20, 60),
}  # fmt: skip


@pytest.mark.parametrize("name", cases(ODD))
def test_odd_but_legal_data_are_all_accounted_for(command, tmp_path, monkeypatch, name):
    text, lines = ODD[name]
    (tmp_path / "odd.tsv").write_bytes(text)
    monkeypatch.setattr("seq2seq_lab.training.session.fit", _stop)  # the report is written before
    outcome = command("data.path=odd.tsv", "data.max_pairs=null", base=TABLE)
    assert "stopped before training" in outcome.err
    splits = json.loads((tmp_path / "run" / "data_report.json").read_text(encoding="utf-8"))[
        "splits"
    ]
    left_out = [n for s in splits.values() for why, n in s["dropped"].items() if "kept" not in why]
    assert sum(s["pairs"] for s in splits.values()) + sum(left_out) == lines


def _stop(*_):
    raise UserError("stopped before training")


def test_every_row_of_an_odd_test_file_is_scored(command, tmp_path):
    odd = "a b\r\n\n</s> a\u2028b\n  \n" + "w " * 300 + "\nlast"
    for side in ("source", "target"):
        (tmp_path / side).write_text(
            "".join(f"a{i} b {side}\n" for i in range(30)), encoding="utf-8"
        )
        (tmp_path / f"test.{side}").write_bytes(odd.encode())
    files = (
        "data.train=[source,target]",
        "data.test=[test.source,test.target]",
        "data/tokenizer=word",
    )
    assert command(*files, base=FILES).code == 0
    hypotheses = (tmp_path / "run" / "hypotheses" / "test.jsonl").read_text(encoding="utf-8")
    assert hypotheses.count("\n") == 6
    report = json.loads((tmp_path / "run" / "data_report.json").read_text(encoding="utf-8"))
    assert report["splits"]["test"]["pairs"] == 6
    assert report["splits"]["test"]["dropped"]["source cut, kept"] == 1


# the same as real processes

PROCESSES = {
    "key": (["model.dmi=8"], 2, "did you mean model.dim?"),
    "range": (["model.dropout=1.5"], 2, "must be in [0, 1)"),
    "target": (["model.cell._target_=os.system"], 7, "refused"),
    "data": (["data=table_file", "data.path=nowhere.tsv"], 3, "nowhere.tsv: no such file"),
}


@pytest.mark.parametrize("name", cases(PROCESSES))
def test_a_real_process_reports_it_alike(tmp_path, name):
    arguments, code, *says = PROCESSES[name]
    done = run_command("train", *arguments, "training/logger=csv", cwd=tmp_path)
    assert_told(
        Outcome(done.returncode, done.stdout.decode(), done.stderr.decode()), code, tuple(says)
    )
    assert list(tmp_path.iterdir()) == []
