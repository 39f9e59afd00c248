import cmath
import math

import pytest
import torch

from seq2seq_lab.model import position as position_module
from seq2seq_lab.model.position import LearnedPosition, Position, RotaryPosition, SinusoidalPosition
from support.model_properties import assert_equal
from support.tiny_models import public_subclasses, targets
from support.tiny_transformers import options, part

EVERY = pytest.mark.parametrize("name", options()["position"])
DOUBLE = torch.float64


def test_classes_and_yaml_files_are_the_same_set():
    assert targets("position") == public_subclasses(position_module, Position) != set()


def made(name: str) -> Position:
    return part("position", name)(12, 3).double()


def pieces_equal_the_whole(position: Position) -> None:
    """What the steps get together is what they get one by one."""
    vectors = torch.randn(2, 7, 12, dtype=DOUBLE)
    heads = torch.randn(2, 3, 7, 4, dtype=DOUBLE)
    one_by_one = [position.embed(v, t) for t, v in enumerate(vectors.split(1, dim=1))]
    assert_equal(position.embed(vectors, 0), torch.cat(one_by_one, dim=1))
    one_by_one = [position.rotate(h, t) for t, h in enumerate(heads.split(1, dim=2))]
    assert_equal(position.rotate(heads, 0), torch.cat(one_by_one, dim=2))


@EVERY
def test_steps_together_get_what_they_get_one_by_one(name):
    pieces_equal_the_whole(made(name))


@EVERY
def test_equal_words_at_different_places_are_told_apart(name):
    position, ones = made(name), torch.ones(1, 3, 12, dtype=DOUBLE)
    embedded = position.embed(ones, 0)
    heads = position.rotate(torch.ones(1, 3, 3, 4, dtype=DOUBLE), 0)
    values, mask = torch.randn(1, 3, 3, 4, dtype=DOUBLE), torch.ones(1, 3, dtype=torch.bool)
    read = position.self_attention().double()(heads, heads, values, mask)
    assert not torch.allclose(embedded[:, 0], embedded[:, 1]) or not torch.allclose(
        read[:, :, 0], read[:, :, 1]
    )


@pytest.mark.parametrize("dim", [6, 7])
def test_sinusoids_are_the_closed_form(dim):
    found = SinusoidalPosition(dim, 1).embed(torch.zeros(1, 5, dim, dtype=DOUBLE), 2)[0]
    for step in range(5):
        for i in range(dim):
            wave = math.cos if i % 2 else math.sin
            expected = wave((step + 2) / 10000 ** ((i - i % 2) / dim))
            assert found[step, i].item() == pytest.approx(expected, abs=1e-12)


def test_learned_positions_from_the_last_one_on_share_its_vector():
    position = LearnedPosition(5, 1, max_positions=3)
    found = position.embed(torch.zeros(1, 6, 5), 0)[0]
    assert torch.equal(found, position.vectors[[0, 1, 2, 2, 2, 2]])


def rotated_by_complex_numbers(heads: torch.Tensor, start: int) -> torch.Tensor:
    expected = heads.clone()
    for (b, h, t, i), real in zip(
        torch.cartesian_prod(*map(torch.arange, (*heads.shape[:3], heads.shape[3] // 2))).tolist(),
        heads[..., 0::2].flatten().tolist(),
        strict=True,
    ):
        angle = (start + t) / 10000 ** (2 * i / heads.shape[3])
        z = complex(real, heads[b, h, t, 2 * i + 1].item()) * cmath.exp(1j * angle)
        expected[b, h, t, 2 * i], expected[b, h, t, 2 * i + 1] = z.real, z.imag
    return expected


def test_rotation_is_multiplication_by_a_complex_number_of_length_1():
    heads = torch.randn(2, 3, 5, 4, dtype=DOUBLE)
    found = RotaryPosition(12, 3).rotate(heads, 2)
    assert_equal(found, rotated_by_complex_numbers(heads, 2))
    assert_equal(found.norm(dim=-1), heads.norm(dim=-1))


def a_score_depends_on_the_distance_only(position: Position) -> None:
    query, key = torch.randn(2, 1, 1, 1, 6, dtype=DOUBLE)
    by_distance: dict[int, float] = {}
    for i in range(7):
        for j in range(7):
            score = (position.rotate(query, i) * position.rotate(key, j)).sum()
            expected = by_distance.setdefault(i - j, score)
            assert_equal(score, expected)
    assert len({round(float(s), 6) for s in by_distance.values()}) == 13


def test_a_rotary_score_depends_on_the_distance_only():
    a_score_depends_on_the_distance_only(RotaryPosition(6, 1))


def test_positions_keep_the_dtype():
    for name in options()["position"]:
        position = made(name).bfloat16()
        vectors, heads = torch.ones(1, 2, 12), torch.ones(1, 3, 2, 4)
        assert position.embed(vectors.bfloat16(), 0).dtype == torch.bfloat16
        assert position.rotate(heads.bfloat16(), 0).dtype == torch.bfloat16


def test_far_positions_stay_exact_in_half_precision():
    low = SinusoidalPosition(4, 1).embed(torch.zeros(1, 1, 4, dtype=torch.bfloat16), 257)
    exact = SinusoidalPosition(4, 1).embed(torch.zeros(1, 1, 4, dtype=DOUBLE), 257)
    assert torch.equal(low, exact.bfloat16())


def test_an_odd_head_width_is_refused_for_rotary():
    with pytest.raises(ValueError, match="dim=6, num_heads=2: rotary positions rotate pairs"):
        RotaryPosition(6, 2)


def test_no_positions_are_refused():
    with pytest.raises(ValueError, match="max_positions=0"):
        LearnedPosition(6, 2, max_positions=0)


# planted bugs


@pytest.mark.parametrize("kind", [SinusoidalPosition, LearnedPosition])
def test_planted_start_that_is_ignored_is_caught(kind, monkeypatch):
    embed = kind.embed
    monkeypatch.setattr(kind, "embed", lambda self, vectors, start: embed(self, vectors, 0))
    with pytest.raises(AssertionError):
        pieces_equal_the_whole(kind(12, 3).double())


def test_planted_rotation_of_halves_is_caught(monkeypatch):
    def halves(vectors, by):
        first, second = vectors.chunk(2, dim=-1)
        cos, sin = by.cos(), by.sin()
        return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)

    monkeypatch.setattr(position_module, "rotate", halves)
    with pytest.raises(AssertionError):
        test_rotation_is_multiplication_by_a_complex_number_of_length_1()


def test_planted_rotation_that_stretches_is_caught(monkeypatch):
    def stretched(vectors, by):
        return original(vectors, by) * (1 + by.repeat_interleave(2, dim=-1))

    original = position_module.rotate
    monkeypatch.setattr(position_module, "rotate", stretched)
    with pytest.raises(AssertionError):
        a_score_depends_on_the_distance_only(RotaryPosition(6, 1))


def test_planted_angles_in_the_vectors_precision_are_caught(monkeypatch):
    def coarse(start, steps, width, like):
        return original(start, steps, width, like.double()).to(like.dtype)

    original = position_module.angles
    monkeypatch.setattr(position_module, "angles", coarse)
    with pytest.raises(AssertionError):
        test_far_positions_stay_exact_in_half_precision()
