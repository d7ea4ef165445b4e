"""Tasks from loaders: the arrays are what the batches hold, whatever their form; other batches are refused in words."""

from collections import UserDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

import lfl
from lfl.data import limits
from lfl.task.loaders import task_from_loaders
from lfl.trees import map_tree

G = torch.Generator().manual_seed(0)
X, Z = torch.randn(40, 3, generator=G), torch.randint(9, (40, 5), generator=G)
Y = torch.arange(40) % 3


def batches(x: Any, y: Any, size: int = 7) -> list[Any]:
    return [map_tree(lambda t, i=i: t[i : i + size], (x, y)) for i in range(0, 40, size)]


def together(task: lfl.Task) -> Any:
    """All examples of a task in the order of their first column, so that splits of any order compare."""
    parts = map_tree(lambda *same: torch.cat(same), *task.splits.values())
    return parts.pick(torch.argsort(parts.y.double() * 1e-9 + _first(parts.x)))


def _first(x: Any) -> torch.Tensor:
    leaf = x if isinstance(x, torch.Tensor) else next(iter(x.values())) if isinstance(x, dict) else x[0]
    return leaf[:, 0].double()


def test_every_example_is_in_one_split_as_it_was_given() -> None:
    task = task_from_loaders(batches({"a": X, "b": Z}, Y))
    assert (task.kind, task.num_outputs, task.input_shape) == ("classification", 3, {"a": (3,), "b": (5,)})
    found, order = together(task), torch.argsort(Y.double() * 1e-9 + X[:, 0].double())
    assert torch.equal(found.x["a"], X[order])
    assert torch.equal(found.x["b"], Z[order])
    assert torch.equal(found.y, Y[order])
    assert found.x["b"].dtype == torch.int64
    assert len(task.test.y) == 8
    assert len(task.valid.y) in (3, 4)


FORMS: dict[str, Any] = {
    "lists": [[x, y] for x, y in batches(X, Y)],
    "arrays": [(x.double().numpy(), y.int().numpy().astype(np.int64)) for x, y in batches(X, Y)],
    "x and y": [{"x": x, "y": y} for x, y in batches(X, Y)],
    "a loader": DataLoader(TensorDataset(X, Y), batch_size=9),
    "whole": [(X, Y)],
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_batch_does_not_matter(form: str) -> None:
    found, wanted = task_from_loaders(FORMS[form]), task_from_loaders(batches(X, Y))
    for name, split in wanted.splits.items():
        assert torch.equal(found.splits[name].x, split.x)
        assert torch.equal(found.splits[name].y, split.y)
    assert found.digest == wanted.digest or form == "arrays"  # of the rows as they were given


@pytest.mark.parametrize("mapping", [dict, UserDict])
@pytest.mark.parametrize("name", ["y", "target", "targets", "label", "labels"])
def test_a_dict_names_inputs_and_targets(name: str, mapping: Any) -> None:
    task = task_from_loaders([mapping({"ids": z, "mask": x, name: y}) for (x, y), (z, _) in both()])
    assert task.input_shape == {"ids": (5,), "mask": (3,)}
    assert torch.equal(task.train.x["ids"], task_from_loaders(batches({"ids": Z, "mask": X}, Y)).train.x["ids"])


def both() -> list[Any]:
    return list(zip(batches(X, Y), batches(Z, Y), strict=True))


def test_parts_of_your_own_stay_apart_and_a_shuffling_loader_gives_the_same_rows_again() -> None:
    def task() -> lfl.Task:
        train = DataLoader(TensorDataset(X, Y), batch_size=9, shuffle=True)
        return task_from_loaders(train, [(X[:6] + 1, Y[:6])], [(X[:4] + 2, Y[:4])], num_outputs=5)

    before = torch.get_rng_state()
    first, second = task(), task()
    assert torch.equal(before, torch.get_rng_state())
    assert first.digest == second.digest
    assert first.num_outputs == 5
    assert torch.equal(first.valid.x, X[:6] + 1)
    assert torch.equal(first.test.x, X[:4] + 2)
    assert len(first.train.y) == 40
    assert torch.equal(first.train.x, second.train.x)


def test_real_values_stay_as_they_are() -> None:
    task = task_from_loaders(batches(X, X[:, 0] * 100))
    assert (task.kind, task.num_outputs, task.train.y.shape[1]) == ("regression", 1, 1)
    assert torch.equal(task.train.y[:, 0], task.train.x[:, 0] * 100)
    assert task.encoding.range is not None
    assert torch.equal(task.encoding.range.back(task.train.y).float(), task.train.y)
    again = lfl.Encoding.of(task.encoding.content(), "here")
    assert (again.input_shape, again.num_outputs) == (task.input_shape, 1)


def test_whole_numbers_are_real_values_where_it_is_said() -> None:
    task = task_from_loaders(batches(X, Y), kind="regression")
    assert task.kind == "regression"
    assert set(task.train.y.flatten().tolist()) == {0.0, 1.0, 2.0}


def test_the_shape_of_a_tree_is_read_back(tmp_path: Any) -> None:
    import json

    task = task_from_loaders(batches({"a": [X, Z], "b": (X, {"c": Z})}, Y))
    content = json.loads(json.dumps(task.encoding.content()))
    assert lfl.Encoding.of(content, "here").input_shape == {"a": ((3,), (5,)), "b": ((3,), {"c": (5,)})}
    for damaged in ([0, 3], {"a": "x"}, [3.5], {"a": [1, None]}):
        with pytest.raises(lfl.UserError, match="damaged"):
            lfl.Encoding.of(content | {"input_shape": damaged}, "here")


def test_an_endless_loader_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_free_in_system", lambda: 10_000)

    def endless() -> Iterator[Any]:
        while True:
            yield X, Y

    with pytest.raises(
        lfl.UserError, match=r"loaders, train needs about .* of memory, and .* are free; give stream=True"
    ):
        task_from_loaders(endless())


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        while True:
            yield X[0], Y[0]


class Growing(Dataset[Any]):
    """Examples of one shape in each of the batches that are read."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, row: int) -> Any:
        return torch.zeros(3 if row < 64 else 4), 0


LOADERS: dict[str, tuple[Any, str]] = {
    "weights": (
        DataLoader(TensorDataset(X, Y), sampler=WeightedRandomSampler([1.0] * 40, 40)),
        "this loader has a WeightedRandomSampler of its own; .*Subset",
    ),
    "iterable": (DataLoader(Endless()), "a map-style Dataset, or a DataLoader over one, got a Endless"),
    "no batches": (DataLoader(TensorDataset(X, Y), batch_size=None), "this loader has a NoneType of its own"),
    "a list": ([(X, Y)], "got a list. Leave stream out"),
}


@pytest.mark.parametrize("name", LOADERS)
def test_what_cannot_be_read_by_row_is_refused_with_stream(name: str) -> None:
    with pytest.raises(lfl.UserError, match=LOADERS[name][1]):
        task_from_loaders(LOADERS[name][0], stream=True)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (3, "must be iterable, got a int"),
        ([], "gives no batch"),
        (Endless(), "an IterableDataset has no rows .* wrap it into a DataLoader"),
        (TensorDataset(X[:0], Y[:0]), "loaders, train holds no examples"),
        (TensorDataset(X), r"must be \(x, y\), or a dict .*, got 1 entries"),
        (Growing(), "examples from row 64 on are of another shape"),
        ((X, Y[:39]), r"40 inputs and targets \[39\]"),
        (({"a": X, "b": Z[:30]}, Y), r"inputs have \[30, 40\] examples"),
        ([(X, X, Y)], r"must be \(x, y\), or a dict .*, got 3 entries"),
        ([X], r"must be \(x, y\), or a dict .*, got a Tensor"),
        ([{"a": X}], "got a dict of a"),
        ([(X, ["a"] * 40)], "must hold tensors or arrays, got a str"),
        ([(X, Y[:39])], r"inputs \[40, 3\] and targets \[39\]"),
        ([(X, Y), (Z.float(), Y)], "batches do not fit together"),
        ([(X, Y), ({"a": X}, Y)], "batches do not fit together"),
        ([(X[:10], Y[:10])], "has 10 train examples; give at least 20"),
        ([(X, Y - 1)], "class ids of train go from -1"),
        ([(X, Z)], r"class ids must be whole numbers \[batch\], got torch.int64 \[5\] for one example in train"),
        ([(X, X / 0)], "not finite"),
        ([({"a": X}, {"b": Y})], "targets must be one tensor"),
    ],
)
def test_what_is_no_loader_of_examples_is_refused(train: Any, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        task_from_loaders(train)


@pytest.mark.parametrize(
    ("valid", "words"),
    [
        ([(X[:3], Y[:3])], "valid has 3 examples; give at least 5"),
        ([(Z.float(), Y)], r"valid has inputs \(5,\) and train \(3,\)"),
        ([(X, Y + 1)], "class ids of valid go from 1 to 3, and there are 3 classes"),
    ],
)
def test_a_valid_of_another_kind_is_refused(valid: Any, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        task_from_loaders(batches(X, Y), valid)
