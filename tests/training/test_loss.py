import math

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seq2seq_lab.data.batching import BatchOrder, BySentences
from seq2seq_lab.data.collate import EncodedPairs
from seq2seq_lab.data.tokenizer.word import WordTokenizer
from seq2seq_lab.decoding.greedy import Greedy
from seq2seq_lab.inference.translator import Translator
from seq2seq_lab.training import loss as loss_module
from seq2seq_lab.training import module as module_module
from seq2seq_lab.training.loss import TokenCrossEntropy, negative_log_likelihood
from seq2seq_lab.training.lr_schedule import Constant as ConstantRate
from seq2seq_lab.training.module import Seq2SeqModule
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential
from support.model_properties import assert_equal
from support.tiny_models import TARGET_VOCAB, covering_choices, make_model

# two tokens over three words: softmax is (1/7, 2/7, 4/7) and (1/2, 1/4, 1/4)
LOGITS = torch.tensor([[1.0, 2.0, 4.0], [6.0, 3.0, 3.0]], dtype=torch.float64).log()
TARGETS = torch.tensor([2, 1])


def value(number: float) -> torch.Tensor:
    return torch.tensor(number, dtype=torch.float64)


def equals_the_hand_worked_sum(loss) -> None:
    assert_equal(loss(LOGITS, TARGETS), value(math.log(7 / 4) + math.log(4)))


@pytest.mark.parametrize("loss", [negative_log_likelihood, TokenCrossEntropy()])
def test_the_sum_over_two_tokens_is_the_hand_worked_one(loss):
    equals_the_hand_worked_sum(loss)


def smoothing_equals_its_closed_form(loss_of) -> None:
    for smoothing in (0.1, 0.3):
        evenly = (
            math.log(7) + math.log(7 / 2) + math.log(7 / 4) + math.log(2) + 2 * math.log(4)
        ) / 3
        hard = math.log(7 / 4) + math.log(4)
        expected = (1 - smoothing) * hard + smoothing * evenly
        assert_equal(loss_of(smoothing)(LOGITS, TARGETS), value(expected))


def test_label_smoothing_equals_its_closed_form():
    smoothing_equals_its_closed_form(TokenCrossEntropy)


def test_the_gradient_is_probability_minus_target():
    logits = LOGITS.clone().requires_grad_()
    TokenCrossEntropy()(logits, TARGETS).backward()
    expected = [[1 / 7, 2 / 7, 4 / 7 - 1], [1 / 2, 1 / 4 - 1, 1 / 4]]
    assert_equal(logits.grad, torch.tensor(expected, dtype=torch.float64))


def equals_torchs_own(smoothing: float, dtype: torch.dtype = torch.float64, rows: int = 5) -> None:
    """Values and gradients, scaled by what comes after."""
    torch.manual_seed(1)
    logits = torch.randn(rows, 7, dtype=dtype) * 5
    targets = torch.randint(7, (rows,))
    found = []
    for loss in (TokenCrossEntropy(smoothing), torchs_own(smoothing)):
        leaf = logits.clone().requires_grad_()
        total = loss(leaf, targets)
        (total * 0.3).backward()
        found.append((total.detach(), leaf.grad))
    torch.testing.assert_close(found[0], found[1])


def torchs_own(smoothing: float):
    return lambda logits, targets: torch.nn.functional.cross_entropy(
        logits, targets, reduction="sum", label_smoothing=smoothing
    )


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_values_and_gradients_are_torchs_own(dtype, smoothing, rows):
    equals_torchs_own(smoothing, dtype, rows)


def half_precision_is_widened(loss) -> None:
    """The loss of bfloat16 logits is that of the same numbers in float32; the gradient is rounded once, at the end."""
    torch.manual_seed(1)
    half, targets = (torch.randn(5, 7) * 3).bfloat16(), torch.randint(7, (5,))
    half[0, targets[0]] = 12.0  # sure of itself: 1 - p is below the spacing of bfloat16 at 1
    wide = half.float().requires_grad_()
    expected = torchs_own(0.0)(wide, targets)
    expected.backward()
    for enabled in (False, True):
        leaf = half.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            total = loss(leaf, targets)
        total.backward()
        torch.testing.assert_close(total.detach(), expected.detach(), check_dtype=False)
        torch.testing.assert_close(leaf.grad, wide.grad.bfloat16(), atol=0, rtol=0.01)


def test_half_precision_is_widened():
    half_precision_is_widened(negative_log_likelihood)


def test_planted_loss_in_half_precision_is_caught():
    with pytest.raises(AssertionError):
        half_precision_is_widened(
            lambda logits, targets: -logits.log_softmax(-1)[range(5), targets].sum()
        )


def test_a_second_backward_through_the_same_graph_is_refused_and_not_wrong():
    logits = torch.randn(5, 7).requires_grad_()
    total = negative_log_likelihood(logits, torch.randint(7, (5,)))
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=rf"label_smoothing={smoothing}: must be in \[0, 1\)"):
        TokenCrossEntropy(smoothing)


# perplexity as a run reports it


def reported(tmp_path, *, smoothing: float = 0.0, uniform: bool = False) -> dict[str, float]:
    """Return what validation logs, and the same in one sum over all pairs: `nll`, `tokens`."""
    model = make_model(covering_choices()[0]).float()
    if uniform:
        torch.nn.init.zeros_(model.decoder.output.weight)
        torch.nn.init.zeros_(model.decoder.output.bias)
    targets = [[4] * n for n in (1, 1, 1, 1, 9)]
    pairs = EncodedPairs([[5, 6], [7], [8, 9, 5], [4], [6]], targets)
    order = BatchOrder(
        BySentences(2), pairs.source_lengths, pairs.target_lengths, seed=1, training=False
    )
    module = make_module(model, smoothing)
    trainer = pl.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    module.transfer_batch_to_device = lambda batch, device, index: batch
    logged = trainer.validate(
        module, DataLoader(pairs, sampler=order, batch_size=None), verbose=False
    )[0]
    whole = pairs[torch.arange(5)]
    logits = model(whole.source, whole.source_lengths, whole.target_input)[whole.target_mask]
    chosen = logits.log_softmax(-1)[
        torch.arange(len(logits)), whole.target_output[whole.target_mask]
    ]
    return {**logged, "expected": math.exp(-chosen.mean().item())}


def make_module(model, smoothing: float) -> Seq2SeqModule:
    translator = Translator(model, WordTokenizer(), WordTokenizer(), Greedy(), 5)
    return Seq2SeqModule(
        model,
        TokenCrossEntropy(smoothing),
        torch.optim.SGD,
        ConstantRate(),
        Sequential(),
        translator,
    )


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary(tmp_path):
    numbers = reported(tmp_path, uniform=True)
    assert numbers["val/perplexity"] == pytest.approx(TARGET_VOCAB, rel=1e-5)


def perplexity_is_that_of_one_sum(tmp_path) -> None:
    for smoothing in (0.0, 0.3):
        numbers = reported(tmp_path, smoothing=smoothing)
        assert numbers["val/perplexity"] == pytest.approx(numbers["expected"], rel=1e-5)


def test_perplexity_is_unsmoothed_and_weighted_by_tokens_over_batches(tmp_path):
    perplexity_is_that_of_one_sum(tmp_path)


# planted bugs


def test_planted_mean_of_batch_means_is_caught(tmp_path, monkeypatch):
    def add(self, split, total, count):
        original(self, split, total / count, 1)

    original = Seq2SeqModule._add
    monkeypatch.setattr(Seq2SeqModule, "_add", add)
    with pytest.raises(AssertionError):
        perplexity_is_that_of_one_sum(tmp_path)


def test_planted_smoothed_perplexity_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(module_module, "UNSMOOTHED", TokenCrossEntropy(0.3))
    with pytest.raises(AssertionError):
        perplexity_is_that_of_one_sum(tmp_path)


def test_planted_mean_in_place_of_sum_is_caught(monkeypatch):
    def mean(log_probabilities, targets, reduction):
        return nll_loss(log_probabilities, targets)

    nll_loss = loss_module.F.nll_loss
    monkeypatch.setattr(loss_module.F, "nll_loss", mean)
    with pytest.raises(AssertionError):
        equals_the_hand_worked_sum(negative_log_likelihood)


def test_planted_smoothing_over_the_other_words_only_is_caught():
    def others_only(smoothing):
        return TokenCrossEntropy(smoothing * 3 / 2)  # e spread over V - 1 words

    with pytest.raises(AssertionError):
        smoothing_equals_its_closed_form(others_only)


def test_planted_gradient_without_the_factor_after_it_is_caught(monkeypatch):
    backward = loss_module._CrossEntropy.backward
    unscaled = staticmethod(lambda ctx, gradient: backward(ctx, torch.ones_like(gradient)))
    monkeypatch.setattr(loss_module._CrossEntropy, "backward", unscaled)
    with pytest.raises(AssertionError):
        equals_torchs_own(0.1)
