"""What a study found, line by line."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..report.statistics import Spread, spread
from .cell import Cell
from .commit import joined
from .line import Line
from .outcome import Outcome, read_outcome
from .statistics import Paired, paired


class Summary(NamedTuple):
    """The outcomes behind a line.

    Args:
        line: which.
        cell: whose test error is reported; of several candidates the one of least mean validation error.
        outcomes: of its seeds, in their order.
        seconds: of each seed, the search among candidates included.
    """

    line: Line
    cell: Cell
    outcomes: list[Outcome]
    seconds: list[float]

    @property
    def test(self) -> dict[int, float]:
        """Test error by seed; NaN where it diverged."""
        return {outcome.seed: outcome.test_error for outcome in self.outcomes}

    @property
    def error(self) -> Spread:
        """Test error over the seeds."""
        return spread(list(self.test.values()))

    @property
    def diverged(self) -> list[Outcome]:
        """The seeds that diverged."""
        return [outcome for outcome in self.outcomes if outcome.diverged is not None]

    @property
    def commit(self) -> str:
        """Of the source; several, where seeds were made by several."""
        return joined(*(outcome.commit for outcome in self.outcomes))

    def less(self, other: "Summary | None") -> Paired | None:
        """Test error less another line's, by seed."""
        return None if other is None else paired(self.test, other.test)


def summarise(line: Line, cells: Sequence[Cell], seeds: Sequence[int]) -> Summary | None:
    """The summary of a line; None where a seed of a candidate has not ended.

    Args:
        line: which.
        cells: of its candidates, in their order.
        seeds: those that count.
    """
    found = [[read_outcome(cell, seed) for seed in seeds] for cell in cells]
    whole = [[outcome for outcome in each if outcome is not None] for each in found]
    if any(len(outcomes) < len(seeds) for outcomes in whole):
        return None
    valid = [spread([outcome.valid_error for outcome in outcomes]).mean for outcomes in whole]
    best = min(range(len(cells)), key=lambda i: (math.isnan(valid[i]), valid[i]))
    times = [[outcome.seconds for outcome in outcomes] for outcomes in whole]
    known = [each for each in times if not any(math.isnan(seconds) for seconds in each)]
    seconds = [sum(each) for each in zip(*known, strict=True)]
    return Summary(line, cells[best], whole[best], seconds)
