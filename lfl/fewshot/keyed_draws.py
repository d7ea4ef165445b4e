"""Random numbers that follow from their place alone: no generator, no loop, and the same bits on every device."""

import torch

from ..randomness import choices

GOLDEN = 0x9E3779B97F4A7C15 - 2**64
FIRST = 0xBF58476D1CE4E5B9 - 2**64
SECOND = 0x94D049BB133111EB - 2**64
"""The constants of SplitMix64, as signed numbers: products of int64 wrap around."""


def random_bits(seed: int, stream: str, *places: torch.Tensor) -> torch.Tensor:
    """Returns 64 random bits for each place, by SplitMix64 along one axis of numbers after the other.

        h_0 = a number of (seed, stream);   h_i = mix(h_(i-1) + (place_i + 1) golden)

    Args:
        seed: of the run, or of a fixed list.
        stream: what is drawn, such as `"classes"`; streams do not share numbers.
        places: int64 tensors that broadcast with each other, such as the number of an episode and that of a class.

    Returns:
        int64 of the shape that the places broadcast to; each value follows from the values at its place alone.

    Example:
        >>> numbers = torch.arange(4)
        >>> bool((random_bits(0, "demo", numbers)[2:] == random_bits(0, "demo", numbers[2:])).all())
        True

    Source:
        Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators".
    """
    start = choices(seed, stream).getrandbits(64) - 2**63
    bits = torch.full((), start, dtype=torch.int64, device=places[0].device)
    for place in places:
        bits = _mixed(bits + (place + 1) * GOLDEN)
    return bits


def uniform(bits: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Returns float64 from `low` up to, but without, `high`, of the upper 53 of 64 random bits."""
    return low + (high - low) * (_shifted(bits, 11).to(torch.float64) * 2.0**-53)


def smallest(bits: torch.Tensor, count: int) -> torch.Tensor:
    """Returns where the `count` smallest of random bits stand along the last axis: a draw without replacement.

    The draw of more begins with the draw of fewer.
    """
    return bits.topk(count, largest=False, sorted=True).indices


def _mixed(z: torch.Tensor) -> torch.Tensor:
    """Mixes bits in place; `z` is a tensor of this module's own."""
    z.bitwise_xor_(_shifted(z, 30)).mul_(FIRST)
    z.bitwise_xor_(_shifted(z, 27)).mul_(SECOND)
    return z.bitwise_xor_(_shifted(z, 31))


def _shifted(z: torch.Tensor, count: int) -> torch.Tensor:
    """Shifts to the right and fills with zeros; torch fills with the sign."""
    return (z >> count).bitwise_and_(2 ** (64 - count) - 1)
