"""The effective rate against closed forms."""

import torch

import lfl
from lfl.data.splits import Split
from lfl.training import effective_rate


def rate_of(loss) -> float:
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
    theta = {name: torch.randn(t.shape, generator=g, dtype=torch.float64) for name, t in theta.items()}
    split = Split(torch.randn(8, 3, generator=g, dtype=torch.float64), torch.randint(2, (8,), generator=g))
    return float(effective_rate(apply_fn, theta, buffers, split, loss=loss, task_loss=lfl.cross_entropy))


def test_multiples_of_the_task_loss_count_as_such() -> None:
    torch.testing.assert_close(rate_of(lambda f, y: 3.0 * lfl.cross_entropy(f, y) + 1.0), 3.0)
    torch.testing.assert_close(rate_of(lambda f, y: -0.5 * lfl.cross_entropy(f, y)), -0.5)


def test_what_is_orthogonal_to_the_task_loss_does_not_count() -> None:
    """The sum of all logits: cross-entropy does not change along it, so the biases' part is orthogonal."""
    g = torch.Generator().manual_seed(0)
    theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
    theta = {name: torch.randn(t.shape, generator=g, dtype=torch.float64) for name, t in theta.items()}
    nothing = torch.zeros(8, 3, dtype=torch.float64)  # so that the biases are all there is
    split = Split(nothing, torch.randint(2, (8,), generator=g))
    moved = effective_rate(
        apply_fn,
        theta,
        buffers,
        split,
        loss=lambda f, y: f.sum(-1) + 2.0 * lfl.cross_entropy(f, y),
        task_loss=lfl.cross_entropy,
    )
    torch.testing.assert_close(float(moved), 2.0)
