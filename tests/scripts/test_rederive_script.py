"""rederive.py, in a process of its own without the package, finds every number that was changed."""

import ast
import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seq2seq_lab.metrics.metric import Metric, Ratio
from seq2seq_lab.metrics.table import METRICS
from seq2seq_lab.report.page import write_report
from seq2seq_lab.report.records import read_records
from support.study_folder import Plan, write_study

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PLAN = Plan(errors={"none": 0.4, "dot": 0.1}, seeds=(1, 2, 3), sentences=16, seed_spread=0.01)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    place = write_study(tmp_path_factory.mktemp("studies") / "rederived", PLAN)
    write_report(place)
    return place


def rederive(place: Path, *, blocked: bool = True) -> subprocess.CompletedProcess:
    """Run the script with the package made impossible to import."""
    block = "import sys; sys.modules['seq2seq_lab'] = None; " if blocked else "import sys; "
    script = SCRIPTS / "rederive.py"
    code = f"{block}sys.path.insert(0, {str(SCRIPTS)!r}); import runpy; sys.argv = ['r', {str(place)!r}]; " \
           f"runpy.run_path({str(script)!r}, run_name='__main__')"  # fmt: skip
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_it_imports_nothing_of_ours():
    names = {path.stem for path in SCRIPTS.glob("rederive*.py")}
    for name in names:
        tree = ast.parse((SCRIPTS / f"{name}.py").read_text(encoding="utf-8"))
        found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        found |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        outside = {m.split(".")[0] for m in found} - set(sys.stdlib_module_names)
        assert outside <= {"numpy", "sacrebleu"} | names


def test_every_number_is_derived_again(study):
    done = rederive(study)
    assert (done.returncode, done.stderr) == (0, "")
    right, total = done.stdout.split()[0], done.stdout.split()[2]
    assert right == total
    assert int(total) > 150


def test_one_seed_and_the_metrics_of_sacrebleu_are_derived_again(tmp_path):
    plan = Plan(errors=PLAN.errors, seeds=(4,), sentences=16, metric="test/bleu")
    place = write_study(tmp_path / "one", plan)
    write_report(place)
    done = rederive(place)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("lost", [["*none-s1-*"], ["*dot-s2-*", "*dot-s3-*"]])
def test_arms_with_other_seeds_are_derived_again(tmp_path, lost):
    place = write_study(tmp_path / "other", PLAN)
    for folder in [one for pattern in lost for one in place.glob(f"runs/{pattern}")]:
        shutil.rmtree(folder)
    write_report(place)
    done = rederive(place)
    assert done.returncode == 0, done.stdout


def test_several_references_and_scores_from_a_file_are_derived_again(tmp_path):
    plan = replace(PLAN, several_references=True, metric="test/ter")
    place = write_study(tmp_path / "several", plan)
    rows = [
        {"run": run.name, "id": i, "metric": "comet", "score": len(one.hypothesis) / 7, "lower_is_better": True}
        for run in read_records(place).runs for i, one in enumerate(run.translated)
    ]  # fmt: skip
    path = tmp_path / "scores.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    write_report(place, scores=str(path))
    done = rederive(place)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for table, column in (("by_rarity.csv", "p"), ("by_target_length.csv", "mean")):
        tamper(place / "report" / table, column)
    stored = place / "report" / "scores.jsonl"
    first, _, rest = stored.read_text().partition("\n")
    changed = json.dumps(json.loads(first) | {"score": 9.0})
    stored.write_text(f"{changed}\n{rest}", encoding="utf-8")
    lines = rederive(place).stdout.splitlines()
    for words in ("by_rarity.csv, ", "by_target_length.csv, ", "comparisons.csv, test/comet, "):
        assert any(line.startswith(words) for line in lines), words
    assert not any("test/ter" in line and line.startswith("comp") for line in lines)


TABLES = {
    "table.csv": ["mean", "sd", "low", "difference", "diff_high", "p", "p_holm", "smallest_effect"],
    "comparisons.csv": ["difference", "diff_low", "p", "p_holm"],
    "by_length.csv": ["mean", "high", "p", "p_holm"],
    "runs.csv": ["test/bleu", "val/chrf", "test/exact_match_length_q2", "test/loss"],
}


def tamper(path: Path, column: str) -> None:
    """Change the last number of a column in its eighth digit."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    row = [r for r in rows if r[column]][-1]
    row[column] = repr(float(row[column]) * (1 + 1e-7) + 1e-7)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_planted_numbers_are_found(study, tmp_path):
    place = shutil.copytree(study, tmp_path / "study")
    for name, columns in TABLES.items():
        for column in columns:
            tamper(place / "report" / name, column)
    done = rederive(place)
    assert done.returncode == 1
    for name, columns in TABLES.items():
        for column in columns:
            found = [
                x for x in done.stdout.split("\n") if x.startswith(name) and f", {column}: " in x
            ]
            assert found, (name, column)
    assert len(done.stdout.strip().split("\n")) == sum(map(len, TABLES.values())) + 1


def test_planted_hypothesis_is_found(study, tmp_path):
    place = shutil.copytree(study, tmp_path / "study")
    path = next(place.glob("runs/*dot-s2*/hypotheses/test.jsonl"))
    lines = path.read_text(encoding="utf-8").split("\n")
    row = json.loads(lines[3])
    lines[3] = json.dumps({**row, "hypothesis": row["hypothesis"] + "九"}, ensure_ascii=False)
    path.write_text("\n".join(lines), encoding="utf-8")
    done = rederive(place)
    assert done.returncode == 1
    assert "runs.csv, attention=dot-s2" in done.stdout


# metrics that it has no formula for


def study_with(row: Metric, place: Path) -> Path:
    """Write a study, and its report, while METRICS has one more row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, row.name, row)
        write_study(place, PLAN)
        write_report(place)
    return place


@pytest.fixture(scope="module")
def with_a_new_ratio(tmp_path_factory) -> Path:
    def lengths(hypotheses, references):
        return [(len(h), len(r)) for h, r in zip(hypotheses, references, strict=True)]

    row = Ratio("length_ratio", "length %", lengths)
    return study_with(row, tmp_path_factory.mktemp("studies") / "ratio")


def test_a_new_ratio_is_derived_from_its_counts(with_a_new_ratio):
    done = rederive(with_a_new_ratio)
    assert (done.returncode, done.stderr) == (0, "")


def test_planted_count_is_found(with_a_new_ratio, tmp_path):
    place = shutil.copytree(with_a_new_ratio, tmp_path / "study")
    path = next(place.glob("runs/*dot-s2*/hypotheses/test_counts.jsonl"))
    lines = path.read_text(encoding="utf-8").split("\n")
    counts = json.loads(lines[3])
    lines[3] = json.dumps(counts | {"length_ratio": [counts["length_ratio"][0] + 1, 5]})
    path.write_text("\n".join(lines), encoding="utf-8")
    done = rederive(place)
    assert done.returncode == 1
    assert "runs.csv, attention=dot-s2" in done.stdout
    assert "comparisons.csv, test/length_ratio, attention=dot, p:" in done.stdout
    assert "test/bleu" not in done.stdout


def test_a_metric_without_a_formula_here_is_not_passed(tmp_path):
    row = replace(METRICS["chrf"], name="chrf_again")
    done = rederive(study_with(row, tmp_path / "study"))
    assert done.returncode == 1
    *lines, last = done.stdout.splitlines()
    assert lines == [
        "test/chrf_again: 11 numbers not derived, no formula for it here",
        "val/chrf_again: 6 numbers not derived, no formula for it here",
    ]
    assert last.split()[0] == last.split()[2]


def test_a_folder_without_report_is_an_error(tmp_path):
    done = rederive(tmp_path)
    assert done.returncode == 2
    assert "seq2seq-lab report" in done.stderr


def break_result(place: Path, content: str) -> None:
    next(place.glob("runs/*dot-s2*/result.json")).write_text(content, encoding="utf-8")


def name_an_unknown_arm(place: Path) -> None:
    path = place / "report" / "table.csv"
    text = path.read_text(encoding="utf-8").replace("attention=dot", "\x1b[31mno\x07")
    path.write_text(text, encoding="utf-8")


DAMAGED = {
    "deep JSON": (lambda place: break_result(place, "[" * 200_000), "result.json: not JSON"),
    "a list": (lambda place: break_result(place, "[1]"), "result.json: not a JSON object"),
    "empty": (lambda place: break_result(place, ""), "result.json: not JSON"),
    "unknown arm": (name_an_unknown_arm, "KeyError: '\\x1b[31mno"),
    "no sentences": (
        lambda place: next(place.glob("runs/*dot-s2*/hypotheses/test.jsonl")).write_text("{}\n"),
        "KeyError: ",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_an_error_of_one_line(case, study, tmp_path):
    place = shutil.copytree(study, tmp_path / "study")
    damage, words = DAMAGED[case]
    damage(place)
    done = rederive(place)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert words in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
