"""Scaling of inputs and real targets, learned from the train split alone."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch

from ..errors import UserError
from .stored import Stored

ROWS_AT_ONCE = 1000
"""Rows that are converted to double precision at a time."""


class Scale(NamedTuple):
    """Standardisation of inputs: mean and standard deviation of each column or channel, in double precision."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Standardises inputs `[n, ...]`: `(x - mean) / deviation` in float32; missing values (NaN) become the mean.

        Raises:
            UserError: an input lies so far from the mean that float32 cannot hold it.
        """
        chunks = [(chunk.double() - self.mean) / self.deviation for chunk in torch.split(x, ROWS_AT_ONCE)]
        scaled = torch.cat([chunk.nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf).float() for chunk in chunks])
        if bool((far := scaled.isinf()).any()):
            row, column = far.nonzero()[0, :2].tolist()
            raise UserError(f"input {column} of row {row} lies too far from the others to be scaled; remove that row.")
        return scaled

    def back(self, x: torch.Tensor) -> torch.Tensor:
        """Undoes the standardisation, in double precision; missing values stay the mean."""
        return x.double() * self.deviation + self.mean


def scale_of(train: torch.Tensor | Stored) -> Scale:
    """Computes the mean and deviation of train inputs.

    There is one pair for each column of a table `[n, columns]`, or channel of images `[n, channels, ...]`. Constant
    columns are only centred; missing values (NaN) do not count. Stored inputs are read twice.

    Raises:
        UserError: inputs are too large for their mean to be computed.
    """

    def chunks() -> Iterable[torch.Tensor]:
        return train.chunks(ROWS_AT_ONCE) if isinstance(train, Stored) else torch.split(train, ROWS_AT_ONCE)

    dims = (0, *range(2, train[:1].dim()))
    lows, highs, counts, sums = zip(*(_facts_of(chunk, dims) for chunk in chunks()), strict=True)
    low, high = torch.stack(lows).amin(0).double(), torch.stack(highs).amax(0).double()
    count = torch.stack(counts).sum(0).clamp(min=1.0)
    mean = torch.where(high > low, torch.stack(sums).sum(0) / count, high.nan_to_num(neginf=0.0))
    # Division by a power of two is exact; squares then neither overflow nor underflow.
    unit = torch.exp2(
        torch.maximum(high - mean, mean - low).log2().floor().nan_to_num(0.0, 0.0, 0.0).clamp(-1000, 1000)
    )
    squares = [((chunk.double() - mean) / unit).square().nansum(dims, keepdim=True)[0] for chunk in chunks()]
    deviation = (torch.stack(squares).sum(0) / count).sqrt() * unit
    if not bool((mean.isfinite() & deviation.isfinite()).all()):
        raise UserError("inputs are too large to be scaled, beyond 1e300; divide them first.")
    return Scale(mean, torch.where((high > low) & (deviation > 0), deviation, torch.ones_like(deviation)))


def _facts_of(chunk: torch.Tensor, dims: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """Least and largest value over `dims` (inf and -inf where all are missing), number and sum of those not missing."""

    def over(known: Callable[..., torch.Tensor], absent: float) -> torch.Tensor:
        found = known(chunk, dims, keepdim=True)[0]
        return known(chunk.nan_to_num(nan=absent), dims, keepdim=True)[0] if bool(found.isnan().any()) else found

    exact = chunk.double()
    number, total = ((~exact.isnan()).double(), exact)
    return (
        over(torch.amin, torch.inf),
        over(torch.amax, -torch.inf),
        *(t.nansum(dims, keepdim=True)[0] for t in (number, total)),
    )


class Range(NamedTuple):
    """Scaling of real targets to [0, 1] on train: least and largest value of each column, in double precision."""

    low: torch.Tensor
    high: torch.Tensor

    def __call__(self, y: torch.Tensor) -> torch.Tensor:
        """Scales targets: `(y - low) / (high - low)` in float32; targets outside train's range lie outside [0, 1].

        Raises:
            UserError: a target lies so far outside that float32 cannot hold it.
        """
        scaled = ((y.double() - self.low) / (self.high - self.low)).float()
        if bool((far := scaled.isinf()).any()):
            row, column = far.nonzero()[0].tolist()
            raise UserError(f"target {column} of row {row} lies too far from train's to be scaled; remove that row.")
        return scaled

    def back(self, y: torch.Tensor) -> torch.Tensor:
        """Undoes the scaling, in double precision."""
        return y.double() * (self.high - self.low) + self.low


def range_of(train: torch.Tensor) -> Range:
    """Computes the range of each column of train targets `[n, width]`.

    Raises:
        UserError: a column is the same in every row, or its range is not finite.
    """
    span = Range(train.double().amin(0), train.double().amax(0))
    width = span.high - span.low
    if bool((odd := ~((width > 0) & width.isfinite())).any()):
        column = int(odd.nonzero()[0, 0])
        raise UserError(
            f"targets (column {column}) go from {span.low[column].item()} to {span.high[column].item()} in train; "
            "real targets must differ between rows, by less than 1e308."
        )
    return span
