"""The laws O1 to O14 on a patient, and a verdict for each."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from seq2seq_lab.batch import Batch
from seq2seq_lab.doctor import attending, coins, encoding, enumeration, forcing, losses, roads
from seq2seq_lab.doctor.agreement import LawBroken, NotApplicable, agree
from seq2seq_lab.doctor.batches import full_batch
from seq2seq_lab.doctor.padding import padding_has_no_effect
from seq2seq_lab.doctor.patient import Patient
from seq2seq_lab.doctor.roads import forward_equals_steps
from seq2seq_lab.doctor.searching import batch_mates_have_no_effect, score_is_teacher_forced_score
from seq2seq_lab.errors import one_line
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from seq2seq_lab.training.scheduled_sampling.sequential import teacher_forced_logits

PASS, FAIL, NOT_APPLICABLE = "PASS", "FAIL", "not applicable"


@dataclass(frozen=True)
class Law:
    """A law and how to examine it: `check` returns the largest error, or raises `LawBroken` or `NotApplicable`."""

    id: str
    sentence: str
    check: Callable[[Patient], float]


@dataclass(frozen=True)
class Verdict:
    """What was found; `error` is the largest one seen, None where none was measured."""

    id: str
    sentence: str
    outcome: str
    reason: str
    error: float | None
    seconds: float


def on_every_model(law: Callable[[EncoderDecoder, Batch], float]) -> Callable[[Patient], float]:
    """Return the law over all random models of a patient, each with a batch of its own."""
    return lambda patient: max(law(patient.model(s), patient.batch(s)) for s in patient.seeds)


def with_search(
    law: Callable[[EncoderDecoder, Batch, Callable], float],
) -> Callable[[Patient], float]:
    """Return the law over all random models, with the composed search."""
    return lambda patient: max(
        law(patient.model(s), patient.batch(s), patient.search) for s in patient.seeds
    )


def loop_is_parallel_road(patient: Patient) -> float:
    """O6, in decoding and in training with the composed dropout, and the composed feeding at ratio 1."""
    worst = 0.0
    for seed in patient.seeds:
        model, batch = patient.model(seed), patient.batch(seed)
        fed = patient.scheduled_sampling(model, batch, 1.0, torch.Generator())
        worst = max(
            worst,
            forward_equals_steps(model, batch),
            forcing.loop_equals_parallel_road(model, batch),
            agree(fed, teacher_forced_logits(model, batch), "feeding at ratio 1"),
            forcing.loop_equals_parallel_road(patient.training_model(seed, dropout=True), batch),
        )
    return worst


def ratio_zero_is_greedy(patient: Patient) -> float:
    """O7, by the composed feeding; of a parallel one, with as many passes as there are steps."""
    worst = 0.0
    for seed in patient.seeds:
        model, batch = patient.model(seed), full_batch(patient.batch(seed))
        feeding = copy.copy(patient.scheduled_sampling)
        if hasattr(feeding, "passes"):
            feeding.passes = batch.target_input.shape[1] + 1
        road = partial(forcing.always_own_choice, feeding=feeding)
        worst = max(worst, forcing.never_teacher_forced_equals_greedy(model, batch, road))
    return worst


def coins_are_honest(patient: Patient) -> float:
    """O8, by the composed feeding and schedule."""
    coins.schedule_gives_ratios(patient.scheduled_sampling.schedule)
    worst = losses.validation_ignores_the_ratio(patient)
    model = patient.model(patient.seeds[0])
    return max(
        worst, coins.coins_follow_the_ratio(patient.scheduled_sampling, model, patient.vocabularies)
    )


def everything_is_trained(patient: Patient) -> float:
    """O12: each parameter gets a gradient from one batch at least, the padding vectors from none."""
    without: set[str] | None = None
    for seed in patient.seeds:
        model = patient.model(seed)
        names = set(roads.untrained(model, patient.batch(seed)))
        without = names if without is None else without & names
        roads.padding_row_is_not_trained(model)
    if without:
        raise LawBroken(f"no gradient reaches {', '.join(sorted(without))}")
    return 0.0


LAWS = (
    Law("O1", "a beam of one is greedy search", with_search(enumeration.beam_of_one_is_greedy)),
    Law(
        "O2",
        "a beam of full width finds what enumeration finds",
        with_search(enumeration.full_beam_is_enumeration),
    ),
    Law(
        "O3",
        "a score is the teacher-forced log-probability",
        with_search(score_is_teacher_forced_score),
    ),
    Law(
        "O4", "batch mates and their order have no effect", with_search(batch_mates_have_no_effect)
    ),
    Law("O5", "padding has no effect", on_every_model(padding_has_no_effect)),
    Law("O6", "step by step is all steps at once", loop_is_parallel_road),
    Law("O7", "teacher forcing at ratio 0 is greedy decoding", ratio_zero_is_greedy),
    Law("O8", "coins fall by the ratio, and never in validation", coins_are_honest),
    Law(
        "O9",
        "attention is a distribution over real tokens",
        on_every_model(attending.attention_is_a_distribution),
    ),
    Law(
        "O10",
        "attention is its formula, its gradients are right",
        on_every_model(attending.attention_equals_its_formula),
    ),
    Law(
        "O11",
        "the encoder reads each sentence as if alone",
        on_every_model(encoding.encoder_reads_each_sentence_alone),
    ),
    Law("O12", "every parameter is trained, padding is not", everything_is_trained),
    Law("O13", "loss and perplexity are their closed forms", losses.perplexity_is_honest),
    Law("O14", "accumulated batches are one big batch", losses.accumulation_changes_nothing),
)


def examine(patient: Patient, laws: tuple[Law, ...] = LAWS) -> Iterator[Verdict]:
    """Yield the verdict of each law; a law that crashes is broken too."""
    for law in laws:
        start, error, reason = time.perf_counter(), None, ""
        torch.manual_seed(0)
        try:
            error, outcome = law.check(patient), PASS
        except NotApplicable as told:
            outcome, reason = NOT_APPLICABLE, one_line(told)
        except LawBroken as broken:
            outcome, reason = FAIL, one_line(broken)
        except Exception as crash:  # whatever breaks in a model is a verdict
            outcome, reason = FAIL, one_line(f"{type(crash).__name__}: {crash}")[:200]
        seconds = time.perf_counter() - start
        yield Verdict(law.id, law.sentence, outcome, reason, error, seconds)
