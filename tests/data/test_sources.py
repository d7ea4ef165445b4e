"""What rows can be read from: each source gives the same batch, whatever it is; tuples of inputs stay tuples."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from lfl.data.sources import is_dataset, is_pair, of_dataset, of_inputs, of_loader, picked
from lfl.data.stored import RowsToRead

X, Y = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20)
ROWS = [7, 3, 3, 19]


class Several(Dataset[Any]):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, row: int) -> Any:
        return (X[row], X[row, 0]), row


class AtOnce(Several):
    def __getitems__(self, rows: list[int]) -> Any:
        return [self[row] for row in rows]


@pytest.mark.parametrize("dataset", [Several(), AtOnce()])
def test_a_tuple_of_inputs_stays_one(dataset: Any) -> None:
    x, y = of_dataset(dataset, "mine", 0).read(RowsToRead(ROWS, 0))
    assert isinstance(x, tuple)
    assert torch.equal(x[0], X[ROWS])
    assert torch.equal(x[1], X[ROWS, 0])
    assert y.tolist() == ROWS


def test_loaders_collate_as_they_do() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=4, collate_fn=lambda rows: len(rows) * torch.ones(len(rows)))
    assert of_loader(loader, "mine").read(RowsToRead(ROWS, 0)).tolist() == [4.0] * 4


def test_inputs_are_arrays_files_and_data_sets_in_a_tree() -> None:
    tree = {"a": X, "b": (X.numpy(), OfRows())}
    found = of_inputs(tree, "mine", 0).read(RowsToRead(ROWS, 0))
    assert torch.equal(found["a"], X[ROWS])
    assert torch.equal(found["b"][0], X[ROWS])
    assert found["b"][1].tolist() == ROWS


class OfRows(Dataset[Any]):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, row: int) -> int:
        return row


def test_rows_of_an_array_are_in_the_order_that_was_asked_for() -> None:
    assert (picked(X.numpy(), ROWS) == X.numpy()[ROWS]).all()


class Iterated(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter([])


def test_which_source_is_what() -> None:
    assert [is_dataset(s) for s in (TensorDataset(X), Several(), Iterated(), [1], X)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    pairs = [(X, Y), (X.numpy(), Y.numpy()), ({"a": X}, Y), (OfRows(), Y)]
    others = [[X, Y], (X, X, Y), ((X, Y), (X, Y)), (np.float64(1), [2]), TensorDataset(X, Y)]
    assert [is_pair(s) for s in [*pairs, *others]] == [True] * 4 + [False] * 5
