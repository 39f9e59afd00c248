import pytest
import torch

from seq2seq_lab.training import output_loss
from seq2seq_lab.training import training_loss as training_loss_module
from seq2seq_lab.training.loss import TokenCrossEntropy
from seq2seq_lab.training.scheduled_sampling.parallel import Parallel
from seq2seq_lab.training.scheduled_sampling.sequential import Sequential, teacher_forced_logits
from seq2seq_lab.training.training_loss import teacher_forced_loss, training_loss
from support.tiny_models import covering_choices, make_batch, make_model
from support.tiny_transformers import make_any, transformer_choices

CHOICES = (*covering_choices()[:4], *transformer_choices()[:2])


class TwiceTheLoss(TokenCrossEntropy):
    """A user's class, which says the rest in `forward`."""

    def forward(self, logits, targets):
        return 2 * super().forward(logits, targets)


class OwnSampling(Sequential):
    """A user's class that is not teacher forcing at a ratio of 1."""

    def __call__(self, model, batch, ratio, generator):
        return 3 * super().__call__(model, batch, ratio, generator)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(output_loss, "FEWEST", 4)
    monkeypatch.setattr(output_loss, "LARGEST", 1)


def with_gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def on_all_logits(model, batch, loss):
    return loss(teacher_forced_logits(model, batch), batch.target_output[batch.target_mask])


def fused_equals_all_logits(model, loss):
    batch = make_batch()
    found = with_gradients(model, teacher_forced_loss(model, batch, loss))
    expected = with_gradients(model, on_all_logits(model, batch, loss))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_loss_and_every_gradient_are_those_of_all_logits(choice):
    fused_equals_all_logits(make_any(choice), TokenCrossEntropy(0.1))


@pytest.mark.parametrize("sampling", [Sequential(), Parallel()])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_training_loss_is_that_of_the_samplings_logits(sampling, ratio):
    model, batch, loss = make_model(CHOICES[0]), make_batch(), TokenCrossEntropy()
    seeded = [torch.Generator().manual_seed(1) for _ in range(2)]
    targets = batch.target_output[batch.target_mask]
    expected = loss(sampling(model, batch, ratio, seeded[0]), targets)
    found = training_loss(model, batch, loss, sampling, ratio, seeded[1])
    torch.testing.assert_close(found, expected)


def users_classes_are_called():
    model, batch, generator = make_model(CHOICES[0]), make_batch(), torch.Generator()
    targets = batch.target_output[batch.target_mask]
    logits = teacher_forced_logits(model, batch)
    twice = teacher_forced_loss(model, batch, TwiceTheLoss())
    torch.testing.assert_close(twice, TwiceTheLoss()(logits, targets))
    other = training_loss(model, batch, TokenCrossEntropy(), OwnSampling(), 1.0, generator)
    torch.testing.assert_close(other, TokenCrossEntropy()(3 * logits, targets))


def test_a_users_loss_and_a_users_sampling_are_called():
    users_classes_are_called()


@pytest.mark.parametrize("place", ["model", "decoder", "output"])
def test_a_users_forward_is_called(place):
    model, batch = make_model(CHOICES[0]), make_batch()
    owner = {"model": model, "decoder": model.decoder, "output": model.decoder.output}[place]
    original = type(owner).forward
    changed = type(
        "Changed", (type(owner),), {"forward": lambda self, *args: 3 * original(self, *args)}
    )
    owner.__class__ = changed
    found = teacher_forced_loss(model, batch, TokenCrossEntropy())
    torch.testing.assert_close(found, on_all_logits(model, batch, TokenCrossEntropy()))


def test_a_hook_on_the_output_layer_is_called():
    model, batch = make_model(CHOICES[0]), make_batch()
    model.decoder.output.register_forward_hook(lambda module, given, logits: 3 * logits)
    found = teacher_forced_loss(model, batch, TokenCrossEntropy())
    torch.testing.assert_close(found, on_all_logits(model, batch, TokenCrossEntropy()))


def test_logits_of_the_whole_batch_are_never_made(monkeypatch):
    model, batch, largest = make_model(CHOICES[0]), make_batch(), []

    class Counting(output_loss.Matrix):
        def times(self, inputs, *others):
            largest.append(len(inputs))
            return super().times(inputs, *others)

    monkeypatch.setattr(output_loss, "Matrix", Counting)
    teacher_forced_loss(model, batch, TokenCrossEntropy())
    assert max(largest) <= 4
    assert sum(largest) == int(batch.target_mask.sum())


# planted bugs


def test_planted_fusing_of_every_class_is_caught(monkeypatch):
    monkeypatch.setattr(training_loss_module, "TokenCrossEntropy", TwiceTheLoss)
    with pytest.raises(AssertionError):
        users_classes_are_called()


def test_planted_smoothing_left_out_is_caught(monkeypatch):
    def unsmoothed(output, vectors, targets, _):
        return output_loss.output_cross_entropy(output, vectors, targets)

    monkeypatch.setattr(training_loss_module, "output_cross_entropy", unsmoothed)
    with pytest.raises(AssertionError):
        fused_equals_all_logits(make_any(CHOICES[0]), TokenCrossEntropy(0.1))
