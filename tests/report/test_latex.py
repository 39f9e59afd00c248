"""The table for a paper: LaTeX that closes what it opens, digits below digits, names that people read."""

import json
import re
from pathlib import Path

import pytest

from seq2seq_lab.errors import ConfigError
from seq2seq_lab.report import latex
from seq2seq_lab.report.analysis import analyse
from seq2seq_lab.report.arm_names import FILE, arm_names
from seq2seq_lab.report.latex import table_tex, tex
from seq2seq_lab.report.records import read_records
from support.study_folder import Plan, write_study

PLAN = Plan(errors={"none": 0.5, "dot": 0.02}, seeds=(1, 2, 3), sentences=20, seed_spread=0.004)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("studies") / "plain_study", PLAN)


def written(place: Path) -> str:
    records = read_records(place)
    return table_tex(records, analyse(records), arm_names(records))


def is_closed(text: str) -> None:
    """Environments and braces close in order, `$` comes in pairs, and every row has the same number of cells."""
    lines = [line for line in text.split("\n") if not line.startswith("%")]
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", "\n".join(lines)):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    bare = re.sub(r"\\[&%$#_{}\\]", "", "\n".join(lines))
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    rows = [line for line in lines if line.endswith(r"\\")]
    cells = {len(re.findall(r"(?<!\\)&", row)) for row in rows if "multicolumn" not in row}
    assert len(cells) == 1


def test_it_closes_what_it_opens(study):
    text = written(study)
    is_closed(text)
    for part in (
        r"\begin{table}",
        r"\caption{",
        r"\label{tab:plain_study}",
        r"\toprule",
        r"\bottomrule",
    ):
        assert part in text
    assert r"% \usepackage{booktabs}" in text


def test_its_rows_have_readable_names_and_the_numbers_of_the_table(study):
    text = written(study)
    (row,) = [line for line in text.split("\n") if line.startswith("dot attention & 3")]
    records = read_records(study)
    found = analyse(records).table[1]
    assert f"{found.interval.mean:.2f} " in row
    assert f"$+${found.comparison.difference:.2f}" in row
    assert "no attention &" in text
    assert "attention=" not in text


def test_a_difference_that_is_sure_has_a_mark_that_the_caption_explains(study):
    text = written(study)
    assert text.count(latex.MARK) == 1
    assert "$^{*}$: $p < 0.05$ after Holm's correction for 1 comparison." in text


@pytest.mark.parametrize(
    "name", ["a & b", "100 %", "x_1^2 {~}", "\\input{x}", "[top]", "*", "$", "é很 #"]
)
def test_any_text_is_escaped(study, tmp_path, name):
    place = write_study(tmp_path / "x", PLAN)
    (place / FILE).write_text(json.dumps({"attention=dot": name}), encoding="utf-8")
    plan = json.loads((place / "study.json").read_text())
    plan["name"] = name
    (place / "study.json").write_text(json.dumps(plan))
    is_closed(written(place))
    assert "\\input" not in written(place)


def test_few_seeds_and_missing_runs_are_in_the_caption(tmp_path):
    plan = Plan(errors=PLAN.errors, seeds=(1, 2, 3), sentences=12, missing=(("dot", 3),))
    text = written(write_study(tmp_path / "part", plan))
    assert "2 seeds: the interval rests on 1 degree of freedom" in text
    assert "dot attention has 1 2" in text
    assert "1 of 6 runs are not done" in text


# names


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("model/attention", "none", "no attention"),
        ("model/attention", "multi_head", "multi head attention"),
        ("model", "lstm_attn", "LSTM attention"),
        ("model.dim", "64", "dim 64"),
        ("training.scheduled_sampling.schedule.ratio", "0.5", "ratio 0.5"),
        ("data/tokenizer", "bpe", "BPE tokenizer"),
        ("training/scheduled_sampling/schedule", "never", "never schedule"),
        ("model.tied_embeddings", "true", "tied embeddings"),
        ("model.tied_embeddings", "false", "no tied embeddings"),
    ],
)
def test_names_are_made_of_factors(tmp_path, key, value, name):
    plan = Plan(errors={value: 0.1}, key=key, seeds=(1,), sentences=4)
    assert list(arm_names(read_records(write_study(tmp_path / "s", plan))).values()) == [name]


def test_names_may_be_declared(study, tmp_path):
    place = write_study(tmp_path / "s", PLAN)
    (place / FILE).write_text("attention=dot: Luong (2015)\n", encoding="utf-8")
    expected = {"attention=none": "no attention", "attention=dot": "Luong (2015)"}
    assert arm_names(read_records(place)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attention=dott: x", "no arm of this study"),
        ("attention=dot: 3", "both of them text"),
        ("attention=dot: no attention", "two arms are called"),
        ("- x", "not a mapping"),
    ],
)
def test_a_wrong_declaration_is_one_line(tmp_path, text, words):
    place = write_study(tmp_path / "s", PLAN)
    (place / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words) as found:
        arm_names(read_records(place))
    assert "\n" not in str(found.value)
    assert FILE in str(found.value)


# planted bugs


def test_planted_text_that_is_not_escaped_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(latex, "_TEX", {})
    place = write_study(tmp_path / "x", PLAN)
    (place / FILE).write_text(json.dumps({"attention=dot": "a & b"}), encoding="utf-8")
    with pytest.raises(AssertionError):
        is_closed(written(place))


@pytest.mark.parametrize("broken", [r"\end{table}", r"\toprule" + "\n", "$+$"])
def test_planted_open_end_is_caught(study, broken):
    text = written(study)
    with pytest.raises((AssertionError, IndexError)):
        is_closed(text.replace(broken, {r"\end{table}": "", "$+$": "$+"}.get(broken, "{")))


def test_tex_keeps_plain_text():
    assert tex("BLEU of 3 seeds, p = 0.01") == "BLEU of 3 seeds, p = 0.01"
