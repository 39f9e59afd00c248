"""What users feed to translate.py and evaluate.py: one line for each mistake, one line out for each line in."""

import gzip
import json
import shutil

import pytest

from seq2seq_lab.commands import dispatch
from support.bad_input_files import Outcome, assert_told, carry_out, make_files
from support.small_runs import run_command, tiny_run

# arguments (@/ is the folder of the bad files, RUN a trained run), exit code, what the line must say
CHECKPOINTS = {
    "missing": ("@/nowhere.ckpt", 6, "nowhere.ckpt: no such checkpoint"),
    "empty folder": ("@/folder", 6, "folder: no checkpoints/best.ckpt"),
    "text file": ("@/not.ckpt", 6, "not.ckpt: not a checkpoint"),
    "empty file": ("@/empty.txt", 6, "empty.txt: not a checkpoint"),
    "other tensors": ("@/other.ckpt", 6, "other.ckpt: not a checkpoint of seq2seq-lab"),
    "truncated": ("@/cut/best.ckpt", 6, "best.ckpt: damaged", "use another checkpoint"),
    "truncated, no checksum": (
        "@/cut_bare/best.ckpt",
        6,
        "best.ckpt: not a checkpoint, or damaged",
    ),
    "flipped bit": ("@/flipped/best.ckpt", 6, "best.ckpt: damaged", "use another checkpoint"),
    "zeros": ("@/zeros/best.ckpt", 6, "best.ckpt: damaged", "use another checkpoint"),
    "broken checksum": (
        "@/odd_sidecar/best.ckpt",
        6,
        "not a checksum file",
        "delete it to load anyway",
    ),
    "pickle with code": ("@/code.ckpt", 7, "code.ckpt", "refused"),
    "code among tensors": ("@/hidden_code.ckpt", 7, "hidden_code.ckpt: refused"),
}

TRANSLATE = {
    "no checkpoint": ([], 2, "required: checkpoint", "see --help"),
    "flag": (["RUN", "--bam", "4"], 2, "--bam", "see --help"),
    "text for a number": (["RUN", "--batch-size", "many"], 2, "--batch-size", "'many'", "see --help"),
    "batch size": (["RUN", "--batch-size", "0"], 2, "--batch-size 0: must be >= 1"),
    "file and text": (["RUN", "@/a.txt", "--text", "a"], 2, "either FILE or --text"),
    "device": (["RUN", "--device", "abacus"], 2, "--device abacus", "try cpu or cuda"),
    "missing file": (["RUN", "@/b.txt"], 3, "b.txt: no such file"),
    "folder": (["RUN", "@/folder"], 3, "folder: a folder", "name a file inside"),
    "UTF-16": (["RUN", "@/utf16.txt"], 3, "utf16.txt: this is UTF-16", "iconv"),
    "truncated gzip": (["RUN", "@/flipped.tsv.gz"], 3, "flipped.tsv.gz:1", "damaged"),
    "surrogate": (["RUN", "--text", "a \udc80"], 3, "--text: not UTF-8", "encoding"),
    "output folder": (["RUN", "--text", "a", "--output", "@/nowhere/out"], 5, "--output", "choose another file"),
    "output is input": (["RUN", "@/a.txt", "--output", "@/a.txt"], 2, "is the input itself", "choose another file"),
}  # fmt: skip

EVALUATE = {
    "no files": (["RUN"], 2, "required: source, reference", "see --help"),
    "missing source": (["RUN", "@/b.txt", "@/a.txt"], 3, "b.txt: no such file"),
    "unequal line counts": (["RUN", "@/a.txt", "@/shorter.txt"], 3, "has 30 lines", "has 29", "line i"),
    "same file": (["RUN", "@/a.txt", "@/a.txt"], 3, "the same file", "name one file per language"),
    "UTF-16": (["RUN", "@/utf16.txt", "@/a.txt"], 3, "this is UTF-16", "iconv"),
    "empty files": (["RUN", "@/empty.txt", "@/empty.tsv"], 3, "empty.txt: no line in it", "one pair at least"),
    "device": (["RUN", "@/a.txt", "@/again.txt", "--device", "abacus"], 2, "--device abacus", "try cpu"),
    "output is a file": (["RUN", "@/a.txt", "@/again.txt", "--output", "@/one.tsv"], 5, "one.tsv", "another folder"),
    "no checkpoint": (["@/nowhere", "@/a.txt", "@/again.txt"], 6, "nowhere: no such checkpoint"),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = make_files(tmp_path_factory.mktemp("bad"))
    shutil.copy(folder / "a.txt", folder / "again.txt")
    good = tiny_run() / "checkpoints" / "best.ckpt"
    whole = good.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    damaged = {
        "cut": whole[:-100],
        "cut_bare": whole[:middle],
        "flipped": flipped,
        "zeros": bytes(len(whole)),
        "odd_sidecar": whole,
    }
    for name, data in damaged.items():
        (folder / name).mkdir()
        (folder / name / "best.ckpt").write_bytes(data)
        if name != "cut_bare":
            shutil.copy(f"{good}.sha256.json", folder / name)
    (folder / "odd_sidecar" / "best.ckpt.sha256.json").write_text("[]")
    return folder


@pytest.fixture
def command(files, tmp_path, monkeypatch):
    """Run a command in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments, stdin=b""):
        argv = [a.replace("@/", f"{files}/").replace("RUN", str(tiny_run())) for a in arguments]
        return carry_out(lambda: dispatch.carry_out([name, *argv]), [name, *argv], stdin)

    return run


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("script", ["translate", "evaluate"])
def test_a_bad_checkpoint_is_one_line_and_nothing_of_it_runs(command, files, script, name):
    path, code, *says = CHECKPOINTS[name]
    given = ["--text", "1 2"] if script == "translate" else ["@/a.txt", "@/again.txt"]
    assert_told(command(script, path, *given), code, tuple(says))
    assert not (files / "executed").exists()


@pytest.mark.parametrize("name", TRANSLATE)
def test_a_wrong_call_of_translate_is_one_line(command, name):
    arguments, code, *says = TRANSLATE[name]
    assert_told(command("translate", *arguments), code, tuple(says))


@pytest.mark.parametrize("name", EVALUATE)
def test_a_wrong_call_of_evaluate_is_one_line(command, tmp_path, name):
    arguments, code, *says = EVALUATE[name]
    assert_told(command("evaluate", *arguments), code, tuple(says))
    assert list(tmp_path.iterdir()) == []


def test_the_input_survives_an_output_of_the_same_name(command, files):
    before = (files / "a.txt").read_bytes()
    command("translate", "RUN", "@/a.txt", "--output", "@/a.txt")
    assert (files / "a.txt").read_bytes() == before


def test_an_older_output_survives_a_bad_checkpoint(command, tmp_path):
    (tmp_path / "out.txt").write_text("dear\n")
    assert command("translate", "@/not.ckpt", "--text", "1", "--output", "out.txt").code == 6
    assert (tmp_path / "out.txt").read_text() == "dear\n"


# what stands in the middle of a text: the lines before it come out

BROKEN = {
    "lone continuation": b"\x80",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "cut multibyte": b"\xe5\xa4",
    "NUL": b"\0",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_lines_before_a_broken_one_come_out(command, name):
    outcome = command(
        "translate", "RUN", "--batch-size", "2", stdin=b"1 2\n3\n4 5 " + BROKEN[name] + b"\n6\n"
    )
    told = Outcome(outcome.code, "", outcome.err)
    assert_told(told, 3, ("standard input:3:5",))
    assert len(outcome.lines) == 2


# legal but odd: one line out for each line in

ODD = {
    "nothing": (b"", 0),
    "one line without end": (b"1 2", 1),
    "blank lines": (b"\n1 2\n \n\n", 4),
    "CRLF": (b"1 2\r\n\r\n3\r\n", 3),
    "BOM": (b"\xef\xbb\xbf1 2\n", 1),
    "lone carriage return": (b"1\r2\n3\n", 2),
    "line and paragraph separators": ("1\u20282\u20293\x854\n5\n".encode(), 2),
    "form feed and vertical tab": (b"1\x0c2\x0b3\n4\n", 2),
    "special strings": (b"</s> 1\n<eos>\n<pad> <unk> <s>\n@@ \xe2\x96\x81\n", 4),
    "marks and joiners": ("\u0301\u202e1\u200d\u200b\n\uff11\n".encode(), 2),
    "a word of 1 MB": (b"1\n" + b"2" * 1_000_000 + b"\n3\n", 3),
    "unknown letters": ("\u5c0f\U0001f600\n".encode() * 3, 3),
}


UNKNOWN = {
    "special strings": "7 of 8 source tokens are not in the vocabulary, in 4 of 4 lines: '</s>', '<eos>', '<pad>', "
    "'<s>', '<unk>' ...",
    "marks and joiners": "2 of 2 source tokens are not in the vocabulary, in 2 of 2 lines: "
    "'\u0301\\u202e1\\u200d\\u200b', '\uff11'",
    "a word of 1 MB": f"1 of 3 source tokens are not in the vocabulary, in 1 of 3 lines: '{'2' * 30}…'",
    "unknown letters": "3 of 3 source tokens are not in the vocabulary, in 3 of 3 lines: '\u5c0f\U0001f600' (3 times)",
}
"""What is said of the odd lines whose words the model cannot know; of the others nothing."""


@pytest.mark.parametrize("name", ODD)
def test_there_are_as_many_lines_out_as_in(command, name):
    text, lines = ODD[name]
    outcome = command("translate", "RUN", stdin=text)
    note = f"note: {UNKNOWN[name]}\n" if name in UNKNOWN else ""
    assert (outcome.code, outcome.err, len(outcome.lines)) == (0, note, lines)


def test_a_line_of_100000_tokens_is_cut_and_flagged(command):
    outcome = command("translate", "RUN", stdin=b"1 2\n" + b"3 " * 100_000 + b"\n4\n")
    assert (outcome.code, len(outcome.lines)) == (0, 3)
    assert outcome.err == "note: 1 of 3 lines were over 200 tokens and cut\n"


def test_a_special_string_ends_no_translation(command):
    plain, special = command("translate", "RUN", stdin=b"zz 1 2\n<eos> 1 2\n").lines
    assert special == plain  # both words are unknown


def test_gzip_is_read_as_text(command, tmp_path):
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"1 2\n\n3\n"))
    assert len(command("translate", "RUN", "in.gz").lines) == 3


def test_evaluation_scores_every_odd_line(command, tmp_path):
    (tmp_path / "s").write_bytes(b"1 2\r\n\n</s>\xe2\x80\xa83\n" + b"4 " * 300 + b"\n5")
    (tmp_path / "t").write_bytes(b"1 2\n3\n\n4\n5\n")
    outcome = command("evaluate", "RUN", "s", "t", "--output", "scores")
    assert outcome.code == 0
    assert outcome.err == (
        "note: 1 of 5 lines were over 200 tokens and cut\n"
        "note: 1 of 205 source tokens are not in the vocabulary, in 1 of 5 lines: '</s>'\n"
    )
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert metrics["sentences"] == 5
    assert (metrics["source_tokens"], metrics["unknown_source_tokens"]) == (205, 1)
    assert metrics["lines_with_unknown_source_tokens"] == 1
    assert (tmp_path / "scores" / "hypotheses.jsonl").read_text(encoding="utf-8").count("\n") == 5


def test_planted_splitlines_is_caught(command, monkeypatch):
    monkeypatch.setattr(
        "seq2seq_lab.data.text.iter_lines", lambda s, *_: iter(s.read().decode().splitlines())
    )
    assert len(command("translate", "RUN", stdin=ODD["form feed and vertical tab"][0]).lines) != 2


# the same as real processes

PROCESSES = {
    "translate a missing checkpoint": (
        "translate",
        ["nowhere"],
        b"",
        6,
        "nowhere: no such checkpoint",
        0,
    ),
    "translate broken input": (
        "translate",
        ["RUN"],
        b"1 2\n\n\xff\n",
        3,
        "standard input:3:1: not UTF-8",
        2,
    ),
    "translate a missing file": ("translate", ["RUN", "b.txt"], b"", 3, "b.txt: no such file", 0),
    "translate with a wrong flag": ("translate", ["RUN", "--bem"], b"", 2, "--bem", 0),
    "evaluate without files": ("evaluate", ["RUN"], b"", 2, "required: source", 0),
    "evaluate with a wrong flag": ("evaluate", ["RUN", "s", "t", "--bem"], b"", 2, "--bem", 0),
    "evaluate missing files": ("evaluate", ["RUN", "s", "t"], b"", 3, "s: no such file", 0),
    "evaluate a missing checkpoint": (
        "evaluate",
        ["nowhere", "@/a.txt", "@/again.txt"],
        b"",
        6,
        "nowhere: no such",
        0,
    ),
}


SLOW = {"translate with a wrong flag", "translate a missing file", "evaluate missing files"}
"""Each has a near relative among the other processes, and runs in this process above."""
BY_SPEED = [pytest.param(n, marks=pytest.mark.slow if n in SLOW else []) for n in PROCESSES]


@pytest.mark.parametrize("name", BY_SPEED)
def test_a_real_process_tells_it_alike(files, tmp_path, name):
    script, arguments, stdin, code, says, lines = PROCESSES[name]
    argv = [a.replace("@/", f"{files}/").replace("RUN", str(tiny_run())) for a in arguments]
    done = run_command(script, *argv, stdin=stdin, cwd=tmp_path)
    assert_told(Outcome(done.returncode, "", done.stderr.decode()), code, (says,))
    assert done.stdout.count(b"\n") == lines
