"""Modules, batches and optimisers that the tests of the learner share."""

from collections.abc import Callable

import torch
from torch import nn

import lfl


def plain() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))


def batch_norm() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


def dropout() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))


MODULES: dict[str, Callable[[], nn.Module]] = {"plain": plain, "batch norm": batch_norm, "dropout": dropout}
OPTIMISERS: dict[str, lfl.Optimiser] = {
    "sgd": lfl.sgd(0.1),
    "nesterov, decay": lfl.sgd(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lfl.adam(1e-2),
}


def made(name: str, seed: int = 0) -> nn.Module:
    """A module with parameters drawn from a seed, without touching torch's global state."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MODULES[name]()


def batch(step: int, stream: int = 0, size: int = 8, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(1000 * stream + step)
    x = torch.randn(size, 1, 4, 4, generator=g, dtype=dtype)
    return x, (x.flatten(1)[:, :3].argmax(1) + torch.randint(2, (size,), generator=g)) % 3
