"""Choices are repeatable, keyed, and the same on every machine."""

from itertools import combinations

from lfl.randomness import choices


def test_choices_depend_on_each_part_of_the_key_alone() -> None:
    keys = [(0, "a", 1, 2), (1, "a", 1, 2), (0, "b", 1, 2), (0, "a", 2, 1), (0, "a", 12), (0, "a", 1)]
    drawn = [choices(*key).random() for key in keys]
    assert [choices(*key).random() for key in reversed(keys)] == drawn[::-1]
    assert all(first != second for first, second in combinations(drawn, 2))


def test_choices_are_those_recorded() -> None:
    rng = choices(0, "crossover", 3, 7)
    assert [rng.randrange(1000) for _ in range(4)] == RECORDED


RECORDED = [265, 947, 673, 947]
"""Evolutions that were recorded earlier are made again only while these stay."""
