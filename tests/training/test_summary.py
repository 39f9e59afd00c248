import json

import pytest

from seq2seq_lab.training.summary import print_summary

NUMBERS = {"test/bleu": 12.345, "val/bleu": 9.0, "test/exact_match": 50.0, "test/perplexity": 7.1}
NUMBERS |= {f"test/exact_match_length_q{i}": 10.0 * i for i in range(1, 5)}


def store(folder, *rows):
    (folder / "hypotheses").mkdir()
    lines = [
        json.dumps(dict(zip(("source", "reference", "hypothesis"), row, strict=True)))
        for row in rows
    ]
    (folder / "hypotheses" / "test.jsonl").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def printed(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*rows, numbers=NUMBERS):
        if rows:
            store(tmp_path, *rows)
        print_summary(tmp_path, numbers)
        return capsys.readouterr().out

    return run


def test_metrics_are_shown_with_two_digits(printed):
    lines = printed().splitlines()
    (bleu,) = [line for line in lines if line.startswith("│ BLEU ")]
    assert [cell.strip() for cell in bleu.strip("│").split("│")] == ["BLEU", "9.00", "12.35"]


def test_the_title_says_which_weights_they_are(printed, tmp_path):
    assert "The best checkpoint" in printed()
    (tmp_path / "mean.ckpt").touch()
    assert "The mean of the last checkpoints" in printed()


def test_a_metric_that_was_not_measured_is_a_dash(printed):
    (chrf,) = [line for line in printed().splitlines() if "chrF " in line]
    assert [cell.strip() for cell in chrf.strip("│").split("│")] == ["chrF", "-", "-"]


def test_length_quarters_are_shown_in_order(printed):
    assert "10.0 20.0 30.0 40.0" in printed()


def test_three_translations_are_shown(printed):
    out = printed(*[(f"source{i}", f"reference{i}", f"hypothesis{i}") for i in range(5)])
    assert all(
        f"{name}{i}" in out for name in ("source", "reference", "hypothesis") for i in range(3)
    )
    assert "source3" not in out


def test_without_a_test_split_there_are_no_translations(printed):
    assert "Test translations" not in printed()


def test_control_characters_of_the_corpus_do_not_reach_the_terminal(printed):
    out = printed(("a\x1b[31mred", "b\x07", "c\u202ed\u2028e"))
    assert not any(c in out for c in "\x1b\x07\u202e\u2028")


def test_markup_of_the_corpus_is_shown_as_it_is(printed):
    assert "[bold]x[/bold]" in printed(("[bold]x[/bold]", "[/]", "[red]"))


def test_a_very_long_text_is_cut(printed):
    assert "x" * 300 not in printed(("x" * 300, "b", "c")).replace("\n", "")


def test_only_files_that_exist_are_listed_and_the_next_command_is_told(printed, tmp_path):
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "attention").mkdir()
    out = printed()
    assert "result.json" in out
    assert "attention/" not in out
    assert f"seq2seq-lab translate {tmp_path} --text" in out
