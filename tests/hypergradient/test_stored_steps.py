"""The pass over stored steps: its memory, models with convolutions, today's special case, and the traps."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.hypergradient.bilevel import Bilevel
from lfl.hypergradient.mixed_mode import mixed
from lfl.optimiser import Optimiser

from .adaptation_cases import gradient, problem
from .cases import KINDS, OPTIMISERS, assert_close, make_case
from .live_bytes import LiveBytes


def wide(optimiser: Optimiser, num_steps: int) -> tuple[Any, ...]:
    """Many examples of few inputs: activations of 1 MB a layer beside parameters of 25 kB."""
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(1, 4000, 8, generator=draw), torch.randint(5, (1, 4000), generator=draw)
    phi = {"a": torch.randn(64, 8, generator=draw) / 3, "b": torch.randn(64, 64, generator=draw) / 8}

    def objective(theta: Any, phi: Any, task: Any) -> torch.Tensor:
        hidden = torch.tanh(task["x"] @ theta["a"].T)
        return F.cross_entropy((torch.tanh(hidden @ theta["b"].T))[:, :5], task["y"])

    return lfl.Adaptation(objective, optimiser, num_steps), objective, lambda phi: phi, phi, {"x": x, "y": y}


def peak(form: str, optimiser: Optimiser, num_steps: int) -> int:
    args = wide(optimiser, num_steps)
    with LiveBytes() as counted:
        lfl.bilevel_gradient(*args, form=form)
    return counted.peak


@pytest.mark.parametrize(
    ("optimiser", "copies"), [(lfl.sgd(0.1), 1), (lfl.sgd(0.1, momentum=0.9), 2), (lfl.adam(0.01), 4)]
)
def test_memory_grows_by_the_stored_steps_alone(optimiser: Optimiser, copies: int) -> None:
    """Copies of theta a step: theta itself, the optimiser's slots; for Adam, which is not linear, the gradient."""
    size = sum(leaf.nbytes for leaf in tree_leaves(wide(optimiser, 1)[3]))
    peak("mixed", optimiser, 1)  # what torch keeps from a first call on
    at_2, at_8 = (peak("mixed", optimiser, k) for k in (2, 8))
    assert at_8 - at_2 == pytest.approx(6 * copies * size, rel=0.1)
    through_2, through_8 = (peak("unroll", optimiser, k) for k in (2, 8))
    assert through_8 - through_2 > 20 * (at_8 - at_2)
    assert at_2 < through_2


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_learned_loss_alone_is_the_special_case_of_meta_step(optimiser: str, num_steps: int) -> None:
    case = make_case("batch norm", optimiser, "classification", torch.float64)
    kwargs = {name: value for name, value in case.kwargs.items() if name != "outer"}
    apply_fn, loss_fn, made = kwargs["apply_fn"], kwargs["loss_fn"], kwargs["inner"]
    batches = [case.batch_tr, case.batch_val, case.batch_tr][:num_steps]
    fresh = made.init(case.theta), case.carry.buffers
    expected, run = mixed(Bilevel(**kwargs), case.theta, case.phi, batches, case.batch_val, *fresh)

    def inner(theta: Any, phi: Any, batch: Any) -> torch.Tensor:
        return loss_fn(phi, apply_fn(theta, case.carry.buffers, batch[0])[0], batch[1]).mean()  # type: ignore[no-any-return]

    def outer(theta: Any, phi: Any, task: Any) -> torch.Tensor:
        x, y = task["valid"]
        return KINDS["classification"][1](apply_fn(theta, case.carry.buffers, x)[0], y).mean()

    level = lfl.Adaptation(inner, made, num_steps, part=lambda task, step: task["train"][step])
    tasks = tree_map(lambda t: t[None], {"train": batches, "valid": case.batch_val})
    found, general = lfl.bilevel_gradient(level, outer, lambda phi: case.theta, case.phi, tasks)
    assert_close(found, expected)
    assert_close(general.outer_loss[0], run.outer_loss)
    assert_close(general.inner_losses[0, -1], run.inner_loss)


@pytest.mark.slow
def test_convolutions_with_pooling_and_kinks() -> None:
    draw = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=draw, dtype=torch.float64)  # noqa: E731
    phi = {"init": {"conv": normal(4, 1, 3, 3) / 3, "head": normal(3, 36) / 6}, "warp": normal(4, 4, 3, 3) / 6}

    def logits(theta: Any, phi: Any, x: torch.Tensor) -> torch.Tensor:
        hidden = F.batch_norm(F.conv2d(x, theta["conv"], padding=1), None, None, training=True)
        hidden = F.conv2d(F.max_pool2d(hidden.relu(), 2), phi["warp"], padding=1)
        return F.batch_norm(hidden, None, None, training=True).flatten(1) @ theta["head"].T

    def objective(theta: Any, phi: Any, task: Any) -> torch.Tensor:
        return F.cross_entropy(logits(theta, phi, task["x"]), task["y"])

    tasks = {"x": normal(2, 6, 1, 6, 6), "y": torch.arange(3).repeat(2, 2)}
    inner = lfl.Adaptation(objective, lfl.sgd(0.1, momentum=0.9, nesterov=True), 3)
    by_form = [
        lfl.bilevel_gradient(inner, objective, lambda phi: phi["init"], phi, tasks, form=form, tasks_at_once=n)[0]
        for form in ("mixed", "unroll")
        for n in (1, None)
    ]
    for other in by_form[1:]:
        assert_close(by_form[0], other)


def from_zero(read: Any, form: str) -> Any:
    """The gradient of a bias that starts at zero, where the inner objective reads theta through `read`."""
    inner = lfl.Adaptation(lambda theta, phi, task: ((theta - task) ** 4).sum() + read(theta), lfl.sgd(0.1), 2)
    return lfl.bilevel_gradient(
        inner,
        lambda theta, phi, task: (theta - task).square().sum(),
        lambda phi: phi,
        torch.zeros(3),
        torch.ones(2, 3),
        form=form,
    )[0]


@pytest.mark.parametrize("norm", [torch.linalg.vector_norm, lambda t: torch.norm(t)], ids=["vector_norm", "norm"])
def test_a_norm_has_no_second_derivative_at_zero_but_a_root_above_zero_does(norm: Any) -> None:
    assert from_zero(norm, "unroll").isnan().all()
    rounded = [from_zero(lambda t: (t.square().sum() + 1e-4).sqrt(), form) for form in ("mixed", "unroll")]
    torch.testing.assert_close(*rounded)
    assert rounded[0].isfinite().all()


def test_a_start_made_by_expand_is_written_out() -> None:
    inner = lfl.Adaptation(
        lambda theta, phi, task: ((theta - task) ** 4).sum() + theta.sum() * phi.sum(), lfl.sgd(0.1), 2
    )

    def found(start: Any, **options: Any) -> torch.Tensor:
        judge = lambda theta, phi, task: (theta * task).sum() ** 2  # noqa: E731
        return lfl.bilevel_gradient(inner, judge, start, torch.arange(3.0), torch.ones(2, 4, 3), **options)[0]

    for options in ({}, {"tasks_at_once": 1}, {"form": "unroll"}):
        torch.testing.assert_close(found(lambda phi: phi.expand(4, 3), **options), found(lambda phi: phi.repeat(4, 1)))


def test_one_hot_does_not_go_under_vmap_and_a_comparison_does() -> None:
    p = problem("warp", "sgd", 1, "none")

    def with_labels(one_hot: Any) -> torch.Tensor:
        def inner(theta: Any, phi: Any, task: Any) -> torch.Tensor:
            outputs = (task["x"] @ theta["w"].T @ phi["warp"])[:, :3]
            return (outputs - one_hot(task["y"]).double()).square().mean()

        found: torch.Tensor = gradient(p._replace(inner=lfl.Adaptation(inner, lfl.sgd(0.1), 1)), "mixed")["warp"]
        return found

    with pytest.raises(RuntimeError, match="vmap"):
        with_labels(lambda y: F.one_hot(y, 3))
    assert with_labels(lambda y: y[:, None] == torch.arange(3)).isfinite().all()
