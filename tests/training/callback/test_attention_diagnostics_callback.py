import pytest
import torch

from seq2seq_lab.metrics.attention_diagnostics import diagnose
from seq2seq_lab.training.callback.attention_diagnostics import AttentionDiagnostics
from support.small_runs import small, trainer

NAMES = {
    "entropy", "normalized_entropy", "kl_to_uniform", "monotonicity", "kendall_tau", "coverage",
    "coverage_deviation",
}  # fmt: skip


def figures(folder, *overrides):
    parts, callback = small(*overrides), AttentionDiagnostics()
    engine = trainer(folder, callbacks=[callback])
    engine.test(parts.module, datamodule=parts.data, verbose=False)
    return parts, callback.numbers


@torch.no_grad()
def alone(parts, head=0):
    """Return the figures of one pair at a time, without padding, over all pairs."""
    parts.module.eval()
    sums: dict[str, list[float]] = {}
    pairs = parts.data.encoded["test"]
    for i in range(len(pairs)):
        batch = pairs[torch.tensor([i])]
        looks = parts.module.model.attention_weights(
            batch.source, batch.source_lengths, batch.target_input
        )
        for name, mean in diagnose(looks[:, head], batch.source_mask, batch.target_mask).items():
            total, count = sums.get(name, (0.0, 0))
            sums[name] = (total + mean.total, count + mean.count)
    return {f"attention/{name}": total / count for name, (total, count) in sums.items()}


@torch.no_grad()
def aligned_alone(parts):
    """Return the alignment figures of the copy task: target token i is source token i, one pair at a time."""
    parts.module.eval()
    right = total = 0
    pairs = parts.data.encoded["test"]
    for i in range(len(pairs)):
        batch = pairs[torch.tensor([i])]
        weights = parts.module.model.attention_weights(
            batch.source, batch.source_lengths, batch.target_input
        )
        best = weights[0].mean(dim=0).argmax(dim=-1).tolist()[:-1]  # without the end token
        right += sum(place == step for step, place in enumerate(best))
        total += len(best)
    share = right / total
    return {
        "attention/alignment_error": 1 - share,
        "attention/alignment_precision": share,
        "attention/alignment_recall": share,
    }


def test_figures_are_those_of_each_pair_alone(tmp_path):
    parts, numbers = figures(tmp_path)
    aligned = {n: numbers.pop(n) for n in list(numbers) if n.startswith("attention/alignment_")}
    assert aligned == pytest.approx(aligned_alone(parts))
    assert set(numbers) == {f"attention/{name}" for name in NAMES}
    assert numbers == pytest.approx(alone(parts), rel=1e-5, abs=1e-5)


def test_heads_count_alike(tmp_path):
    parts, numbers = figures(tmp_path, "model/attention=multi_head")
    num_heads = parts.run["model"]["decoder"]["attention"]["num_heads"]
    each = [alone(parts, head) for head in range(num_heads)]
    numbers = {name: numbers[name] for name in each[0]}
    mean = {name: sum(one[name] for one in each) / num_heads for name in numbers}
    assert numbers == pytest.approx(mean, rel=1e-5, abs=1e-5)


def test_a_model_without_attention_has_no_figures(tmp_path):
    assert figures(tmp_path, "model=lstm")[1] == {}


def test_the_null_model_is_seen_as_such(tmp_path):
    numbers = figures(tmp_path, "model/attention=uniform")[1]
    assert numbers["attention/normalized_entropy"] == pytest.approx(1.0)
    assert numbers["attention/kl_to_uniform"] == pytest.approx(0.0, abs=1e-6)
    assert numbers["attention/kendall_tau"] == 0.0


def test_the_models_mode_does_not_change(tmp_path):
    from seq2seq_lab.training.callback.attention_diagnostics import measure

    parts = small()
    parts.module.model.train()
    measure(parts.module.model, [parts.data.encoded["test"][torch.tensor([0, 3])]], 0.5)
    assert parts.module.model.training


def test_no_threshold_is_refused():
    with pytest.raises(ValueError, match=r"threshold=0.0: must be > 0"):
        AttentionDiagnostics(0.0)
