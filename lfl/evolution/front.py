"""The front of a search: the formulas that no other one beats in size and validation error at once."""

import csv
import io
from collections.abc import Iterable, Sequence

from ..symbolic import exact
from .state import Evaluated

COLUMNS = ("size", "validation_error", "formula", "exact", "generation", "slot")


def extend(front: Sequence[Evaluated], found: Evaluated) -> tuple[Evaluated, ...]:
    """Adds a candidate to a front, and drops those that it beats; of equal ones the first stays.

    Args:
        front: by size, smallest first, so that the error falls.
        found: a candidate; only one that was accepted, and no repeat, can enter.

    Returns:
        The front, by size.
    """
    if found.verdict != "accepted" or found.weights is None:
        return tuple(front)
    if any(each.tree.size <= found.tree.size and each.fitness <= found.fitness for each in front):
        return tuple(front)
    kept = [each for each in front if each.tree.size < found.tree.size or each.fitness < found.fitness]
    return tuple(sorted([*kept, found], key=lambda each: each.tree.size))


def front_of(candidates: Iterable[Evaluated]) -> tuple[Evaluated, ...]:
    """Returns the front of candidates."""
    front: tuple[Evaluated, ...] = ()
    for each in candidates:
        front = extend(front, each)
    return front


def front_table(front: Sequence[Evaluated]) -> bytes:
    """Returns the front as a CSV table: size, validation error, the formula to read and to the bit, and its place."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for each in front:
        formula = each.formula
        table.writerow([each.tree.size, repr(each.fitness), str(formula), exact(formula), *each.place])
    return text.getvalue().encode()
