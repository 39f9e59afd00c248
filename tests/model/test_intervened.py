"""A model under an intervention: equal to a model whose attention is written as loops, whatever its parts."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from seq2seq_lab.decoding.intervention import Hard, OtherSeed, Shifted, Shuffled, Uniform
from seq2seq_lab.doctor.batches import rows_of
from seq2seq_lab.model.ensemble import Ensemble
from seq2seq_lab.model.intervened import Intervened, IntervenedState
from support.model_properties import assert_equal
from support.tiny_models import covering_choices, make_batch
from support.tiny_transformers import make_any, transformer_choices

BATCH = make_batch((4, 1, 2), (2, 6, 4))
RECURRENT = [
    *{c.attention + c.order: c for c in covering_choices() if c.attention != "none"}.values()
]
ATTENDING = [c for c in transformer_choices() if c.partner is None or c.partner.attention != "none"]
EVERY_CHOICE = [*RECURRENT, *ATTENDING[::8]]
EVERY = [Uniform(), Hard(), Shifted(1), Shuffled(1)]


class LoopAttention(nn.Module):
    """An attention of a recurrent decoder whose weights are replaced and averaged by loops over everything."""

    def __init__(self, attention, intervention, order):
        super().__init__()
        self.attention, self.intervention, self.order = attention, intervention, order
        self.prepare, self.start = attention.prepare, attention.start
        self.advance, self.context_dim = attention.advance, attention.context_dim

    def forward(self, query, keys, past):
        learned = self.attention.attention_weights(query, keys, past)
        heads = learned.shape[1]
        weights = changed(self.intervention, learned, keys.mask, self.order)
        values = keys.values.unflatten(-1, (heads, -1))
        contexts = []
        for row in range(len(query)):
            for step in range(query.shape[1]):
                parts = [
                    sum(
                        weights[row, h, step, s] * values[row, s, h] for s in range(values.shape[1])
                    )
                    for h in range(heads)
                ]
                contexts.append(torch.cat(parts))
        context = torch.stack(contexts).unflatten(0, query.shape[:2])
        output = getattr(self.attention, "output", lambda joined: joined)
        return output(context), weights.mean(dim=1)


class LoopReading:
    """How a Transformer's layer reads the source under an intervention, by loops over everything."""

    def __init__(self, intervention, order):
        self.intervention, self.order = intervention, order

    def weights(self, queries, keys, mask):
        learned = torch.zeros(*queries.shape[:3], keys.shape[2], dtype=queries.dtype)
        for row, head, step in torch.cartesian_prod(*map(torch.arange, queries.shape[:3])).tolist():
            count = int(mask[row].sum())
            scores = keys[row, head, :count] @ queries[row, head, step] / keys.shape[3] ** 0.5
            learned[row, head, step, :count] = scores.exp() / scores.exp().sum()
        return changed(self.intervention, learned, mask, self.order)

    def __call__(self, queries, keys, values, mask):
        return torch.einsum("bhqs,bhsw->bhqw", self.weights(queries, keys, mask), values)


def changed(intervention, learned, mask, order):
    """Return the weights head by head and step by step."""
    found = torch.zeros_like(learned)
    for head in range(learned.shape[1]):
        for step in range(learned.shape[2]):
            one = learned[:, head, step : step + 1]
            found[:, head, step] = intervention.replace(one, mask, order)[:, 0]
    return found


def by_loops(model, intervention):
    model = copy.deepcopy(model)
    order = intervention.order(BATCH.source, BATCH.source_lengths)
    decoder = model.decoder
    for layer in getattr(decoder, "layers", ()):
        layer.read_source = LoopReading(intervention, order)
    if not hasattr(decoder, "layers"):
        decoder.attention = LoopAttention(decoder.attention, intervention, order)
    return model


@torch.no_grad()
def outputs(model, batch=BATCH):
    state = model.initial_state(model.encode(batch.source, batch.source_lengths))
    step, found = model.stepper(), []
    for tokens in batch.target_input.unbind(1):
        logits, state = step(tokens, state)
        found.append((logits, state.attention))
    return [torch.stack(parts, dim=1) for parts in zip(*found, strict=True)]


def assert_same(one, two):
    for found, wanted in zip(one, two, strict=True):
        assert_equal(found, wanted)


@pytest.mark.parametrize("choice", EVERY_CHOICE, ids=str)
def test_it_equals_loops(choice):
    model, plain, moved = make_any(choice), outputs(make_any(choice)), False
    for intervention in EVERY:
        found = outputs(Intervened(model, intervention))
        assert_same(found, outputs(by_loops(model, intervention)))
        moved = moved or not torch.allclose(found[1], plain[1])
    assert moved


def test_every_attention_is_among_them():
    assert {c.attention for c in covering_choices()} - {c.attention for c in RECURRENT} == {"none"}
    assert {c.order for c in RECURRENT} == {"before", "after", "between"}


@pytest.mark.parametrize("choice", EVERY_CHOICE, ids=str)
def test_a_shift_by_whole_sentences_changes_nothing(choice):
    model = make_any(choice)
    found, plain = outputs(Intervened(model, Shifted(30))), outputs(model)  # lengths 5, 2 and 3
    assert_same(found, plain)
    if choice in RECURRENT:  # the same operations; a Transformer's fused call is another one
        assert torch.equal(found[0], plain[0])


@pytest.mark.parametrize("choice", [c for c in RECURRENT if c.attention == "uniform"], ids=str)
def test_uniform_weights_in_place_of_uniform_weights_change_nothing(choice):
    model = make_any(choice)
    assert_same(outputs(Intervened(model, Uniform())), outputs(model))


@pytest.mark.parametrize("choice", EVERY_CHOICE[::3], ids=str)
def test_no_sentence_depends_on_its_batch_mates(choice):
    model = make_any(choice)
    for intervention in EVERY:
        together = outputs(Intervened(model, intervention))
        for row in range(3):
            alone = rows_of(BATCH, [row])
            (logits, _), steps = outputs(Intervened(model, intervention), alone), alone.target_input
            assert_equal(logits, together[0][row : row + 1, : steps.shape[1]])


@pytest.mark.parametrize("choice", EVERY_CHOICE, ids=str)
def test_the_weights_of_another_model_are_those_that_it_has_itself(choice):
    model, other = make_any(choice), make_any(choice, seed=2)
    found = outputs(Intervened(model, OtherSeed("other"), other))
    assert torch.equal(found[1], outputs(Intervened(other, Shifted(30)))[1])
    assert_same(outputs(Intervened(model, OtherSeed("itself"), model)), outputs(model))


def test_the_model_itself_stays_as_it_is_and_shares_its_parameters():
    model = make_any(RECURRENT[0])
    before = outputs(model)
    under = Intervened(model, Uniform())
    outputs(under)
    assert all(torch.equal(*pair) for pair in zip(before, outputs(model), strict=True))
    assert {*map(id, under.parameters())} == {*map(id, model.parameters())}


def test_a_model_without_attention_is_refused():
    none = next(c for c in covering_choices() if c.attention == "none")
    with pytest.raises(ValueError, match="no attention weights to replace"):
        outputs(Intervened(make_any(none), Uniform()))


def test_every_member_of_an_ensemble_is_under_the_intervention():
    models = [make_any(RECURRENT[0], seed=seed) for seed in (1, 2)]
    logits, weights = zip(*[outputs(Intervened(one, Hard())) for one in models], strict=True)
    found = outputs(Intervened(Ensemble(models), Hard()))
    assert_equal(found[0], torch.stack(logits).softmax(-1).mean(0).log())
    assert_equal(found[1], torch.stack(weights).mean(0))


# planted bugs


def test_planted_order_that_stays_with_the_row_is_caught(monkeypatch):
    model = make_any(RECURRENT[0])
    kept = torch.tensor([2])

    def last_sentence() -> torch.Tensor:
        under = Intervened(model, Shuffled(1))
        state = under.initial_state(under.encode(BATCH.source, BATCH.source_lengths))
        return under.step(BATCH.target_input[kept, 0], state.select(kept))[1].attention

    right = last_sentence()
    assert_equal(right, outputs(Intervened(model, Shuffled(1)))[1][2:, 0])
    select = IntervenedState.select
    monkeypatch.setattr(
        IntervenedState,
        "select",
        lambda self, rows: replace(select(self, rows), order=self.order[:1]),
    )
    assert not torch.allclose(last_sentence(), right)


def test_planted_weights_changed_only_in_the_top_layer_is_caught(monkeypatch):
    choice = next(c for c in transformer_choices() if c.name == "transformer" and c.layers[1] > 1)
    model = make_any(choice)
    under = Intervened(model, Uniform())
    bottom = under.members[0].decoder.layers[0]
    monkeypatch.setattr(bottom, "read_source", model.decoder.layers[0].read_source)
    with pytest.raises(ValueError, match="no attention weights"):
        outputs(under)
