"""Sine curves: points that lie on one, ranges, and the same points drawn anew in plain Python."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.fewshot.sinusoid import SinusoidEpisodes, sinusoid

from .test_class_images import bits, same


def test_all_points_of_a_task_lie_on_one_curve() -> None:
    drawn = SinusoidEpisodes(shots=5, queries=7).draw("train", 3, 400)
    assert [part.shape for part in drawn] == [(400, 5, 1), (400, 5, 1), (400, 7, 1), (400, 7, 1)]
    x = torch.cat([drawn.x, drawn.query_x], 1).double()
    y = torch.cat([drawn.y, drawn.query_y], 1).double()
    assert float(x.min()) >= -5
    assert float(x.max()) <= 5
    waves = torch.cat([x.sin(), x.cos()], -1)
    found = torch.linalg.lstsq(waves, y).solution  # a cos(phase), -a sin(phase)
    assert torch.allclose(waves @ found, y, atol=2e-5)
    amplitude = found.norm(dim=(1, 2))
    phase = torch.atan2(-found[:, 1, 0], found[:, 0, 0])
    assert scipy.stats.kstest(amplitude.numpy(), "uniform", (0.1, 4.9)).pvalue > 1e-3
    assert scipy.stats.kstest(phase.numpy(), "uniform", (0, math.pi)).pvalue > 1e-3
    assert scipy.stats.kstest(x.flatten().numpy(), "uniform", (-5, 10)).pvalue > 1e-3


def test_a_task_drawn_in_plain_python() -> None:
    drawn = SinusoidEpisodes(shots=2, queries=1, seed=4).draw("train", 2, 3)

    def even(low: float, high: float, *key: object) -> float:
        return low + (high - low) * ((bits(*key) % 2**64) >> 11) / 2**53

    for task, number in enumerate((6, 7, 8)):
        amplitude = even(0.1, 5.0, 4, "few-shot amplitude train", number)
        phase = even(0.0, math.pi, 4, "few-shot phase train", number)
        x = [even(-5.0, 5.0, 4, "few-shot x train", number, point) for point in range(3)]
        y = [amplitude * math.sin(point - phase) for point in x]
        assert torch.cat([drawn.x, drawn.query_x], 1)[task, :, 0].tolist() == np.float32(x).tolist()
        assert torch.cat([drawn.y, drawn.query_y], 1)[task, :, 0].tolist() == pytest.approx(y, rel=1e-6)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 2**31), st.sampled_from(["valid", "test"]), st.integers(0, 10**6))
def test_lists_are_windows_and_the_same_for_all_seeds(seed: int, other: int, split: str, step: int) -> None:
    one, two = SinusoidEpisodes(3, 2, seed), SinusoidEpisodes(3, 2, other)
    drawn = one.draw(split, step, 2)
    assert same(drawn, two.draw(split, step, 2))
    assert torch.equal(drawn.x[1:], two.draw(split, 2 * step + 1, 1).x)
    assert torch.equal(drawn.y[:, :2], SinusoidEpisodes(2, 3, seed).draw(split, step, 2).y)
    assert same(one.draw("train", step, 2), two.draw("train", step, 2)) == (seed == other)


def test_what_a_model_is_built_for() -> None:
    source = sinusoid(shots=10, queries=10)
    assert (source.name, source.kind, source.ways) == ("sinusoid", "regression", 1)
    assert (source.input_shape, source.num_outputs, source.device.type) == ((1,), 1, "cpu")


def test_what_cannot_be_drawn_is_named() -> None:
    with pytest.raises(lfl.UserError, match="has no classes: ways must be 1, got 5"):
        sinusoid(ways=5, shots=5, queries=5)
    with pytest.raises(lfl.UserError, match="has no images to turn"):
        sinusoid(shots=5, queries=5, rotations="drawn")
    with pytest.raises(lfl.UserError, match="shots of at least 1, got 0"):
        sinusoid(shots=0, queries=5)
    source = sinusoid(shots=1, queries=1)
    with pytest.raises(lfl.UserError, match="unknown split 'all'"):
        source.draw("all", 0, 1)
    with pytest.raises(lfl.UserError, match="got 0 and 0"):
        source.draw("train", 0, 0)
