"""Every cell of the ladder {bridges} x {structures} x {attentions} x {before, after} x {input feeding} x {cells}.

A cell is either refused when it is built, with the reason, or it trains every parameter and ignores padding. Depths,
directions and readouts vary in test_encoder_decoder.py; here they stand still.
"""

from itertools import product

import jaxtyping
import pytest
import torch
from torch import nn

from seq2seq_lab.config.check import check
from seq2seq_lab.config.compose import compose_config
from seq2seq_lab.errors import ConfigError
from seq2seq_lab.model import bridge as bridge_module
from seq2seq_lab.model import normalizer
from seq2seq_lab.model.encoder_decoder import EncoderDecoder
from support.matrix_properties import (
    bad_padding_has_no_effect,
    trained_parameters_are_as_declared,
    training_pass,
    weights_are_distributions,
)
from support.model_properties import loss_and_gradients
from support.tiny_models import Choice, axes, make_batch, make_model

REFUSAL = "nothing of the source reaches the decoder.*choose model/bridge=linear"
NOTHING_BETWEEN = "model/order=between without attention"
WITHOUT_GRADIENT: dict[str, frozenset[str]] = {}
"""Attention: the parameters that a model with it does not train. None has any."""
COUNTED: dict[tuple[str, str], tuple[int, int]] = {}
"""What ran in this process: (cell, attention) -> models that were built, and refused."""
GROUPS = list(product(axes()["cell"], axes()["attention"]))


def choices(cell: str, attention: str) -> list[Choice]:
    names = ("bridge", "context", "order", "input_feeding")
    fixed = {"readout": "state_context", "reading": "bidirectional"}
    return [
        Choice(
            cell=cell,
            attention=attention,
            **dict(zip(names, row, strict=True)),
            **fixed,
            layers=(1, 1),
            widths=(6, 6),
        )
        for row in product(*(axes()[name] for name in names))
    ]


def hears_nothing(choice: Choice) -> bool:
    """Tell by hand whether no road leads from the source to this decoder."""
    is_deaf_at_first = choice.bridge in ("zero", "learned")
    return choice.attention == "none" and choice.context == "initial_state" and is_deaf_at_first


def refusal(choice: Choice) -> str | None:
    """Return by hand the reason against this cell of the ladder."""
    if hears_nothing(choice):
        return REFUSAL
    return NOTHING_BETWEEN if (choice.attention, choice.order) == ("none", "between") else None


def tiny_batch():
    return make_batch(sources=(2, 1), targets=(1, 3))


def awake(choice: Choice) -> EncoderDecoder:
    """Return the first random model in which no unit that is cut off at zero sleeps through the whole batch."""
    for seed in range(1, 20):
        model = make_model(choice, seed)
        gradients = loss_and_gradients(model, tiny_batch())[2].values()
        if all(g is not None and g.any() for g in gradients):
            break
    return model


def keeps_the_laws(model: EncoderDecoder, without: frozenset[str] = frozenset()) -> None:
    batch = tiny_batch()
    found = training_pass(model, batch)
    weights_are_distributions(found, batch)
    trained_parameters_are_as_declared(found, without)
    bad_padding_has_no_effect(model, batch, found)


@pytest.fixture
def _fast(monkeypatch):
    """The other tests execute the shapes; here this would double the time."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def runs_by_default(cell: str) -> bool:
    """The other cells' parts of the matrix are among the slow ones."""
    return cell == "lstm"


BY_SPEED = [
    pytest.param(*group, marks=[] if runs_by_default(group[0]) else [pytest.mark.slow])
    for group in GROUPS
]


@pytest.mark.parametrize(("cell", "attention"), BY_SPEED)
@pytest.mark.usefixtures("_fast")
def test_every_cell_keeps_the_laws_or_is_refused_with_the_reason(cell, attention):
    built = refused = 0
    for choice in choices(cell, attention):
        if refusal(choice):
            with pytest.raises(ValueError, match=refusal(choice)):
                make_model(choice)
            refused += 1
            continue
        try:
            model = awake(choice) if choice.cell == "rnn_relu" else make_model(choice)
            keeps_the_laws(model, WITHOUT_GRADIENT.get(attention, frozenset()))
        except (AssertionError, ValueError) as error:
            raise AssertionError(f"{choice}: {error}") from error
        built += 1
    COUNTED[cell, attention] = built, refused


def test_the_matrix_is_whole():
    """Counts by the rule, and by what ran where all of it ran in this process."""
    cells = [choice for group in GROUPS for choice in choices(*group)]
    refused = sum(refusal(choice) is not None for choice in cells)
    print(f"{len(cells)} cells: {len(cells) - refused} built, {refused} refused")
    assert len(set(cells)) == len(cells) > 2000
    bridges, structures, feeding = (
        len(axes()[name]) for name in ("bridge", "context", "input_feeding")
    )
    deaf, between = 2 * 1 * 2 * feeding, bridges * structures * feeding  # deaf: in two orders
    assert refused == (deaf + between) * len(axes()["cell"])
    ran = [choice for group in COUNTED for choice in choices(*group)]
    built, turned_away = (sum(column[i] for column in COUNTED.values()) for i in (0, 1))
    assert (built, turned_away) == (
        sum(refusal(choice) is None for choice in ran),
        sum(refusal(choice) is not None for choice in ran),
    )


REFUSED = [choice for group in GROUPS for choice in choices(*group) if hears_nothing(choice)]


@pytest.mark.parametrize("choice", REFUSED[:: len(REFUSED) // 6], ids=str)
def test_a_refused_cell_is_refused_by_the_check_in_one_line(choice):
    groups = [
        f"model/{g}={getattr(choice, g)}"
        for g in ("cell", "attention", "bridge", "context", "order")
    ]
    feeding = f"model.decoder.input_feeding={str(choice.input_feeding).lower()}"
    with pytest.raises(ConfigError, match=f"^model.decoder: {REFUSAL}") as told:
        check(compose_config([*groups, feeding]))
    assert "\n" not in str(told.value)


# planted bugs


ONE = Choice(
    "gru",
    "additive",
    "mean",
    "initial_state",
    "after",
    "state_context",
    False,
    "forward",
    (1, 1),
    (6, 6),
)


@pytest.mark.parametrize(
    "mask",
    [lambda mask: mask | True, lambda mask: mask | mask.roll(1, dims=1)],
    ids=["missing", "off by one"],
)
def test_planted_mask_is_caught(mask, monkeypatch):
    def only_real(scores, real):
        return scores.masked_fill(~mask(real).unsqueeze(1), -torch.inf)

    monkeypatch.setattr(normalizer, "only_real", only_real)
    found = training_pass(make_model(ONE), tiny_batch())
    with pytest.raises(AssertionError):
        weights_are_distributions(found, tiny_batch())
    with pytest.raises(AssertionError):
        bad_padding_has_no_effect(make_model(ONE), tiny_batch(), found)


def test_planted_weights_that_sum_to_more_are_caught(monkeypatch):
    monkeypatch.setattr(normalizer.Softmax, "weights", lambda self, scores: torch.sigmoid(scores))
    with pytest.raises(AssertionError):
        weights_are_distributions(training_pass(make_model(ONE), tiny_batch()), tiny_batch())


def test_planted_mean_over_the_padding_is_caught(monkeypatch):
    def vectors(self, memory):
        mean = memory.states.mean(dim=1)
        return [mean] * self.num_layers, [mean] * self.num_layers

    monkeypatch.setattr(bridge_module.MeanBridge, "vectors", vectors)
    with pytest.raises(AssertionError):
        keeps_the_laws(make_model(ONE))


def test_planted_untrained_parameter_is_caught_and_has_to_be_declared():
    model, name = make_model(ONE), "decoder.forgotten"
    model.decoder.forgotten = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(AssertionError):
        keeps_the_laws(model)
    keeps_the_laws(model, frozenset({name}))


def test_planted_declaration_of_a_trained_parameter_is_caught():
    with pytest.raises(AssertionError):
        keeps_the_laws(make_model(ONE), frozenset({"decoder.output.bias"}))
