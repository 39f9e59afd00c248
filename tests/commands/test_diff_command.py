"""`diff` as a user types it: two runs side by side, and one line where something is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from seq2seq_lab.commands.dispatch import carry_out
from seq2seq_lab.report import run_diff
from support.listed_runs import CHOICES, CONFIG, Made, write_run
from support.small_runs import rows, run_folder, tiny_run

DECODER = {"dim": 128, "attention": {"_target_": "lab.Additive", "dim": 64}}
WIDE = {
    **CONFIG,
    "run_dir": "outputs/b",
    "model": {"dim": 128, "encoder": {"dim": 128, "layers": 1}, "decoder": DECODER},
}
NEW = Made(
    0.05, 2, ("model.dim=128", "model/attention=additive"),
    {**CHOICES, "model/attention": "additive"}, WIDE, {"versions": {"torch": "2.14.0"}},
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("made")
    write_run(place / "old", Made(0.3))
    write_run(place / "new", NEW)
    write_run(place / "other", Made(0.3, pairs_seed=8, sentences=12))
    write_run(place / "unfinished", Made(0.3, is_finished=False))
    return place


@pytest.fixture
def diff(made, monkeypatch, tmp_path, capsys):
    """The command in a folder with four runs; gives (exit code, output, errors)."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = carry_out(["diff", *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_config_is_grouped_by_choices_and_overrides(diff):
    code, out, err = diff("old", "new")
    assert (code, err) == (0, "")
    part = out[out.index("Config\n") : out.index("\nData")]
    assert part.split("\n")[1:] == [
        "  model/attention: dot -> additive",
        "      model.decoder.attention.scale: 1.0 -> absent",
        "      model.decoder.attention.dim: absent -> 64",
        "  model.dim: 64 -> 128",
        "      model.decoder.dim: 64 -> 128",
        "      model.encoder.dim: 64 -> 128",
        "",
    ]
    assert "versions torch: 2.13.0 -> 2.14.0" in out
    assert "run_dir" not in out
    assert "Data: no difference" in out
    assert "\x1b" not in out


def every_key_that_differs_is_shown(old, new):
    """Each leaf of the configs that differs stands somewhere in the comparison, but for what a choice says."""
    found = run_diff.config_changes(old.run, new.run)
    shown = {one.key for change in found for one in (change, *change.below)}
    flat = [run_diff.leaves(side.run.config) for side in (old, new)]
    keys = {key for key in {*flat[0], *flat[1]} if flat[0].get(key) != flat[1].get(key)}
    assert keys - {"run_dir", "name"} - shown <= {"model.decoder.attention._target_"}


def test_every_key_that_differs_is_shown(made):
    every_key_that_differs_is_shown(*(run_diff.read_side(made / name) for name in ("old", "new")))


def test_planted_loss_of_what_follows_is_caught(made, monkeypatch):
    monkeypatch.setattr(run_diff, "_with_followers", lambda free, _: free[:1])
    with pytest.raises(AssertionError):
        test_every_key_that_differs_is_shown(made)


def test_scores_have_the_interval_and_p_of_sacrebleu(diff):
    numbers = {one["name"]: one for one in json.loads(diff("old", "new", "--json")[1])["numbers"]}
    old, new = (rows_of(name) for name in ("old", "new"))
    references = [row["reference"] for row in old]
    systems = [(n, [row["hypothesis"] for row in r]) for n, r in (("old", old), ("new", new))]
    bleu = BLEU(tokenize="zh", references=[references])
    scores = PairedTest(systems, {"BLEU": bleu}, None, test_type="bs", n_samples=1000)()[1]["BLEU"]
    found = numbers["test/bleu"]
    assert (found["old"], found["new"]) == pytest.approx((scores[0].score, scores[1].score))
    assert found["p"] == pytest.approx(scores[1].p_value)
    assert found["interval"][0] < found["new"] - found["old"] < found["interval"][1]
    assert found["is_better"] is True
    assert numbers["test/loss"]["is_better"] is True
    assert numbers["model/parameters"]["is_better"] is None
    assert numbers["test/loss"]["interval"] is None


def rows_of(name):
    return rows(Path(name) / "hypotheses" / "test.jsonl")


def test_a_score_that_falls_is_worse(diff):
    numbers = {one["name"]: one for one in json.loads(diff("new", "old", "--json")[1])["numbers"]}
    assert numbers["test/bleu"]["is_better"] is False
    assert numbers["test/loss"]["is_better"] is False


def test_the_sentences_that_changed_most_are_shown_with_marks(diff):
    _, out, _ = diff("old", "new", "--sentences", "2")
    assert out.count("gained most: chrF +") == 2
    assert "{+" in out
    found = json.loads(diff("old", "new", "--all", "--json")[1])["sentences"]
    gains = [one["gain"] for one in found["gained"]]
    assert gains == sorted(gains, reverse=True)
    assert (len(gains), len(found["lost"])) == (found["better"], found["worse"])
    texts = {row["source"]: row["hypothesis"] for row in rows_of("new")}
    for one in found["gained"]:
        assert "".join(word["text"] for word in one["arm"]).split() == texts[one["source"]].split()
    assert "Sentences" not in diff("old", "new", "--sentences", "0")[1]


def test_other_test_sets_are_not_compared_by_sentence_nor_judged(diff):
    _, out, _ = diff("old", "other")
    assert "different test sets (30 and 12 pairs), so sentences cannot be compared" in out
    assert "other pairs in test: these are not judged" in out
    assert "sha256 of test" in out
    assert "better" not in out
    assert "worse" not in out


def test_an_unfinished_run_is_compared_as_far_as_it_goes(diff):
    code, out, err = diff("old", "unfinished")
    assert code == 0
    assert err == "note: unfinished: unfinished\n"
    assert "Sentences: no test translations in unfinished" in out
    assert "Config: no difference" in out


ABSENT = {"version": "1", "sha256": "a" * 64, "distribution": "absent-lab", "source": "absent_lab",
          "needs": [], "metrics": True}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "says"),
    [({"absent_lab": ABSENT}, "pip install 'absent-lab==1'"), ({"a": 7}, "what it says of extensions")],
)  # fmt: skip
def test_metrics_of_an_extension_that_is_not_there_are_named(diff, tmp_path, capsys, facts, says):
    path = tmp_path / "new" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "extensions": facts}))
    code, out, err = diff("old", "new")
    assert (code, err.count("\n")) == (0, 1)
    assert says in err
    assert "test/bleu" in out
    assert carry_out(["runs", ".", "--sort", "test/bleu"]) == 0
    told = capsys.readouterr()
    assert says in told.err
    assert told.out.count("done") == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("manifest.json", "{"),
        ("config.yaml", "a: ["),
        ("result.json", "[]"),
        ("hypotheses/test.jsonl", "{"),
        ("hypotheses/signatures.json", "7"),
        ("data_report.json", "7"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_compared(diff, tmp_path, name, text):
    (tmp_path / "new" / name).write_text(text)
    code, out, err = diff("old", "new")
    assert code == 0
    assert name.rpartition("/")[2] in err
    assert all(line.startswith("note: new: ") for line in err.splitlines())
    assert "Numbers" in out


@pytest.mark.parametrize(
    "content",
    [
        {"data_report.json": {"splits": [1], "vocabulary": 3}, "manifest.json": {"data": 1, "versions": []}},
        {"data_report.json": {"splits": {"test": 1}}, "manifest.json": {"tokenizers": [[]], "choices": 7}},
        {"hypotheses/signatures.json": {"bleu": [1]}, "result.json": {"test/bleu": None, "x": "\x1b"}},
    ],
)  # fmt: skip
def test_files_with_other_types_harm_nothing(diff, tmp_path, content):
    for name, value in content.items():
        (tmp_path / "new" / name).write_text(json.dumps(value))
    for further in ((), ("--json",), ("--all",)):
        code, out, err = diff("old", "new", *further)
        assert code == 0, err
        assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["old", "old"], "is the same run"),
        (["old", "./new/../old"], "is the same run"),
        (["old", "absent"], "absent: no such folder"),
        (["hypotheses", "old"], "hypotheses: no such folder"),
        (["old", "old/hypotheses"], "no run there"),
        (["old"], "see --help"),
        (["old", "new", "--sentences", "-1"], "see --help"),
        (["old", "new", "--sentences", "few"], "whole number >= 0"),
    ],
)
def test_mistakes_are_one_line(diff, arguments, says):
    code, out, err = diff(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


@pytest.mark.slow
def test_real_runs_are_compared(capsys):
    old, new = tiny_run(), run_folder("debug=tiny", "model=lstm")
    capsys.readouterr()
    assert carry_out(["diff", str(old), str(new)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "  model: lstm_attn -> lstm\n" in told.out
    assert "  data: copy -> numbers\n" in told.out
    assert "so sentences cannot be compared" in told.out
    assert np.isfinite(run_diff.read_side(old).run.seconds)
