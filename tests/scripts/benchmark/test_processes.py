"""Whole programs are timed by what they themselves tell; here small ones that say known speeds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import count_rows, processes
from benchmark.commands import (
    Command,
    joeynmt,
    open_nmt,
    ours,
    read_log,
    work_overrides,
    write_work,
)
from benchmark.work import SOURCE_VOCAB, make_pairs, read_pairs
from seq2seq_lab.errors import ConfigError, ResourceError
from seq2seq_lab.special_tokens import UNK

TALKER = """
import sys, time
held = bytearray(60_000_000)
for step in range(1000):
    print(f"Tokens per Sec: {100 * (step + 1)}", flush=True)
    time.sleep(0.01)
"""


def talker(text: str = TALKER, name: str = "talker") -> Command:
    return Command(
        name, (sys.executable, "-c", text), lambda folder: read_log(folder, r"Sec:\s*([\d.]+)")
    )


def test_a_program_is_stopped_after_its_lines():
    found = processes.run(talker(), lines=3, every=1, threads=1)
    assert found.speeds == [100.0, 200.0, 300.0]
    assert 0 < found.first_line < 60
    assert 60 < found.peak_memory < 200


def test_a_program_that_ends_too_soon_is_reported_with_its_last_words():
    dying = talker("import sys; sys.exit('no such file')")
    with pytest.raises(ResourceError, match="talker: printed 0 speeds, then: no such file"):
        processes.run(dying, lines=3, every=1, threads=1)


def test_the_first_line_is_left_out_as_warming_up():
    rates, others = processes.in_turn([talker(name="a"), talker(name="b")], 1, 2, 1)
    assert rates["a"].median == rates["b"].median == 250.0
    assert others["a"]["first_step_s"] > 0


def test_the_work_is_the_same_text_for_all(tmp_path):
    write_work(tmp_path, make_pairs(50))
    for side in ("source", "target"):
        lines = (tmp_path / f"text.{side}").read_text().splitlines()
        words = {word for line in lines for word in line.split()}
        assert len(lines) == 50
        assert words == set((tmp_path / f"onmt.{side}").read_text().split())
        assert words | {"<unk>", "<pad>", "<s>", "</s>"} == set(
            (tmp_path / f"joey.{side}").read_text().split()
        )
    assert len(lines[0].split()) == int(make_pairs(50).target_lengths[0]) - 1


def test_real_text_is_the_work_too_and_its_unknown_words_stay(tmp_path):
    source, target = tmp_path / "de", tmp_path / "en"
    source.write_text("ein hund\nein hund läuft\n", encoding="utf-8")
    target.write_text("a dog\na dog runs\n", encoding="utf-8")
    pairs = read_pairs(str(source), str(target), 2)
    assert pairs.source_lengths.tolist() == [3, 4]
    write_work(tmp_path, pairs)
    first, second = (line.split() for line in (tmp_path / "text.source").read_text().splitlines())
    assert second == [*first, f"s{UNK}"]


def test_text_with_more_words_than_the_model_knows_is_refused(tmp_path):
    lines = "\n".join(f"w{i} w{i}" for i in range(SOURCE_VOCAB)) + "\n"
    for side in ("de", "en"):
        (tmp_path / side).write_text(lines, encoding="utf-8")
    with pytest.raises(ConfigError, match="give fewer lines"):
        read_pairs(str(tmp_path / "de"), str(tmp_path / "en"), 2)


def test_peers_get_the_same_sizes_as_we_do(tmp_path):
    joey = json.loads(
        joeynmt(tmp_path, tmp_path, "luong").files["joey.yaml"].replace("{every}", "7")
    )
    onmt = open_nmt(tmp_path, tmp_path, "general", input_feeding=False).files["onmt.yaml"]
    onmt = json.loads(onmt.replace("{every}", "7"))
    mine = dict(one.split("=", 1) for one in work_overrides(tmp_path))
    assert joey["training"]["logging_freq"] == onmt["report_every"] == 7
    width, batch = int(mine["model.dim"]), int(mine["data.batching.batch_size"])
    assert joey["model"]["decoder"]["hidden_size"] == onmt["hidden_size"] == width
    assert 2 * joey["model"]["encoder"]["hidden_size"] == width
    assert joey["training"]["batch_size"] == onmt["batch_size"] == batch
    assert onmt["input_feed"] == 0
    assert "model.decoder.input_feeding=true" in ours("x", tmp_path, tmp_path, *FED).words


FED = ("model.decoder.input_feeding=true",)
ROWS = "class Model:\n    def step(self, rows):\n        return rows\n"
PROGRAM = """
import toy, torch
for count in (3, 5):
    toy.Model().step(rows=torch.zeros(count, 2))
"""


def test_rows_are_counted_from_outside(tmp_path):
    (tmp_path / "toy.py").write_text(ROWS)
    (tmp_path / "program.py").write_text(PROGRAM)
    words = [sys.executable, str(Path(count_rows.__file__)), "toy:Model:step", "program.py"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert done.stderr.decode().startswith("8 rows, ")
