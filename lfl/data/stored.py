"""Inputs that stay where they are, in a data set or a file, and are read batch by batch while a model trains."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from ..errors import Failure, LflError, UserError, reason
from ..randomness import generator, seeded
from ..trees import leaves, map_tree

Fetch = Callable[[Sequence[int]], Any]
"""`fetch(rows)`: the inputs of these rows, a tensor or a tree of them with a first dimension of rows, on the CPU."""


class RowsToRead(NamedTuple):
    """A batch to read: the rows of it, and the seed of random numbers that reading it draws."""

    rows: Sequence[int]
    seed: int


@dataclass(frozen=True)
class Workers:
    """The processes that read ahead; as in `torch.utils.data.DataLoader`.

    Args:
        num: how many; 0 reads in the training process, a batch when it is needed.
        options: further arguments of `DataLoader`, such as `prefetch_factor`.
    """

    num: int = 0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """Inputs `[n, ...]`, or a tree of them, of which only the rows that are asked for are read.

    `stored[rows]` has the same values as a tensor that holds all of them, whatever is read before or at the same time.

    Args:
        fetch: reads rows of the source.
        rows: the rows of the source that count, `[n]`, on the CPU.
        where: the name of the source, for errors.
        workers: who reads ahead.
        steps: functions of what was read, one after the other, such as a standardisation.
        device: where batches are put.
        random: whether reading may draw random numbers, as augmentation does; they are keyed then.
    """

    fetch: Fetch
    rows: torch.Tensor
    where: str
    workers: Workers = Workers()
    steps: tuple[Callable[[Any], Any], ...] = ()
    device: torch.device = torch.device("cpu")  # noqa: RUF009
    random: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: torch.Tensor | slice) -> Any:
        """Reads rows, in this process; randomness in it is the same each time."""
        return self.placed(self.read(self.wanted(rows, 0)))

    def wanted(self, rows: torch.Tensor | slice, seed: int) -> RowsToRead:
        """Returns the batch to read for rows of these inputs."""
        return RowsToRead(self.rows[rows.cpu() if isinstance(rows, torch.Tensor) else rows].tolist(), seed)

    def subset(self, rows: torch.Tensor) -> "Stored":
        """Returns these rows as inputs of their own; nothing is read."""
        return replace(self, rows=self.rows[rows.cpu()])

    def then(self, step: Callable[[Any], Any]) -> "Stored":
        """Returns the inputs after a function of each batch; nothing is read."""
        return replace(self, steps=(*self.steps, step))

    def to(self, device: torch.device) -> "Stored":
        """Returns the inputs with batches on `device`; nothing is read."""
        return replace(self, device=device)

    def placed(self, batch: Any) -> Any:
        """Moves a batch to the device; from pinned memory without waiting for it."""
        return map_tree(lambda t: t.to(self.device, non_blocking=True), batch)

    def read(self, wanted: RowsToRead) -> Any:
        """Reads one batch in this process, on the CPU.

        Raises:
            UserError: the source raised an error.
        """
        found = _Reading(self)[wanted]
        if isinstance(found, _Fault):
            raise UserError(found.words)
        return found

    def read_all(self, batches: Iterable[RowsToRead]) -> Iterator[Any]:
        """Reads batches one after the other, on the CPU; workers, where there are any, read ahead.

        Raises:
            UserError: the source raised an error.
            Failure: a worker was killed.
        """
        if not self.workers.num:
            yield from map(self.read, batches)
            return
        loader = torch.utils.data.DataLoader(
            _Reading(self),
            batch_size=None,
            sampler=batches,
            num_workers=self.workers.num,
            pin_memory=self.device.type == "cuda",  # a GPU copies from there while it computes
            generator=torch.Generator(),  # else the global one is drawn from
            **self.workers.options,
        )
        try:
            for found in loader:
                if isinstance(found, _Fault):
                    raise UserError(found.words)
                yield found
        except LflError:
            raise
        except RuntimeError as error:
            raise Failure(
                f"a worker that reads {self.where} has stopped ({reason(error)}); give fewer workers, or none, "
                "num_workers=0, which shows what is wrong."
            ) from error

    def chunks(self, size: int) -> Iterator[Any]:
        """Reads all rows in order, `size` at a time, on the device."""
        batches = (self.wanted(slice(i, i + size), 0) for i in range(0, len(self), size))
        yield from map(self.placed, self.read_all(batches))


class _Fault(NamedTuple):
    """An error in a worker, in words: an exception would come back with the worker's traceback."""

    words: str


class _Reading(torch.utils.data.Dataset[Any]):
    """A data set whose items are whole batches."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored

    def __getitem__(self, wanted: RowsToRead) -> Any:
        stored = self.stored
        try:
            found = _drawing(stored.fetch, wanted) if stored.random else stored.fetch(wanted.rows)
            for step in stored.steps:
                found = step(found)
        except LflError as error:
            return _Fault(str(error))
        except Exception as error:  # a user's data set raises nearly anything
            rows = ", ".join(map(str, wanted.rows[:3]))
            return _Fault(
                f"{stored.where} raised {type(error).__name__} ({reason(error)}) for a batch of rows {rows}, ...; "
                "mend the data set."
            )
        if any(len(t) != len(wanted.rows) for t in leaves(found)):
            return _Fault(f"{stored.where} gave {len(leaves(found)[0])} examples for {len(wanted.rows)} rows.")
        return found


def _drawing(fetch: Fetch, wanted: RowsToRead) -> Any:
    """Reads a batch while every global generator is at its seed; afterwards they continue where they were."""
    words, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 (what augmentation draws from)
    try:
        with seeded(wanted.seed, ()):
            random.seed(wanted.seed)
            np.random.seed(wanted.seed % 2**32)  # noqa: NPY002
            return fetch(wanted.rows)
    finally:
        random.setstate(words)
        np.random.set_state(numbers)  # noqa: NPY002


def reading_seed(seed: int, stream: str, step: int) -> int:
    """Returns the seed of what is drawn while the batch of a step is read."""
    return generator(seed, f"{stream} reading", step).initial_seed()


class Ahead:
    """The batches of the steps of streams, which workers read before they are asked for.

    What it returns depends on stream and step alone. Where the step is not the next one, reading starts anew there.

    Args:
        stored: the inputs.
        batches: `batches(stream, step)`, what the step reads: a batch for each seed.
        strides: the distance between two steps of a stream; 1 where it is not in it.
    """

    def __init__(
        self, stored: Stored, batches: Callable[[str, int], list[RowsToRead]], strides: dict[str, int] | None = None
    ) -> None:
        self._stored, self._batches, self._strides = stored, batches, strides or {}
        self._next: tuple[str, int] | None = None
        self._coming: Iterator[Any] = iter(())
        self._last: tuple[tuple[str, int], list[Any]] | None = None

    def at(self, stream: str, step: int) -> list[Any]:
        """Returns the batches of a step, on the device; its tensors are the caller's own."""
        wanted = self._batches(stream, step)
        if not self._stored.workers.num:
            return [self._stored.placed(self._stored.read(each)) for each in wanted]
        if self._last is None or self._last[0] != (stream, step):  # a step may be asked for twice
            if self._next != (stream, step):
                coming = _endless(self._batches, stream, step, self._strides.get(stream, 1))
                self._coming = self._stored.read_all(coming)
            self._last = (stream, step), [next(self._coming) for _ in wanted]
            self._next = stream, step + self._strides.get(stream, 1)
        return [self._stored.placed(map_tree(torch.clone, each)) for each in self._last[1]]


def _endless(
    batches: Callable[[str, int], list[RowsToRead]], stream: str, step: int, stride: int
) -> Iterator[RowsToRead]:
    """Yields the batches of a step and of all that follow; it holds no `Ahead`, which ends its workers when it goes."""
    while True:
        yield from batches(stream, step)
        step += stride
