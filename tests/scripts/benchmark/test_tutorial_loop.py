"""The slow road of the benchmark equals the fast one, so its ratios compare like with like."""

from dataclasses import replace

import pytest
import torch

from benchmark import tutorial_loop, work
from benchmark.measure import agreement_with_sequential, sizes_of
from benchmark.timing import Competitor, Rate, interleaved, ratio
from benchmark.tutorial_loop import tutorial_loss, tutorial_outputs
from seq2seq_lab.training.loss import negative_log_likelihood
from seq2seq_lab.training.scheduled_sampling.sequential import (
    sequential_logits,
    teacher_forced_logits,
)
from support import model_properties as properties

SMALL = {"EMBEDDING": 6, "DIM": 8, "SOURCE_VOCAB": 23, "TARGET_VOCAB": 19, "DROPOUT": 0.0}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(work, name, value)


def batch():
    return work.make_batches(work.make_pairs(7), bucketed=False)[0]


def tutorial_logits(model, one, coins=None):
    return tutorial_outputs(model, one, coins)[one.target_mask]


def with_gradients(model, one, logits):
    found = logits(model, one)
    targets = one.target_output[one.target_mask]
    return found.detach(), properties.gradients(model, negative_log_likelihood(found, targets))


def loop_equals_the_fast_road(name: str) -> None:
    model, one = work.make_model(name).double(), batch()
    slow = with_gradients(model, one, tutorial_logits)
    properties.assert_equal(slow, with_gradients(model, one, teacher_forced_logits))


@pytest.mark.parametrize("name", [*work.NAMES, work.TUTORIAL])
def test_the_tutorial_loop_equals_the_fast_road(name):
    loop_equals_the_fast_road(name)


def test_the_loss_of_the_tutorial_loop_leaves_padding_out():
    model, one = work.make_model("lstm").double(), batch()
    fast = work.mean_loss(teacher_forced_logits)(model, one)
    torch.testing.assert_close(tutorial_loss(model, one), fast, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", [*work.NAMES, work.TUTORIAL])
def test_the_tutorial_loop_feeds_what_the_coins_say(name):
    model, one = work.make_model(name).double(), batch()
    coins = torch.arange(one.target_input.shape[1]) % 2 == 0
    model.decoder.output.bias.data[:2] = -torch.inf  # it knows no rule against PAD and BOS
    expected = sequential_logits(model, one, coins.expand(len(one), -1))
    properties.assert_equal(tutorial_logits(model, one, coins), expected)


def test_planted_look_at_the_wrong_memory_is_caught(monkeypatch):
    attend = tutorial_loop.attend
    calls = []

    def late(attention, state, memory):
        calls.append(memory)
        other = replace(memory, states=memory.states.flip(0))
        return attend(attention, state, memory if len(calls) < 3 else other)

    monkeypatch.setattr(tutorial_loop, "attend", late)
    with pytest.raises(AssertionError):
        loop_equals_the_fast_road("lstm_attn")


def test_the_pairs_have_the_lengths_that_were_announced():
    pairs = work.make_pairs(5000)
    lengths = pairs.target_lengths.double()
    assert abs(float(lengths.mean()) - 14.0) < 0.3  # 13 words and the end
    assert int(lengths.max()) <= work.LONGEST + 1
    bucketed = work.make_batches(pairs, bucketed=True)
    assert sum(len(one) for one in bucketed) == 5000
    padding = sum(one.target_mask.numel() for one in bucketed) / float(lengths.sum())
    assert padding < 1.05


def test_the_count_of_operations_is_the_one_worked_out_by_hand(monkeypatch):
    monkeypatch.undo()
    sizes = work.Sizes(source_per_target=1.0, source_length=14.0)
    encoder = 2 * 4 * 256 * 512
    output, cell = 512 * 5921, 4 * 512 * 768
    assert work.flops_per_target_token("lstm", sizes) == 6 * (encoder + output + cell)
    attention = 512 * 512 + 2 * 14 * 512 + 2 * 512 * 512
    expected = 6 * (encoder + output + cell + attention)
    assert work.flops_per_target_token("lstm_attn", sizes) == expected
    fed = expected + 6 * 4 * 512 * 512
    assert work.flops_per_target_token("lstm_attn_input_feed", sizes) == fed


def test_sizes_are_counted_over_real_tokens():
    one = batch()
    sizes = sizes_of([one])
    sources = int(one.source_mask.sum())
    assert sizes.source_per_target == pytest.approx(sources / int(one.target_mask.sum()))
    assert sizes.source_length == pytest.approx(sources / 7)


def test_competitors_take_turns_in_both_directions():
    calls = []
    runs = [
        Competitor(name, lambda item, name=name: calls.append((name, item)), [1, 2], float)
        for name in "ab"
    ]
    rates = interleaved(runs, rounds=2, steps=2, warm_up=1)
    assert "".join(name for name, _ in calls[2:]) == "aabbbbaa"
    assert [item for name, item in calls if name == "a"] == [1, 2, 1, 2, 1]
    assert len(rates["a"].blocks) == 2


def test_a_ratio_is_taken_round_by_round():
    one, other = Rate.of([2.0, 30.0, 4.0]), Rate.of([1.0, 10.0, 1.0])
    assert ratio(one, other).median == 3.0


def test_agreement_rises_to_one_with_the_passes():
    one = batch()
    model = work.make_model("lstm_attn_input_feed").double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.7)
    shares = []
    for passes in (2, 4, one.target_input.shape[1] + 1):
        same, places = agreement_with_sequential(model, one, passes, seed=1)
        shares.append(same / places)
    assert shares[0] < shares[-1] == 1.0
