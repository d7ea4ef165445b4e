"""What a step promises: pure, repeatable, vmappable, and the right things in its carry and info."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.randomness import generator

from ..hypergradient.cases import KINDS, MODELS, OPTIMISERS, assert_close, make_case

any_case = given(
    st.sampled_from(list(MODELS)),
    st.sampled_from(list(OPTIMISERS)),
    st.sampled_from(list(KINDS)),
    st.integers(2, 20),
)


def assert_same(a: Any, b: Any) -> None:
    assert all(torch.equal(x, y) for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@any_case
def test_writes_to_nothing_repeats_and_leaves_global_randomness_alone(
    model: str, optimiser: str, kind: str, batch_size: int
) -> None:
    case = make_case(model, optimiser, kind, torch.float32, batch_size)
    inputs = case[1:6]
    before = tree_map(lambda t: t.clone() if isinstance(t, torch.Tensor) else t, inputs)
    random_state = torch.random.get_rng_state()
    first = lfl.meta_step(*inputs, **case.kwargs)
    assert torch.equal(random_state, torch.random.get_rng_state())
    assert_same(inputs, before)
    torch.rand(3, generator=torch.Generator().manual_seed(1))
    assert_same(lfl.meta_step(*inputs, **case.kwargs), first)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@any_case
def test_vmap_over_theta_and_phi_equals_the_loop(model: str, optimiser: str, kind: str, batch_size: int) -> None:
    case = make_case(model, optimiser, kind, torch.float64, batch_size)
    g = generator(batch_size, "copies")

    def stack(tree: Any, spread: float) -> Any:
        """Three copies, moved apart where they are real numbers."""

        def copies(t: torch.Tensor) -> torch.Tensor:
            t = torch.stack([t] * 3)
            noise = torch.rand(t.shape, generator=g, dtype=torch.float64)
            return t * (1.0 + spread * noise) if t.is_floating_point() else t

        return tree_map(copies, tree)

    step = partial(lfl.meta_step, **case.kwargs)
    stacked = [stack(tree, 0.2) for tree in case[1:6]]
    vmapped = torch.func.vmap(step)(*stacked)
    for i in range(3):
        alone = step(*(tree_map(lambda t, i=i: t[i], tree) for tree in stacked))
        assert_close(tree_map(lambda t, i=i: t[i], vmapped), alone)


@pytest.mark.parametrize("model", MODELS)
def test_theta_descends_the_learned_loss_and_phi_the_validation_loss(model: str) -> None:
    """Algorithm 2 written out with plain autograd: theta' by `backward` on M_phi, info from the same passes."""
    case = make_case(model, "sgd", "classification", torch.float64)
    theta, phi, carry, info = lfl.meta_step(*case[1:6], **(case.kwargs | {"outer": lfl.sgd(0.7)}))
    apply_fn, loss_fn = case.kwargs["apply_fn"], case.kwargs["loss_fn"]
    leaf = {name: t.clone().requires_grad_() for name, t in case.theta.items()}
    x, y, *masks = case.batch_tr
    outputs, buffers = apply_fn(leaf, case.carry.buffers, x, masks=masks[0] if masks else ())
    loss = loss_fn(case.phi, outputs, y).mean()
    grads = dict(zip(leaf, torch.autograd.grad(loss, list(leaf.values())), strict=True))
    for name in theta:
        torch.testing.assert_close(theta[name], case.theta[name] - 0.3 * grads[name])
    torch.testing.assert_close(info.inner_loss, loss.detach())
    norm = torch.cat([g.flatten() for g in grads.values()]).norm()
    torch.testing.assert_close(info.theta_grad_norm, norm)

    # Running statistics are carried on from the base pass alone.
    for name, value in carry.buffers.items():
        torch.testing.assert_close(value, buffers[name].detach())
    recorded = lfl.meta_step(*case[1:6], **case.kwargs)[2].outer
    for name in phi:
        torch.testing.assert_close(phi[name], case.phi[name] - 0.7 * recorded[name])


def test_rates_given_at_a_step_replace_the_optimisers_own() -> None:
    case = make_case("plain", "nesterov", "regression", torch.float64)
    kwargs = case.kwargs | {"outer": lfl.adam(0.01)}
    inputs = (*case[1:5], None)
    with pytest.warns(lfl.ZeroGradientWarning, match="a rate of 0"):
        still, phi, _, _ = lfl.meta_step(*inputs, **kwargs, inner_lr=torch.tensor(0.0), outer_lr=torch.tensor(0.0))
    assert_same((still, phi), (case.theta, case.phi))


def test_a_list_of_batches_takes_a_step_of_theta_on_each_and_one_of_phi_through_them_all() -> None:
    """Theta as by single steps that leave phi alone; phi against central differences of the loss at the end."""
    case = make_case("batch norm", "nesterov", "classification", torch.float64)
    batches = [case.batch_tr, case.batch_val, case.batch_tr]
    step = partial(lfl.meta_step, **case.kwargs)
    theta, _, carry, info = step(case.theta, case.phi, batches, case.batch_val, case.carry)
    alone, slots = case.theta, case.carry
    for batch in batches:
        alone, _, slots, _ = step(alone, case.phi, batch, case.batch_val, slots._replace(outer=case.phi))
    assert_close((theta, carry.inner, carry.buffers), (alone, slots.inner, slots.buffers))

    g = generator(0, "direction")
    direction = tree_map(lambda t: torch.randn(t.shape, generator=g, dtype=t.dtype), case.phi)

    def loss_at(h: float) -> float:
        phi = tree_map(lambda p, d: p + h * d, case.phi, direction)
        return float(step(case.theta, phi, batches, case.batch_val, case.carry)[3].outer_loss)

    slope = sum(float((carry.outer[name] * direction[name]).sum()) for name in direction)
    assert slope == pytest.approx((loss_at(1e-5) - loss_at(-1e-5)) / 2e-5, rel=1e-6)
    assert float(info.outer_loss) == pytest.approx(loss_at(0.0), rel=1e-12)


def test_a_learned_rate_descends_the_validation_loss() -> None:
    """Meta-LR by meta_step: phi is the rate; its gradient is -grad L_T(theta') . grad L_T(theta) for plain SGD."""
    case = make_case("plain", "sgd", "classification", torch.float64, held="rate")
    theta, _, carry, _ = lfl.meta_step(*case[1:6], **case.kwargs)
    apply_fn = case.kwargs["apply_fn"]

    def gradient(theta: Any, batch: Any) -> torch.Tensor:
        leaf = {name: t.detach().clone().requires_grad_() for name, t in theta.items()}
        loss = lfl.cross_entropy(apply_fn(leaf, {}, batch[0])[0], batch[1]).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(leaf.values()))])

    product = gradient(theta, case.batch_val) @ gradient(case.theta, case.batch_tr)
    torch.testing.assert_close(carry.outer, -product)


def test_a_fresh_carry_is_what_a_carry_left_out_means() -> None:
    case = make_case("batch norm", "adam", "classification", torch.float64)
    kwargs = case.kwargs | {"outer": lfl.adam(0.01)}
    carry = lfl.fresh_carry(
        case.theta, case.phi, apply_fn=kwargs["apply_fn"], inner=kwargs["inner"], outer=kwargs["outer"]
    )
    assert_same(lfl.meta_step(*case[1:5], **kwargs), lfl.meta_step(*case[1:5], carry, **kwargs))


@pytest.mark.slow
def test_compiles_whole_and_rates_do_not_recompile() -> None:
    case = make_case("batch norm", "nesterov", "classification", torch.float64)
    kwargs = case.kwargs | {"outer": lfl.adam(0.01)}
    carry = case.carry._replace(outer=kwargs["outer"].init(case.phi))
    eager = partial(lfl.meta_step, **kwargs)
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(eager, fullgraph=True, backend=counter)
    for rate in (0.1, 0.2, 0.3):
        rates = {"inner_lr": torch.tensor(rate), "outer_lr": torch.tensor(rate / 10)}
        for a, b in zip(
            tree_leaves(compiled(*case[1:5], carry, **rates)),
            tree_leaves(eager(*case[1:5], carry, **rates)),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    assert counter.frame_count == 1


class Unseen(nn.Module):
    """A module that lfl has never seen: a small convolutional regressor with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 6, 3, padding=1), nn.Conv1d(6, 6, 3, padding=1)
        self.norm, self.head = nn.GroupNorm(2, 6), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.first(x))
        h = h + torch.relu(self.norm(self.second(h)))
        return self.head(h.mean(-1))


@pytest.mark.slow
def test_in_a_loop_of_a_users_own() -> None:
    """Amplitude and offset of noisy waves, learned with a loss that is learned beside it."""
    g = generator(0, "waves")

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.rand(64, 2, generator=g)
        t = torch.linspace(0, 6.28, 32)
        waves = y[:, :1] * torch.sin(t + 6.28 * torch.rand(64, 1, generator=g)) + y[:, 1:]
        return waves[:, None] + 0.05 * torch.randn(64, 1, 32, generator=g), y

    with torch.random.fork_rng():
        torch.manual_seed(0)
        theta, buffers, apply_fn = lfl.functional(Unseen())
    phi, loss_fn = lfl.loss_network("regression", generator=g)
    first_phi = phi
    step = partial(
        lfl.meta_step,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.squared_error,
        inner=lfl.sgd(0.05, momentum=0.9),
        outer=lfl.adam(1e-2),
    )
    x, y = batch()
    before = lfl.squared_error(apply_fn(theta, buffers, x)[0], y).mean()
    carry = None
    for _ in range(300):
        theta, phi, carry, _ = step(theta, phi, batch(), batch(), carry)
    after = lfl.squared_error(apply_fn(theta, buffers, x)[0], y).mean()
    assert after < 0.5 * float(y.var(0).mean()) < before
    assert not any(torch.equal(phi[name], first_phi[name]) for name in phi)
