"""Mixed mode equals the reference to rounding: eager, vmapped and compiled, through one step and through three."""

from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.hypergradient import mixed, unroll

from .cases import KINDS, MODELS, OPTIMISERS, Case, make_case, phi_gradient

TABLE = pytest.mark.parametrize(
    ("model", "optimiser", "kind"), [(m, o, k) for m in MODELS for o in OPTIMISERS for k in KINDS]
)


def form(function: Any, case: Case, num_steps: int) -> Any:
    """A form of the hypergradient on three batches, as a function of what can be stacked."""
    batches = [case.batch_tr, case.batch_val, case.batch_tr][:num_steps]
    kwargs = {name: value for name, value in case.kwargs.items() if name != "outer"}
    return lambda theta, phi, carry: function(theta, phi, batches, case.batch_val, carry.inner, carry.buffers, **kwargs)


def assert_close(a: Any, b: Any) -> None:
    """Equal to rounding, on the scale of the whole tree: Adam turns the rounding of a gradient that is zero (a bias
    before batch norm) into a step."""
    scale = max(float(y.abs().max()) for y in tree_leaves(b))
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-10 * scale)


@pytest.mark.parametrize("num_steps", [1, 3])
@TABLE
def test_equals_the_reference(model: str, optimiser: str, kind: str, num_steps: int) -> None:
    case = make_case(model, optimiser, kind, torch.float64)
    inputs = case.theta, case.phi, case.carry
    expected = form(unroll, case, num_steps)(*inputs)
    phi_grads, lookahead = form(mixed, case, num_steps)(*inputs)
    assert_close(phi_grads, expected[0])
    assert_close(lookahead, expected[1])
    stacked = tree_map(lambda t: torch.stack([t, t]), inputs)
    vmapped = torch.func.vmap(form(mixed, case, num_steps))(*stacked)
    assert_close(tree_map(lambda t: t[1], vmapped[0]), expected[0])


@pytest.mark.parametrize("model", MODELS)
def test_equals_the_reference_compiled_whole(model: str) -> None:
    case = make_case(model, "nesterov", "classification", torch.float64)
    expected = phi_gradient(case)
    step = partial(lfl.meta_step, **case.kwargs, hypergradient="mixed")
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    assert_close(compiled(*case[1:6])[2].outer, expected)


def test_what_the_loss_ignores_of_phi_has_no_gradient() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    phi = {**case.phi, "unused": torch.ones(2, dtype=torch.float64)}
    found = phi_gradient(case._replace(phi=phi), "mixed")
    assert not found["unused"].any()
    assert_close({name: found[name] for name in case.phi}, phi_gradient(case))


def test_unknown_forms_are_named() -> None:
    with pytest.raises(lfl.UserError, match="choose one of: unroll, mixed"):
        phi_gradient(make_case("plain", "sgd", "regression", torch.float64), "magic")
