"""A module taken apart must compute what the module computed, and leave the module alone."""

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl
from lfl.model.functional import copied

from ..hypergradient.cases import double_backward

X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))


def test_computes_what_the_module_computes_and_carries_running_statistics() -> None:
    module = small()
    theta, buffers, apply_fn = lfl.functional(module)
    reference = copy.deepcopy(module)
    for _ in range(3):
        expected = reference(X)
        outputs, buffers = apply_fn(theta, buffers, X)
        torch.testing.assert_close(outputs, expected.detach())
    for name, value in reference.named_buffers():
        torch.testing.assert_close(buffers[name], value)
    assert int(buffers["1.num_batches_tracked"]) == 3

    evaluated, same = apply_fn(theta, buffers, X, training=False)
    torch.testing.assert_close(evaluated, reference.eval()(X).detach())
    assert all(torch.equal(same[name], buffers[name]) for name in buffers)


def test_leaves_the_module_and_its_inputs_alone() -> None:
    module = small().eval()
    before = copy.deepcopy(module.state_dict())
    theta, buffers, apply_fn = lfl.functional(module)
    given = {name: t.clone() for name, t in buffers.items()}
    apply_fn(theta, buffers, X)
    assert not module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(torch.equal(given[name], buffers[name]) for name in buffers)
    theta["0.weight"].zero_()
    assert module[0].weight.any()


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(torch.tanh(self.encode(x)))


def test_tied_parameters_stay_tied() -> None:
    module = Tied()
    theta, buffers, apply_fn = lfl.functional(module)
    assert list(theta) == ["encode.weight"]
    module(X).sum().backward()
    gradient = torch.func.grad(lambda th: apply_fn(th, buffers, X)[0].sum())(theta)
    torch.testing.assert_close(gradient["encode.weight"], module.encode.weight.grad)


def test_frozen_parameters_travel_with_the_buffers() -> None:
    module = small()
    module[0].requires_grad_(False)
    theta, buffers, apply_fn = lfl.functional(module)
    assert sorted(theta) == ["1.bias", "1.weight", "3.bias", "3.weight"]
    assert {"0.weight", "0.bias"} < set(buffers)
    torch.testing.assert_close(apply_fn(theta, buffers, X)[0], module(X).detach())


def test_submodules_frozen_in_evaluation_mode_stay_so() -> None:
    module = small()
    module[1].eval()
    theta, buffers, apply_fn = lfl.functional(module)
    _, after = apply_fn(theta, buffers, X)
    assert int(after["1.num_batches_tracked"]) == 0


def test_several_inputs_by_position_and_by_name() -> None:
    module = nn.Bilinear(5, 5, 2)
    theta, buffers, apply_fn = lfl.functional(module)
    expected = module(X, 2 * X).detach()
    torch.testing.assert_close(apply_fn(theta, buffers, (X, 2 * X))[0], expected)
    torch.testing.assert_close(apply_fn(theta, buffers, {"input1": X, "input2": 2 * X})[0], expected)


def test_lazy_modules_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of torch call lazy modules experimental
        module = nn.LazyLinear(3)
    with pytest.raises(lfl.UserError, match="run the module once"):
        lfl.functional(module)


class Droppy(nn.Module):
    """One dropout layer used twice, and one by function."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.line = nn.Dropout(0.5), nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.line(self.drop(x)))
        return F.dropout(x, 0.25, self.training)


def test_dropout_uses_the_given_masks_in_call_order() -> None:
    theta, buffers, apply_fn = lfl.functional(Droppy())
    specs = lfl.mask_specs(apply_fn, theta, X)
    assert [(s.shape, s.p) for s in specs] == [((6, 5), 0.5), ((6, 5), 0.5), ((6, 5), 0.25)]
    masks = lfl.draw_masks(specs, torch.Generator().manual_seed(0))
    outputs, _ = apply_fn(theta, buffers, X, masks=masks)
    a, b, c = (mask / (1 - s.p) for mask, s in zip(masks, specs, strict=True))
    hidden = F.linear(X * a, theta["line.weight"], theta["line.bias"])
    torch.testing.assert_close(outputs, hidden * b * c)
    torch.testing.assert_close(
        apply_fn(theta, buffers, X, training=False)[0], F.linear(X, theta["line.weight"], theta["line.bias"])
    )


@pytest.mark.parametrize(
    ("layer", "shape", "mask_shape"),
    [
        (nn.Dropout1d(0.5), (8, 3, 4), (8, 3, 1)),
        (nn.Dropout2d(0.5), (8, 3, 4, 5), (8, 3, 1, 1)),
        (nn.Dropout2d(0.5), (3, 4, 5), (3, 1, 1)),
        (nn.Dropout3d(0.5), (8, 3, 2, 2, 2), (8, 3, 1, 1, 1)),
        (nn.AlphaDropout(0.3), (400, 50), (400, 50)),
        (nn.FeatureAlphaDropout(0.3), (400, 50, 3), (400, 50, 1)),
    ],
)
def test_other_kinds_of_dropout(layer: nn.Module, shape: tuple[int, ...], mask_shape: tuple[int, ...]) -> None:
    _, buffers, apply_fn = lfl.functional(layer)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    specs = lfl.mask_specs(apply_fn, {}, x)
    assert [s.shape for s in specs] == [mask_shape]
    masks = lfl.draw_masks(specs, torch.Generator().manual_seed(1))
    outputs, _ = apply_fn({}, buffers, x, masks=masks)
    if "Alpha" in type(layer).__name__:  # keeps mean 0 and variance 1, as published
        assert float(outputs.mean()) == pytest.approx(0.0, abs=0.05)
        assert float(outputs.var()) == pytest.approx(1.0, abs=0.1)
    else:
        torch.testing.assert_close(outputs, x * masks[0] * 2.0)


def test_masks_keep_with_the_right_probability() -> None:
    (mask,) = lfl.draw_masks((lfl.model.dropout.MaskSpec((1000, 100), 0.2),), torch.Generator().manual_seed(0))
    assert float(mask.double().mean()) == pytest.approx(0.8, abs=0.005)


def test_missing_and_misshapen_masks_are_named() -> None:
    theta, buffers, apply_fn = lfl.functional(Droppy())
    with pytest.raises(
        lfl.UserError, match=r"^give the batch as \(x, y, masks\).*has no mask, got 0 \(layers with dropout: drop\)"
    ):
        apply_fn(theta, buffers, X)
    masks = tuple(torch.ones(5, 5, dtype=torch.bool) for _ in range(3))
    with pytest.raises(lfl.UserError, match=r"mask 1 has shape \[5, 5\], the layer needs \[6, 5\]"):
        apply_fn(theta, buffers, X, masks=masks)


def test_autocast_lowers_the_precision_of_products_and_its_derivatives_stay_close() -> None:
    """bfloat16 keeps 8 bits: the gradient of phi is off by more than rounding, and by less than a half."""
    g = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 3))
    batch = torch.randn(64, 6, generator=g), torch.randint(3, (64,), generator=g)
    phi, loss_fn = lfl.loss_network("classification", gain=2.0, generator=g)
    found = {}
    for autocast in (None, torch.bfloat16):
        theta, buffers, apply_fn = lfl.functional(module, autocast=autocast)
        outputs, _ = apply_fn(theta, buffers, batch[0])
        assert outputs.dtype == torch.float32
        keep = lfl.Optimiser(lambda phi: phi, lambda grads, state, phi, lr=None: (phi, grads))
        found[autocast] = lfl.meta_step(
            theta,
            phi,
            batch,
            batch,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.1),
            outer=keep,
        )[2].outer
    full, low = (torch.cat([t.flatten() for t in found[kind].values()]) for kind in (None, torch.bfloat16))
    assert 1e-5 < float((full - low).norm() / full.norm()) < 0.5


@pytest.mark.parametrize("passes", [0, 1])
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_weight_norm_by_hooks_gives_the_gradient_of_plain_autograd(passes: int) -> None:
    """Also after a pass of the module, which leaves a computed weight in it."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = nn.Sequential(torch.nn.utils.weight_norm(nn.Linear(5, 6)), nn.Tanh(), nn.Linear(6, 3)).double()
        fresh = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
        torch.nn.utils.weight_norm(fresh[0])
    fresh.load_state_dict(module.state_dict())
    g = torch.Generator().manual_seed(0)
    train, valid = (
        (torch.randn(6, 5, generator=g, dtype=torch.float64), torch.randint(3, (6,), generator=g)) for _ in range(2)
    )
    for _ in range(passes):
        module(train[0])
    phi, loss_fn = lfl.loss_network("classification", gain=2.0, generator=g, dtype=torch.float64)
    theta, _, apply_fn = lfl.functional(module)
    keep = lfl.Optimiser(lambda phi: phi, lambda grads, state, phi: (phi, grads))
    carry = lfl.meta_step(
        theta,
        phi,
        train,
        valid,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy,
        inner=lfl.sgd(0.3),
        outer=keep,
        hypergradient="unroll",
    )[2]
    assert copied(apply_fn.training_code)[0].weight.is_meta  # what the last pass left is not copied
    expected = double_backward(unhooked(fresh), phi, loss_fn, [train], valid, 0.3)
    for found, by_hand in zip(carry.outer.values(), expected, strict=True):
        torch.testing.assert_close(found, by_hand, rtol=1e-12, atol=1e-15)


def unhooked(module: nn.Module) -> nn.Module:
    """The same weights under `torch.nn.utils.parametrizations`, which has no hooks."""
    with_hooks = module[0]
    plain = nn.Linear(5, 6).double()
    torch.nn.utils.parametrizations.weight_norm(plain)
    with torch.no_grad():
        plain.parametrizations.weight.original0.copy_(with_hooks.weight_g)
        plain.parametrizations.weight.original1.copy_(with_hooks.weight_v)
        plain.bias.copy_(with_hooks.bias)
    return nn.Sequential(plain, *module[1:])


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda m: torch.compile(m, backend="eager"), r"is compiled; give the module that torch\.compile was given"),
        (torch.jit.script, "is scripted.*before scripting"),
        (nn.DataParallel, r"is a DataParallel.*give its \.module"),
    ],
    ids=["compiled", "scripted", "parallel"],
)
def test_wrapped_modules_are_refused_in_words(wrap, words: str, within: bool) -> None:
    module = wrap(nn.Linear(5, 3))
    with pytest.raises(lfl.UserError, match=("module '0' " if within else "the module ") + words):
        lfl.functional(nn.Sequential(module) if within else module)


def test_what_is_no_module_and_what_cannot_be_copied_is_refused() -> None:
    with pytest.raises(lfl.UserError, match=r"takes a torch\.nn\.Module, got function"):
        lfl.functional(small)
    module = small()
    module.kept = [module(X)]
    with pytest.raises(lfl.UserError, match="the module cannot be copied"):
        lfl.functional(module)
