"""A run on a data set or a mapped file equals a run on the same data as arrays, to the bit, also when it is resumed."""

import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

import lfl
from lfl.run import resume
from lfl.run.load import load_model_and_data
from lfl.run.load import test_error as read_test_error
from lfl.task import load_task
from lfl.training import build_problem, resolve
from lfl.trees import leaves

G = torch.Generator().manual_seed(0)
X = 3 + 2 * torch.randn(120, 6, generator=G)
Y = (X[:, 0] + torch.randn(120, generator=G) > 3).long()
SMALL: dict[str, Any] = {
    "steps": 12, "offline_steps": 4, "batch_size": 8, "eval_every": 4, "log_every": 2, "device": "cpu",
    "compile": "off", "checkpoint_every": 4,
}  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    """What a run wrote, but for the clock and the data's digest."""
    kept = ["metrics.jsonl", "theta.safetensors", "phi.safetensors", "encoding.json", "phi_history.safetensors"]
    return {name: (folder / name).read_bytes() for name in kept if (folder / name).exists()}


def in_memory() -> lfl.Task:
    return lfl.task_from_loaders(DataLoader(TensorDataset(X, Y), batch_size=16))


SOURCES: dict[str, Any] = {
    "a data set": lambda workers: lfl.Loaders(TensorDataset(X, Y), num_workers=workers),
    "a loader": lambda workers: lfl.Loaders(
        DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True, num_workers=workers), stream=True
    ),
    "arrays": lambda workers: lfl.Loaders((X.numpy(), Y.numpy()), num_workers=workers),
}
WAYS: dict[str, dict[str, Any]] = {
    "adalfl": {"method": "adalfl"},
    "horizon": {"method": "adalfl", "horizon": 2, "meta_every": 4, "inner_steps": 2, "meta_objective": "train"},
    "residual": {"method": "residual", "label_noise": "symmetric:0.3", "objective": "balanced", "keep": "best"},
    "clean offline": {"method": "meta-lr", "offline_objective": "valid"},
}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_run_equals_one_on_arrays(source: str, way: str, workers: int, tmp_path: Path) -> None:
    asked = SMALL | WAYS[way]
    lfl.train(in_memory(), "logistic", out=tmp_path / "a", **asked)
    run = lfl.train(SOURCES[source](workers), "logistic", out=tmp_path / "b", **asked)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert run.result.completed


@pytest.mark.slow
@pytest.mark.usefixtures("no_code_generation")
def test_a_compiled_run_equals_one_on_arrays(tmp_path: Path) -> None:
    asked = SMALL | {"method": "adalfl", "compile": "on"}
    lfl.train(in_memory(), "logistic", out=tmp_path / "a", **asked)
    lfl.train(SOURCES["a data set"](2), "logistic", out=tmp_path / "b", **asked)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.slow
def test_several_seeds_as_one_program_equal_those_on_arrays(tmp_path: Path) -> None:
    from lfl.api import train_seeds

    found = []
    for name, task in (("a", in_memory()), ("b", SOURCES["a data set"](2))):
        train_seeds([3, 4], task, "logistic", out=tmp_path / name, **SMALL | WAYS["residual"])
        found.append([files(tmp_path / name / f"seed-{seed}") for seed in (3, 4)])
    assert found[0] == found[1]


class Augmented(Dataset[Any]):
    """Noise from every generator that augmentation draws from."""

    def __len__(self) -> int:
        return 120

    def __getitem__(self, row: int) -> dict[str, Any]:
        noise = torch.randn(6) + random.random() + np.random.rand()  # noqa: NPY002 (what augmentation does)
        return {"x": X[row] + 0.1 * noise, "y": int(Y[row])}


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 5, 8])
def test_resume_is_exact_with_random_augmentation_and_other_workers(stop: int, tmp_path: Path) -> None:
    def interrupted(progress: lfl.Progress) -> None:
        if progress.phase.name == "train" and progress.step == stop:
            raise KeyboardInterrupt

    lfl.train(lfl.Loaders(Augmented()), "logistic", out=tmp_path / "a", **SMALL)
    with pytest.raises(KeyboardInterrupt):
        lfl.train(
            lfl.Loaders(Augmented(), num_workers=2), "logistic", out=tmp_path / "b", progress=interrupted, **SMALL
        )
    (result,) = resume(tmp_path / "b", task=lfl.task_from_loaders(Augmented(), num_workers=1))
    assert result.completed
    assert files(tmp_path / "a") == files(tmp_path / "b")


def npy(folder: Path, **arrays: Any) -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


IMAGES = torch.randint(0, 255, (90, 3, 9, 9), generator=G, dtype=torch.uint8).numpy()
TABLES: dict[str, Any] = {
    "classes": (np.where(np.arange(120)[:, None] % 9 == 0, np.nan, X.double().numpy()), Y.numpy()),
    "words": (X.numpy(), np.array(["no", "yes"])[Y]),
    "real values": (X.numpy(), (X @ torch.randn(6, 2, generator=G)).numpy()),
    "colour images": (IMAGES, np.arange(90) % 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_folder_of_npy_files_is_trained_on_as_the_same_npz(name: str, tmp_path: Path) -> None:
    x, y = TABLES[name]
    arrays = {"x_train": x, "y_train": y, "x_test": x[::3], "y_test": y[::3]}
    np.savez(tmp_path / "data.npz", **arrays)
    paths = [tmp_path / "data.npz", npy(tmp_path / "data", **arrays)]
    for i, path in enumerate(paths):
        lfl.train(path, "logistic", out=tmp_path / f"run {i}", **SMALL)
    assert files(tmp_path / "run 0") == files(tmp_path / "run 1")
    errors = [read_test_error(*load_model_and_data(tmp_path / f"run {i}")) for i in range(2)]
    assert errors[0] == errors[1]


def test_batches_of_stored_inputs_are_those_of_arrays() -> None:
    x, y = {"a": X, "b": (X[:, :2], Y)}, Y
    tasks = [lfl.task_from_loaders(train) for train in ([(x, y)], (x, y))]
    assert tasks[1].input_shape == {"a": (6,), "b": ((2,), ())}
    settings = resolve(tasks[0].defaults, model="logistic", batch_size=7, imbalance=4.0)

    class Model(torch.nn.Module):
        def __init__(self, shapes: Any, outputs: int) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, outputs)

        def forward(self, a: torch.Tensor, b: Any) -> torch.Tensor:
            return self.layer(a) + b[0].sum(-1, keepdim=True)

    sys.modules[__name__].Model = Model  # type: ignore[attr-defined]
    problems = [build_problem(task, resolve(task.defaults, **_own(settings))) for task in tasks]
    for split, stream in (("train", "train"), ("valid", "valid"), ("train", "train")):
        a, b = (problem.batch(split, stream, 3) for problem in problems)
        assert all(torch.equal(s, t) for s, t in zip(leaves(a), leaves(b), strict=True))


def _own(settings: Any) -> dict[str, Any]:
    return asdict(settings) | {"model": f"{__name__}:Model"}


def test_load_task_reads_a_folder_of_arrays_lazily(tmp_path: Path) -> None:
    task = load_task(str(npy(tmp_path / "data", x_train=X.numpy(), y_train=Y.numpy())), Path("unused"))
    assert type(task.train.x).__name__ == "Stored"
    assert torch.allclose(task.train.x[:].mean(0), torch.zeros(6), atol=1e-6)
