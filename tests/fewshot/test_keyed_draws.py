"""Random bits by place: SplitMix64 in Python's own integers, its published outputs, and draws that are even."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfl.fewshot.keyed_draws import _mixed, random_bits, smallest, uniform
from lfl.randomness import choices

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def signed(value: int) -> int:
    return value - 2**64 if value >> 63 else value


def mixed(z: int) -> int:
    """SplitMix64's output function."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def test_the_published_outputs() -> None:
    states = torch.tensor([signed((1234567 + i * GOLDEN) & MASK) for i in range(1, 6)])
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [value & MASK for value in _mixed(states).tolist()] == [*published, 16408922859458223821]


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**40))
def test_bits_follow_from_their_places(seed: int, first: int, second: int) -> None:
    start = choices(seed, "test").getrandbits(64) - 2**63
    expected = mixed(mixed(start + (first + 1) * GOLDEN & MASK) + (second + 1) * GOLDEN & MASK)
    firsts, seconds = torch.arange(first, first + 3)[:, None], torch.arange(second, second + 2)
    bits = random_bits(seed, "test", firsts, seconds)
    assert bits.shape == (3, 2)
    assert int(bits[0, 0]) == signed(expected)
    assert torch.equal(bits[2:], random_bits(seed, "test", firsts[2:], seconds))
    assert firsts[0, 0] == first  # the places are as they were


def test_seeds_and_streams_share_no_bits() -> None:
    numbers = torch.arange(1000)
    drawn = torch.cat([random_bits(seed, stream, numbers) for seed in (0, 1) for stream in ("a", "b")])
    assert len(drawn.unique()) == 4000


def test_uniform_numbers_are_even() -> None:
    drawn = uniform(random_bits(0, "test", torch.arange(200)[:, None], torch.arange(100)), -5, 5).numpy()
    assert drawn.min() >= -5
    assert drawn.max() < 5
    assert scipy.stats.kstest(drawn.ravel(), "uniform", (-5, 10)).pvalue > 1e-3
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.03


def test_the_ends_of_the_range() -> None:
    ends = uniform(torch.tensor([0, -1]), 2.0, 3.0).tolist()
    assert ends == [2.0, 3.0 - 2.0**-53 * 2] or ends == [2.0, pytest.approx(3.0, abs=1e-15)]


@given(st.integers(1, 30), st.integers(0, 2**30), st.data())
def test_draws_without_replacement(among: int, seed: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, among))
    bits = random_bits(seed, "test", torch.arange(7)[:, None], torch.arange(among))
    drawn = smallest(bits, count)
    assert all(len(set(row)) == count for row in drawn.tolist())
    assert torch.equal(smallest(bits, among)[:, :count], drawn)


def test_every_subset_is_as_likely() -> None:
    drawn = smallest(random_bits(3, "test", torch.arange(20_000)[:, None], torch.arange(5)), 2)
    counts = torch.bincount(drawn[:, 0] * 5 + drawn[:, 1], minlength=25)
    ordered_pairs = counts[~torch.eye(5, dtype=torch.bool).flatten()]
    assert int(ordered_pairs.sum()) == 20_000
    assert scipy.stats.chisquare(ordered_pairs.numpy()).pvalue > 1e-3
