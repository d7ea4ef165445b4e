"""Stored inputs: rows are those of an array in memory, whoever reads them; randomness is keyed; faults are in words."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lfl
from lfl.data.stored import Ahead, RowsToRead, Stored, Workers

X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))


def fetch(rows: Any) -> torch.Tensor:
    return X[list(rows)]


def noisy(rows: Any) -> torch.Tensor:
    return torch.rand(len(rows)) + float(np.random.rand()) + random.random()  # noqa: NPY002 (what augmentation does)


def stored(read: Any = fetch, num_workers: int = 0) -> Stored:
    return Stored(read, torch.arange(50), "mine", Workers(num_workers))


def test_rows_are_those_of_the_array() -> None:
    whole, rows = stored(), torch.tensor([7, 3, 3, 49])
    assert torch.equal(whole[rows], X[rows])
    assert torch.equal(whole[4:9], X[4:9])
    part = whole.subset(torch.arange(10, 30)).then(lambda x: 2 * x)
    assert len(part) == 20
    assert torch.equal(part[rows[:3]], 2 * X[10 + rows[:3]])
    assert torch.equal(torch.cat(list(part.chunks(7))), 2 * X[10:30])


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_what_is_read_ahead_is_what_was_asked_for_in_any_order(num_workers: int) -> None:
    def batches(stream: str, step: int) -> list[RowsToRead]:
        return [RowsToRead([step % 50, len(stream)], step), RowsToRead([0], step)]

    ahead = Ahead(stored(num_workers=num_workers), batches, {"valid": 3})
    for stream, step in [("train", 0), ("train", 1), ("train", 1), ("train", 7), ("valid", 2), ("valid", 5)]:
        first, second = ahead.at(stream, step)
        assert torch.equal(first, X[[step, len(stream)]])
        assert torch.equal(second, X[:1])


@pytest.mark.slow
def test_random_numbers_are_keyed_and_the_same_in_workers_and_the_generators_go_on() -> None:
    wanted = [RowsToRead([0, 1], 5), RowsToRead([0, 1], 6), RowsToRead([0, 1], 5)]
    before = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    here, there = (list(stored(noisy, n).read_all(wanted)) for n in (0, 2))
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    assert torch.equal(here[0], here[2])
    assert not torch.equal(here[0], here[1])
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == random.getstate()
    assert (before[2] == np.random.get_state()[1]).all()  # noqa: NPY002


def broken(rows: Any) -> torch.Tensor:
    raise FileNotFoundError("7.png")


def short(rows: Any) -> torch.Tensor:
    return X[:1]


@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_fault_is_in_words_without_a_trace(num_workers: int) -> None:
    with pytest.raises(lfl.UserError, match=r"^mine raised FileNotFoundError \(7.png\) for a batch of rows 4, 2"):
        list(stored(broken, num_workers).read_all([RowsToRead([4, 2], 0)]))
    with pytest.raises(lfl.UserError, match="mine gave 1 examples for 2 rows"):
        list(stored(short, num_workers).read_all([RowsToRead([4, 2], 0)]))


class Dies(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, row: int) -> Any:
        import os

        os._exit(1)


@pytest.mark.slow
def test_a_worker_that_dies_is_a_failure_in_words() -> None:
    with pytest.raises(lfl.Failure, match=r"a worker that reads loaders, train has stopped .*num_workers=0"):
        lfl.task_from_loaders(Dies(), num_workers=1)


def anonymous() -> int:
    """Bytes of this process's own memory; pages of mapped files are the system's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
@pytest.mark.slow
def test_a_file_larger_than_what_is_touched_takes_no_memory(tmp_path: Path) -> None:
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (100_000, 1000))  # 400 MB, sparse
    x[::1000] = np.random.default_rng(0).normal(size=(100, 1000))
    x.flush()
    y = (np.arange(100_000) % 2).astype(np.int64)
    before = anonymous()
    task = lfl.task_from_loaders((np.load(tmp_path / "x.npy", mmap_mode="r"), y))
    run = lfl.train(
        task, "logistic", "adalfl", out=tmp_path / "run", steps=20, offline_steps=2, eval_every=20, device="cpu"
    )
    assert run.result.completed
    assert anonymous() - before < 200e6  # the array alone would be 400e6, and its copies more
