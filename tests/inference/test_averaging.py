"""Averages of checkpoints against means by hand, and average.py."""

import json

import pytest
import torch

from seq2seq_lab.errors import CheckpointError
from seq2seq_lab.files import sidecar_of, verify, write_sidecar
from seq2seq_lab.inference import averaging as module
from seq2seq_lab.inference.averaging import average, last_checkpoints, mean_of_weights
from seq2seq_lab.inference.trained import load, read_checkpoint
from support import in_process_command
from support.in_process_command import one_line_error
from support.small_runs import SMALL_COPY, TINY_MODEL, run_command, run_folder, tiny_run

command = in_process_command.command


def several():
    """Return a run that kept its last three checkpoints."""
    keep = ("+training/callback=recent_checkpoints", "training.trainer.max_epochs=4")
    three = "training.callback.recent_checkpoints.save_top_k=3"
    return run_folder(*SMALL_COPY, *TINY_MODEL, *keep, three)


@pytest.fixture(scope="module", autouse=True)
def trained():
    """Train before any output is captured."""
    return several(), tiny_run()


def averages_by_hand(mean) -> None:
    states = [
        {"w": torch.tensor([1.0, -2.0])},
        {"w": torch.tensor([2.0, 0.0])},
        {"w": torch.tensor([6.0, 5.0])},
    ]
    assert mean(states)["w"].tolist() == [3.0, 1.0]


def test_the_mean_by_hand():
    averages_by_hand(mean_of_weights)


def test_planted_wrong_weight_is_caught():
    def running(states):
        mean = states[0]["w"]
        for state in states[1:]:
            mean = (mean + state["w"]) / 2
        return {"w": mean}

    with pytest.raises(AssertionError):
        averages_by_hand(running)


def test_the_sum_is_taken_in_64_bits():
    states = [{"w": torch.tensor([x])} for x in (1e8, 1.0, -1e8)]
    assert float(mean_of_weights(states)["w"]) == pytest.approx(1 / 3, rel=1e-6)


def test_whole_numbers_must_agree():
    same = [{"n": torch.tensor([3])}, {"n": torch.tensor([3])}]
    assert mean_of_weights(same)["n"].tolist() == [3]
    with pytest.raises(ValueError, match="no mean"):
        mean_of_weights([*same, {"n": torch.tensor([4])}])


@pytest.mark.parametrize("other", [{"w": torch.zeros(3)}, {"v": torch.zeros(2)}, {}])
def test_other_weights_are_refused(other):
    with pytest.raises(ValueError, match="not have the same weights"):
        mean_of_weights([{"w": torch.zeros(2)}, other])


def test_the_run_kept_its_last_checkpoints():
    names = sorted(p.name for p in (several() / "checkpoints").glob("*.ckpt"))
    assert names[:2] == ["best.ckpt", "last.ckpt"]
    assert len(names) == 5
    steps = [read_checkpoint(path)["global_step"] for path in last_checkpoints(several(), 3)]
    per_epoch = 24 // 4  # pairs / batch size
    assert steps == [2 * per_epoch, 3 * per_epoch, 4 * per_epoch]


def test_steps_are_known_without_checksum_files(tmp_path):
    for path in (several() / "checkpoints").glob("*.ckpt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = [read_checkpoint(path)["global_step"] for path in last_checkpoints(tmp_path, 3)]
    kept = [read_checkpoint(path)["global_step"] for path in last_checkpoints(several(), 3)]
    assert found == kept


def test_too_few_checkpoints_are_reported():
    with pytest.raises(CheckpointError, match=r"store more .* \+training/callback=recent_check"):
        last_checkpoints(several(), 9)


def test_the_average_loads_like_any_checkpoint(command, tmp_path):
    out = tmp_path / "average.ckpt"
    code, printed, err = command("average", several(), "--last", 3, "-o", out)
    assert (code, err) == (0, "")
    assert "mean of 3 checkpoints" in printed
    verify(out)
    assert json.loads(sidecar_of(out).read_text())["step"] > 0
    states = [read_checkpoint(path)["state_dict"] for path in last_checkpoints(several(), 3)]
    found = load(out).translator.model.state_dict()
    for name, tensor in found.items():
        mean = sum(state[f"model.{name}"].double() for state in states) / 3
        assert torch.allclose(tensor.double(), mean, atol=1e-7)
    code, line, _ = command("translate", out, "--text", "0 1 2")
    assert (code, line.count("\n")) == (0, 1)


def test_files_are_averaged_by_name(command, tmp_path):
    paths = last_checkpoints(several(), 2)
    assert command("average", *paths, "-o", tmp_path / "a.ckpt")[0] == 0
    one = read_checkpoint(tmp_path / "a.ckpt")
    assert one["averaged_steps"] == [read_checkpoint(path)["global_step"] for path in paths]


def test_an_average_of_one_checkpoint_is_that_checkpoint(tmp_path):
    (path,) = last_checkpoints(several(), 1)
    weights = read_checkpoint(path)["state_dict"]
    assert all(torch.equal(weights[k], v) for k, v in average([path])["state_dict"].items())


def test_another_model_is_refused(command, tmp_path):
    files = (*last_checkpoints(several(), 1), tiny_run() / "checkpoints" / "best.ckpt")
    error = one_line_error(command("average", *files, "-o", tmp_path / "a.ckpt"), 6)
    assert "its config (" in error
    assert "only checkpoints of one run" in error
    assert list(tmp_path.iterdir()) == []


def test_another_vocabulary_is_refused(tmp_path):
    path = several() / "checkpoints" / "last.ckpt"
    checkpoint = read_checkpoint(path)
    checkpoint["seq2seq_lab"]["target_tokenizer"] += " "
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="its target tokenizer differs"):
        average([path, tmp_path / "other.ckpt"])


def test_a_longer_training_is_the_same_run(tmp_path):
    path = several() / "checkpoints" / "last.ckpt"
    checkpoint = read_checkpoint(path)
    checkpoint["seq2seq_lab"]["config"]["training"]["trainer"]["max_epochs"] += 1
    torch.save(checkpoint, tmp_path / "other.ckpt")
    write_sidecar(tmp_path / "other.ckpt", step=checkpoint["global_step"])
    assert average([path, tmp_path / "other.ckpt"])["state_dict"]
    assert module.SAME == ("model", "data", "seed")


WRONG = {
    "no output": (["RUN", "--last", "2"], 2, "required: -o/--output"),
    "folder": (["RUN", "-o", "@/a"], 2, "add --last N"),
    "none": (["RUN", "--last", "0", "-o", "@/a"], 2, "--last 0: must be >= 1"),
    "too many": (["RUN", "--last", "50", "-o", "@/a"], 6, "50 wanted"),
    "two folders": (["RUN", "RUN", "--last", "2", "-o", "@/a"], 2, "needs one run folder"),
    "missing": (["@/nowhere.ckpt", "-o", "@/a"], 6, "nowhere.ckpt: no such checkpoint"),
    "output is input": (["RUN/checkpoints/last.ckpt", "-o", "RUN/checkpoints/last.ckpt"], 2, "is one of the checkp"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(command, tmp_path, name):
    arguments, code, says = WRONG[name]
    given = [a.replace("RUN", str(several())).replace("@", str(tmp_path)) for a in arguments]
    assert says in one_line_error(command("average", *given), code)
    assert list(tmp_path.iterdir()) == []


def test_a_process_averages(tmp_path):
    done = run_command("average", several(), "--last", 2, "-o", "a.ckpt", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    verify(tmp_path / "a.ckpt")
