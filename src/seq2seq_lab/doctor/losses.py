"""Properties O13 and O14: loss and perplexity equal their closed forms, and accumulation changes nothing."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor import runs
from seq2seq_lab.doctor.agreement import agree, demand
from seq2seq_lab.doctor.batches import random_batch, rows_of
from seq2seq_lab.doctor.copying import generate_only
from seq2seq_lab.doctor.patient import Patient
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.loss import TokenCrossEntropy, negative_log_likelihood

LOGGED = 1e-5
"""Lightning logs float32."""


def in_floats(logits: Tensor, targets: Tensor, smoothing: float) -> float:
    """Return the summed cross-entropy against (1 - e) on the target and e spread over the vocabulary, by a loop."""
    total = 0.0
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        log_sum = math.log(sum(math.exp(value) for value in row))
        negative = [log_sum - value for value in row]
        evenly = sum(negative) / len(negative)
        total += (1 - smoothing) * negative[target] + smoothing * evenly
    return total


def loss_equals_its_closed_form(loss: nn.Module, vocabulary: int) -> float:
    """The composed loss and the unsmoothed one, on random logits; a loss without smoothing must be the plain one."""
    generator = torch.Generator().manual_seed(11)
    logits = torch.randn(7, vocabulary, dtype=torch.float64, generator=generator)
    targets = torch.randint(vocabulary, (7,), generator=generator)
    smoothing = float(getattr(loss, "label_smoothing", 0.0))
    return max(
        agree(
            float(negative_log_likelihood(logits, targets)), in_floats(logits, targets, 0.0), "nll"
        ),
        agree(float(loss(logits, targets)), in_floats(logits, targets, smoothing), "training loss"),
    )


@torch.no_grad()
def mean_by_sentence(model: EncoderDecoder, batches: list[Batch]) -> float:
    """Return the unsmoothed loss per token, sentence by sentence, without a batch."""
    total, count = 0.0, 0
    for batch in batches:
        for row in range(len(batch)):
            one = rows_of(batch, [row])
            logits = model(one.source, one.source_lengths, one.target_input)
            total += in_floats(logits[0], one.target_output[0], 0.0)
            count += one.target_output.shape[1]
    return total / count


def loss_and_perplexity_equal_their_closed_forms(patient: Patient) -> float:
    """O13: loss = closed form; reported perplexity = that of all tokens, unsmoothed; a uniform model has V."""
    vocabulary = patient.vocabularies[1]
    worst = loss_equals_its_closed_form(patient.loss, vocabulary)
    batches = [patient.batch(1), random_batch((3,), (9,), patient.vocabularies)]
    model = patient.model(patient.seeds[0])
    module = runs.make_module(patient, model, loss=TokenCrossEntropy(0.3))
    logged = runs.validate(patient, module, batches)
    expected = mean_by_sentence(model, batches)
    worst = max(worst, agree(logged["val/loss"], expected, "validation loss", tolerance=LOGGED))
    surprise = math.log(logged["val/perplexity"])
    worst = max(worst, agree(surprise, expected, "log of perplexity", tolerance=LOGGED))
    generate_only(model)
    with torch.no_grad():
        for parameter in model.decoder.output.parameters():
            parameter.zero_()
    uniform = runs.validate(patient, runs.make_module(patient, model), batches)["val/perplexity"]
    what = "perplexity of a uniform model"
    return max(worst, agree(uniform / vocabulary, 1.0, what, tolerance=LOGGED))


def validation_ignores_the_ratio(patient: Patient) -> float:
    """O8, last part: the ratio has no effect on what validation reports, and validation draws no random number."""
    batches, values = [patient.batch(1)], []
    for ratio in (0.0, 1.0):
        module = runs.make_module(patient, patient.model(patient.seeds[0]), ratio)
        before = module.sampling_generator.get_state()
        values.append(runs.validate(patient, module, batches)["val/loss"])
        demand(torch.equal(before, module.sampling_generator.get_state()), "validation samples")
    return agree(values[0], values[1], "validation loss at ratio 0 and 1")


def accumulation_changes_nothing(patient: Patient) -> float:
    """O14: k small batches of unequal token counts make the step of one big batch; the last group may be short."""
    big = random_batch((1, 2, 9, 3, 1, 4, 2), (9, 1, 2, 7, 1, 8, 3), patient.vocabularies)
    small = [rows_of(big, rows) for rows in ([0], [1, 2], [3, 4], [5], [6])]
    whole = [rows_of(big, [0, 1, 2, 3, 4]), rows_of(big, [5, 6])]

    def weights(batches: list[Batch], accumulate: int) -> dict[str, Any]:
        model = patient.training_model(patient.seeds[0], dropout=False)
        return runs.fit(patient, runs.make_module(patient, model), batches, accumulate)

    before = dict(patient.training_model(patient.seeds[0], dropout=False).state_dict())
    one_step_each = weights(whole, 1)
    demand(any(not torch.equal(one_step_each[n], before[n]) for n in before), "nothing is trained")
    return agree(weights(small, 3), one_step_each, "weights after two steps:")
