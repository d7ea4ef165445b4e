"""The formula of synchronised batch norm, on one rank; `test_ranks.py` has several."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl
from lfl.hypergradient.directional import forward_mode
from lfl.step.synchronised import batch_norm, synchronised


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 4)])
@pytest.mark.parametrize("affine", [True, False])
def test_one_rank_has_torchs_batch_norm(shape: tuple[int, ...], affine: bool) -> None:
    g = torch.Generator().manual_seed(0)
    x, mean, var = (torch.rand(size, generator=g, dtype=torch.float64) for size in (shape, (3,), (3,)))
    learned = [torch.rand(3, generator=g, dtype=torch.float64) for _ in range(2)] if affine else [None, None]
    running, torchs = [mean.clone(), var.clone()], [mean.clone(), var.clone()]
    ours = batch_norm(lambda tree: tree, 1, x, *running, *learned, training=True, momentum=0.3)
    torch.testing.assert_close(ours, F.batch_norm(x, *torchs, *learned, training=True, momentum=0.3))
    torch.testing.assert_close(running, torchs)
    evaluated = batch_norm(lambda tree: tree, 1, x, *running, *learned)
    torch.testing.assert_close(evaluated, F.batch_norm(x, *torchs, *learned))


def test_a_model_keeps_its_attributes_and_its_derivative() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh()).double()
    theta, buffers, apply_fn = lfl.functional(module)
    together = synchronised(apply_fn, lambda tree: tree, 1)
    assert getattr(together, "training_code", None) is apply_fn.training_code
    x = torch.randn(5, 3, dtype=torch.float64)
    direction = {name: torch.ones_like(t) for name, t in theta.items()}
    ours, torchs = (
        forward_mode(lambda theta, f=f: f(theta, buffers, x)[0], None, theta, direction) for f in (together, apply_fn)
    )
    torch.testing.assert_close(ours, torchs)
