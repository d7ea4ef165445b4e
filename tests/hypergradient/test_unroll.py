"""The reference hypergradient against `higher`, eager autograd and central finite differences."""

import copy
from typing import Any

import higher
import pytest
import torch
from torch import nn

import lfl
from lfl.optimiser import AdamState

from .cases import KINDS, MODELS, OPTIMISERS, Case, make_case, phi_gradient

TABLE = pytest.mark.parametrize(
    ("model", "optimiser", "kind"), [(m, o, k) for m in MODELS for o in OPTIMISERS for k in KINDS]
)


def relative_error(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    scale = max(float(t.abs().max()) for t in expected.values())
    return max(float((found[name] - expected[name]).abs().max()) for name in expected) / scale


def higher_gradient(case: Case) -> dict[str, torch.Tensor]:
    """One differentiable step by `higher`, from the same parameters, optimiser state, statistics and masks."""
    phi = {name: weight.clone().requires_grad_() for name, weight in case.phi.items()}
    module = with_given_masks(case)
    module.load_state_dict({**case.theta, **case.carry.buffers}, strict=True)
    optimiser = torch_optimiser(case, module)
    with higher.innerloop_ctx(module, optimiser, copy_initial_weights=True) as (fmodel, diffopt):
        (x, y, *masks), (x_val, y_val, *masks_val) = case.batch_tr, case.batch_val
        set_masks(fmodel, masks)
        diffopt.step(case.kwargs["loss_fn"](phi, fmodel(x), y).mean())
        set_masks(fmodel, masks_val)
        loss = case.kwargs["task_loss"](fmodel(x_val), y_val).mean()
        return dict(zip(phi, torch.autograd.grad(loss, list(phi.values())), strict=True))


class GivenMask(nn.Module):
    """Dropout written out, so that `higher` can see our masks."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p, self.masks = p, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.masks[0][0] / (1.0 - self.p)


def with_given_masks(case: Case) -> nn.Module:
    module = copy.deepcopy(case.module)
    for i, layer in enumerate(module):
        if isinstance(layer, nn.Dropout):
            module[i] = GivenMask(layer.p)
    return module


def set_masks(module: nn.Module, masks: list[Any]) -> None:
    for layer in module.modules():
        if hasattr(layer, "masks"):
            layer.masks[:] = masks


def torch_optimiser(case: Case, module: nn.Module) -> torch.optim.Optimizer:
    """`torch.optim`'s optimiser of the same settings with the same state."""
    state = case.carry.inner
    parameters = list(module.parameters())
    if isinstance(state, AdamState):
        # higher adds eps to the uncorrected root, as torch.optim did in 2019: hand it the eps that amounts to ours.
        eps = 1e-8 * (1.0 - 0.999 ** (int(state.num_updates) + 1)) ** 0.5
        optimiser: torch.optim.Optimizer = torch.optim.Adam(parameters, lr=0.05, eps=eps)
        for name, p in module.named_parameters():
            optimiser.state[p] = {
                "step": int(state.num_updates),
                "exp_avg": state.mean[name].clone(),
                "exp_avg_sq": state.square[name].clone(),
            }
    elif state:
        optimiser = torch.optim.SGD(parameters, lr=0.2, momentum=0.9, nesterov=True, weight_decay=0.05)
        for name, p in module.named_parameters():
            optimiser.state[p] = {"momentum_buffer": state[name].clone()}
    else:
        optimiser = torch.optim.SGD(parameters, lr=0.3)
    return optimiser


@TABLE
def test_equals_higher_in_float32(model: str, optimiser: str, kind: str) -> None:
    case = make_case(model, optimiser, kind, torch.float32)
    assert relative_error(phi_gradient(case), higher_gradient(case)) < 1e-5


@pytest.mark.slow
@TABLE
def test_equals_finite_differences_in_float64(model: str, optimiser: str, kind: str) -> None:
    case = make_case(model, optimiser, kind, torch.float64)
    found = phi_gradient(case)

    def outer_loss(phi: dict[str, torch.Tensor]) -> float:
        return float(lfl.meta_step(*case._replace(phi=phi)[1:6], **case.kwargs)[3].outer_loss)

    scale = max(float(g.abs().max()) for g in found.values())
    h = 1e-5
    g = torch.Generator().manual_seed(0)
    for name, weight in case.phi.items():
        for index in torch.randint(weight.numel(), (6,), generator=g).tolist():
            bump = torch.zeros_like(weight).view(-1)
            bump[index] = h
            up, down = (outer_loss({**case.phi, name: weight + sign * bump.view_as(weight)}) for sign in (1, -1))
            assert abs((up - down) / (2 * h) - float(found[name].view(-1)[index])) < 1e-6 * scale
