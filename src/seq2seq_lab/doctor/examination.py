"""The doctor's checks of the properties O1 to O14 and O25 on a patient, and a verdict for each."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor import (
    attending,
    copying,
    encoding,
    enumeration,
    losses,
    padding,
    paths,
    scheduled_sampling,
    searching,
    teacher_forcing,
)
from seq2seq_lab.doctor.agreement import NotApplicable, PropertyBroken, agree, demand
from seq2seq_lab.doctor.batches import full_batch
from seq2seq_lab.doctor.patient import Patient
from seq2seq_lab.doctor.properties import PROPERTIES
from seq2seq_lab.errors import one_line
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits

PASS, FAIL, NOT_APPLICABLE = "PASS", "FAIL", "not applicable"
Check = Callable[[Patient], float]
"""Returns the largest error, or raises `PropertyBroken` or `NotApplicable`."""


@dataclass(frozen=True)
class Verdict:
    """The outcome for one property; `error` is the largest one seen, None where none was measured."""

    id: str
    name: str
    outcome: str
    reason: str
    error: float | None
    seconds: float


def on_every_model(check: Callable[[EncoderDecoder, Batch], float]) -> Check:
    """Return the check over all random models of a patient, each with a batch of its own."""
    return lambda patient: max(check(patient.model(s), patient.batch(s)) for s in patient.seeds)


def with_search(check: Callable[[EncoderDecoder, Batch, Callable], float]) -> Check:
    """Return the check over all random models, with the composed search."""
    return lambda patient: max(
        check(patient.model(s), patient.batch(s), patient.search) for s in patient.seeds
    )


def sequential_is_parallel(patient: Patient) -> float:
    """O6, in decoding and in training with the composed dropout, and the composed scheduled sampling at ratio 1."""
    worst = 0.0
    for seed in patient.seeds:
        model, batch = patient.model(seed), patient.batch(seed)
        logits = patient.scheduled_sampling(model, batch, 1.0, torch.Generator())
        trained = patient.training_model(seed, dropout=True)
        worst = max(
            worst,
            paths.forward_equals_steps(model, batch),
            teacher_forcing.sequential_equals_parallel(model, batch),
            agree(logits, teacher_forced_logits(model, batch), "scheduled sampling at ratio 1"),
            teacher_forcing.sequential_equals_parallel(trained, batch),
        )
    return worst


def ratio_zero_is_greedy(patient: Patient) -> float:
    """O7, by the composed scheduled sampling; a parallel one takes as many passes as there are steps."""
    worst = 0.0
    for seed in patient.seeds:
        model, batch = patient.model(seed), full_batch(patient.batch(seed))
        sampling = copy.copy(patient.scheduled_sampling)
        if hasattr(sampling, "passes"):
            sampling.passes = batch.target_input.shape[1] + 1
        path = partial(teacher_forcing.logits_at_ratio_zero, sampling=sampling)
        worst = max(worst, teacher_forcing.ratio_zero_equals_greedy(model, batch, path))
    return worst


def sampling_follows_its_ratio(patient: Patient) -> float:
    """O8, by the composed scheduled sampling and its schedule."""
    sampling = patient.scheduled_sampling
    scheduled_sampling.schedule_gives_ratios(sampling.schedule)
    worst = losses.validation_ignores_the_ratio(patient)
    model = patient.model(patient.seeds[0])
    return max(
        worst, scheduled_sampling.draws_follow_the_ratio(sampling, model, patient.vocabularies)
    )


def everything_is_trained(patient: Patient) -> float:
    """O12: each parameter gets a gradient from one batch at least, the padding vectors from none."""
    without: set[str] | None = None
    for seed in patient.seeds:
        model = patient.model(seed)
        names = set(paths.untrained(model, patient.batch(seed)))
        without = names if without is None else without & names
        paths.padding_row_is_not_trained(model)
    demand(not without, f"no gradient reaches {', '.join(sorted(without or ()))}")
    return 0.0


CHECKS: dict[str, Check] = {
    "O1": with_search(enumeration.beam_of_one_is_greedy),
    "O2": with_search(enumeration.full_beam_is_enumeration),
    "O3": with_search(searching.score_is_teacher_forced_score),
    "O4": with_search(searching.batch_mates_have_no_effect),
    "O5": on_every_model(padding.padding_has_no_effect),
    "O6": sequential_is_parallel,
    "O7": ratio_zero_is_greedy,
    "O8": sampling_follows_its_ratio,
    "O9": on_every_model(attending.attention_is_a_distribution),
    "O10": on_every_model(attending.attention_equals_its_formula),
    "O11": on_every_model(encoding.encoder_reads_each_sentence_alone),
    "O12": everything_is_trained,
    "O13": losses.loss_and_perplexity_equal_their_closed_forms,
    "O14": losses.accumulation_changes_nothing,
    "O25": on_every_model(copying.output_is_the_mixture),
}


def examine(patient: Patient, checks: dict[str, Check] = CHECKS) -> Iterator[Verdict]:
    """Yield the verdict of each check; a property whose check crashes is broken too."""
    patient = replace(patient)  # with a model of its own
    for name, check in checks.items():
        start, error, reason = time.perf_counter(), None, ""
        torch.manual_seed(0)
        try:
            error, outcome = check(patient), PASS
        except NotApplicable as missing:
            outcome, reason = NOT_APPLICABLE, one_line(missing)
        except PropertyBroken as broken:
            outcome, reason = FAIL, one_line(broken)
        except Exception as crash:  # whatever breaks in a model is a verdict
            outcome, reason = FAIL, one_line(f"{type(crash).__name__}: {crash}")[:200]
        seconds = time.perf_counter() - start
        yield Verdict(name, PROPERTIES[name].name, outcome, reason, error, seconds)
