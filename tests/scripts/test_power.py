"""scripts/power.py makes its tables, and its simulated studies have the variances that they should have."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from power_procedures import PROCEDURES, rates, simulate
from support.study_folder import Plan, write_study

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "power.py"


def run(*words: str) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_simulated_estimates_have_their_true_means():
    generator = np.random.default_rng(1)
    s = simulate(generator, 20_000, 3, 50, (0.4, 0.2), 0.25, 0.5)
    assert s.difference.var() == pytest.approx(1.1, rel=0.04)
    assert s.variance == pytest.approx(1.1)
    assert s.seeds.mean(0) == pytest.approx([0.4, 0.2], rel=0.04)
    assert s.together.mean(0) == pytest.approx([0.1, 0.05], rel=0.02)
    assert s.sentences.mean() == pytest.approx(0.5, rel=0.02)
    assert s.paired.mean() == pytest.approx(0.6, rel=0.04)


def test_every_procedure_is_judged():
    found = rates(simulate(np.random.default_rng(2), 500, 3, 50, (0.2, 0.2), 0.25, 0.6))
    assert list(found) == list(PROCEDURES)
    assert all(false < 12.0 and 30.0 < right < 110.0 for false, right in found.values())


def test_tables_of_a_linear_metric():
    shown = run("linear", "--repetitions", "40", "--seeds", "3", "--sentences", "50")
    assert shown.count("| chosen |") == 6


def test_tables_of_hypotheses(tmp_path):
    seeds = tuple(range(1, 7))
    plan = Plan(errors={"none": 0.3, "dot": 0.2}, seeds=seeds, sentences=20, seed_spread=0.02)
    place = write_study(tmp_path / "study", plan)
    words = (str(place), "--repetitions", "20", "--seeds", "3", "--sentences", "20")
    shown = run("bleu", *words)
    assert "correlation over 6 common seeds" in shown
    assert "| both | 3 | 20 |" in shown
    assert "| 20 |" in run("plan", *words)
