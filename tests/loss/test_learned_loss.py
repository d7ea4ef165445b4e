"""The loss of a whole example: what counts, shapes, precisions, many seeds, compiled programs."""

from functools import partial
from typing import Any

import pytest
import torch

import lfl
from lfl.export.reduction import reduced_loss
from lfl.loss import REPRESENTATIONS
from lfl.randomness import generator

from .steps import batches, hypergradient, model, task_loss

CLASSES = 4
NEW = ["residual", "weight-net", "true-class", "vector-scaling"]


def drawn(name: str, kind: str = "classification", width: int = CLASSES) -> tuple[dict[str, torch.Tensor], Any]:
    """A new loss, with phi away from where it starts."""
    phi, loss_fn = REPRESENTATIONS[name](kind, num_outputs=width, generator=generator(0, "phi"))
    g = generator(1, "phi")
    return {key: t + 0.1 * torch.randn(t.shape, generator=g) for key, t in phi.items()}, loss_fn


def batch(size: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(2, "batch")
    return torch.randn(size, CLASSES, generator=g), torch.randint(CLASSES, (size,), generator=g)


@pytest.mark.parametrize("name", NEW)
def test_what_does_not_count_leaves_the_mean(name: str) -> None:
    phi, loss_fn = drawn(name)
    f, y = batch()
    y[[0, 5]] = -100
    kept = y != -100
    losses = loss_fn(phi, f, y)
    assert not losses[~kept].any()
    torch.testing.assert_close(losses.mean(), loss_fn(phi, f[kept], y[kept]).mean())
    torch.testing.assert_close(torch.func.vmap(partial(loss_fn, phi))(f[None], y[None])[0], losses)
    slope = torch.func.grad(lambda f: loss_fn(phi, f, y).sum())(f)
    assert not slope[~kept].any()
    with pytest.raises(lfl.UserError, match="from 0 to 3"):
        loss_fn(phi, f, torch.full((9,), 4))


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_of_outputs(name: str, dtype: torch.dtype) -> None:
    phi, loss_fn = drawn(name)
    f, y = batch()
    found = loss_fn(phi, f.to(dtype), y)
    assert found.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(found.float(), loss_fn(phi, f.to(dtype).float(), y))


@pytest.mark.parametrize("name", NEW)
def test_handed_over_it_is_the_same(name: str) -> None:
    phi, loss_fn = drawn(name)
    f, y = batch()
    expected = loss_fn(phi, f, y)
    reduced = partial(reduced_loss, loss_fn, phi)
    torch.testing.assert_close(reduced(f, y), expected.mean())
    torch.testing.assert_close(reduced(f, y, reduction="none"), expected)
    y_some = torch.where(torch.arange(9) < 3, -100, y)
    torch.testing.assert_close(reduced(f, y_some), expected[3:].mean())
    pictures = f.reshape(3, 3, CLASSES).movedim(2, 1)
    torch.testing.assert_close(reduced(pictures, y.reshape(3, 3), reduction="none"), expected.reshape(3, 3))
    shares = torch.softmax(torch.randn(9, CLASSES, generator=generator(3, "shares")), 1)
    each = torch.stack([loss_fn(phi, f, torch.full((9,), k)) for k in range(CLASSES)], 1)
    torch.testing.assert_close(reduced(f, shares, reduction="none"), (shares * each).sum(1))


@pytest.mark.parametrize("name", ["residual", "weight-net"])
def test_of_real_values_the_mean_is_what_training_descends(name: str) -> None:
    phi, loss_fn = drawn(name, "regression", 3)
    g = generator(0, "values")
    f, y = torch.randn(5, 3, generator=g), torch.randn(5, 3, generator=g)
    torch.testing.assert_close(reduced_loss(loss_fn, phi, f, y), loss_fn(phi, f, y).mean())
    alone = torch.stack([loss_fn(phi, f[:, i], y[:, i]) for i in range(3)], 1)
    torch.testing.assert_close(reduced_loss(loss_fn, phi, f, y, reduction="none"), alone)
    torch.testing.assert_close(reduced_loss(loss_fn, phi, f[0, 0], y[0, 0]), alone[0, 0])


def test_a_loss_that_is_no_loss_of_examples_is_told() -> None:
    loss_fn = lfl.ExampleLoss(lambda phi, f, y: (phi["a"] * f).mean(), "classification")
    with pytest.raises(lfl.UserError, match=r"a loss for each example, \[9\], got \[\]"):
        loss_fn({"a": torch.ones(())}, *batch())


@pytest.mark.parametrize("name", NEW)
def test_many_seeds_together_are_each_alone(name: str) -> None:
    phis = [{key: (1 + seed) * t.double() for key, t in drawn(name, width=3)[0].items()} for seed in range(2)]
    _, loss_fn = drawn(name, width=3)
    stacked = {key: torch.stack([phi[key] for phi in phis]) for key in phis[0]}
    alone = [hypergradient("mixed", phi, loss_fn, "classification") for phi in phis]
    together = torch.func.vmap(lambda phi: hypergradient("mixed", phi, loss_fn, "classification"))(stacked)
    for key in together:
        torch.testing.assert_close(together[key], torch.stack([one[key] for one in alone]), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEW)
def test_compiled_in_one_piece_it_is_the_same(name: str) -> None:
    phi, loss_fn = drawn(name, width=3)
    phi = {key: t.double() for key, t in phi.items()}
    theta, _, apply_fn = model()
    train, valid = batches("classification", count=2)

    def step(theta: Any, phi: Any, train: Any, valid: Any) -> Any:
        return lfl.meta_step(
            theta,
            phi,
            train,
            valid,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=task_loss("classification"),
            inner=lfl.sgd(0.5),
            outer=lfl.sgd(1.0),
        )[:2]

    expected = step(theta, phi, train, valid)
    found = torch.compile(step, fullgraph=True, backend="aot_eager")(theta, phi, train, valid)
    for one, other in zip(found, expected, strict=True):
        for key in other:
            torch.testing.assert_close(one[key], other[key], rtol=1e-9, atol=1e-12)
