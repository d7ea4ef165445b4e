"""Masks within attention and stochastic depth, against the same layers written out with the masks as factors."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl
from lfl.randomness import generator
from lfl.types import Tensors

from ..hypergradient.cases import RECORDER

X = torch.randn(4, 5, 8, generator=generator(0, "x"), dtype=torch.float64)


def taken_apart(module: nn.Module, x: Any = X) -> tuple[Tensors, Any, list[torch.Tensor], tuple[torch.Tensor, ...]]:
    """Theta, the function, the masks as factors, and the masks; the module's own numbers are drawn anew."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for p in module.parameters():
            nn.init.normal_(p, std=0.5)
    theta, _, apply_fn = lfl.functional(module.double())
    specs = lfl.mask_specs(apply_fn, theta, x)
    masks = lfl.draw_masks(specs, generator(0, "masks"))
    return theta, apply_fn, [mask.double() / (1.0 - spec.p) for mask, spec in zip(masks, specs, strict=True)], masks


def attention(theta: Tensors, x: torch.Tensor, factor: torch.Tensor, bias: Any = 0.0) -> torch.Tensor:
    """Two heads of self-attention, by the textbook."""
    q, k, v = (
        t.unflatten(-1, (2, 4)).transpose(1, 2)
        for t in F.linear(x, theta["in_proj_weight"], theta["in_proj_bias"]).chunk(3, -1)
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / 2.0 + bias, -1) * factor.view(x.shape[0], 2, x.shape[1], -1)
    return F.linear((weights @ v).transpose(1, 2).flatten(2), theta["out_proj.weight"], theta["out_proj.bias"])


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention(need_weights: bool) -> None:
    class SelfAttention(nn.MultiheadAttention):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x, x, x, need_weights=need_weights)[0]

    theta, apply_fn, (factor,), masks = taken_apart(SelfAttention(8, 2, dropout=0.4, batch_first=True))
    assert tuple(factor.shape) == ((8, 5, 5) if need_weights else (4, 2, 5, 5))
    assert apply_fn.dropouts == ("",)
    outputs, _ = apply_fn(theta, {}, X, masks=masks)
    torch.testing.assert_close(outputs, attention(theta, X, factor), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_encoder_layer_at_its_default(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.4, batch_first=True, norm_first=norm_first)
    theta, apply_fn, factors, masks = taken_apart(layer)
    a, b, c, d = factors  # attention, after it, between the linear layers, after them

    def norm(x: torch.Tensor, i: int) -> torch.Tensor:
        return F.layer_norm(x, (8,), theta[f"norm{i}.weight"], theta[f"norm{i}.bias"])

    def attend(x: torch.Tensor) -> torch.Tensor:
        inner = {name.removeprefix("self_attn."): t for name, t in theta.items() if name.startswith("self_attn.")}
        return attention(inner, x, a) * b

    def feed(x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(F.linear(x, theta["linear1.weight"], theta["linear1.bias"])) * c
        return F.linear(hidden, theta["linear2.weight"], theta["linear2.bias"]) * d

    if norm_first:
        x = X + attend(norm(X, 1))
        expected = x + feed(norm(x, 2))
    else:
        x = norm(X + attend(X), 1)
        expected = norm(x + feed(x), 2)
    torch.testing.assert_close(apply_fn(theta, {}, X, masks=masks)[0], expected, rtol=1e-12, atol=1e-12)


class Fused(nn.Module):
    """Fused attention with everything that it takes."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options, self.scale = options, nn.Parameter(torch.ones(()))

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(self.scale * q, k, v, dropout_p=0.3, **self.options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True, "scale": 0.3},
        {"attn_mask": torch.ones(5, 5, dtype=torch.bool).tril()},
        {"attn_mask": torch.arange(5).view(5, 1) > torch.arange(5)},
        {"attn_mask": X[0, :, :5]},
        {"enable_gqa": True},
    ],
    ids=["plain", "causal", "bool", "a query without keys", "float", "gqa"],
)
def test_fused_attention(options: dict[str, Any]) -> None:
    """The identity as values reads the weights off torch's own function without dropout."""
    g = generator(0, "qkv")
    heads = 1 if "enable_gqa" in options else 2
    q = torch.randn(3, 2, 5, 4, generator=g, dtype=torch.float64)
    k, v = (torch.randn(3, heads, 5, 4, generator=g, dtype=torch.float64) for _ in range(2))
    theta, _, apply_fn = lfl.functional(Fused(**options).double())
    specs = lfl.mask_specs(apply_fn, theta, (q, k, v))
    assert [(s.shape, s.p) for s in specs] == [((3, 2, 5, 5), 0.3)]
    masks = lfl.draw_masks(specs, g)
    outputs, _ = apply_fn(theta, {}, (q, k, v), masks=masks)
    identity = torch.eye(5, dtype=torch.float64).expand(3, heads, 5, 5)
    weights = F.scaled_dot_product_attention(q, k, identity, **options)
    torch.testing.assert_close(outputs, (weights * masks[0] / 0.7) @ v.repeat_interleave(2 // heads, 1))


def stochastic_depth(library: str) -> nn.Module:
    if library == "timm":
        return pytest.importorskip("timm", reason="timm is not installed").layers.DropPath(0.4)
    ops = pytest.importorskip("torchvision.ops", reason="torchvision does not import", exc_type=ImportError)
    return ops.StochasticDepth(0.4, library)


@pytest.mark.parametrize("library", ["timm", "row", "batch"])
def test_stochastic_depth(library: str) -> None:
    layer = stochastic_depth(library)
    _, apply_fn, (factor,), masks = taken_apart(layer)
    assert tuple(factor.shape) == ((1, 1, 1) if library == "batch" else (4, 1, 1))
    assert apply_fn.dropouts == ("",)
    assert torch.equal(apply_fn({}, {}, X, masks=masks)[0], X * factor)
    with pytest.raises(lfl.UserError, match="has no mask"):
        apply_fn({}, {}, X)
    kept = copy.deepcopy(layer)
    setattr(kept, "drop_prob" if library == "timm" else "p", 1.0)
    _, _, always = lfl.functional(kept)
    assert not always({}, {}, X)[0].any()


def test_noise_written_in_place_is_the_mask_and_other_bernoulli_draws_are_noise() -> None:
    class InPlace(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            noise = torch.empty(4, 5, 1, dtype=x.dtype)
            noise.bernoulli_(0.7)
            return x * noise * torch.empty_like(x).bernoulli_(torch.full_like(x, 1.0))

    _, _, apply_fn = lfl.functional(InPlace())
    specs = lfl.mask_specs(apply_fn, {}, X)
    assert (specs[0].shape, pytest.approx(0.3)) == ((4, 5, 1), specs[0].p)
    assert specs[1:] == (lfl.NoiseSpec(tuple(X.shape), "uniform", X.dtype),)
    masks = lfl.draw_masks(specs, generator(0, "masks"))
    assert torch.equal(apply_fn({}, {}, X, masks=masks)[0], X * masks[0])


class Block(nn.Module):
    """Every kind at once."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.2, batch_first=True)
        self.path, self.head = stochastic_depth("row"), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((x + self.path(self.encoder(x))).mean(1))


def block() -> tuple[Any, ...]:
    """A module, its function, phi, two batches with masks, and the arguments of a step."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Block().double()
    theta, _, apply_fn = lfl.functional(module)
    g = generator(0, "block")
    phi, loss_fn = lfl.loss_network("classification", gain=2.0, generator=g, dtype=torch.float64)
    specs = lfl.mask_specs(apply_fn, theta, X)
    batches = [(X + i, torch.randint(3, (4,), generator=g), lfl.draw_masks(specs, g)) for i in range(2)]
    kwargs = {"apply_fn": apply_fn, "loss_fn": loss_fn, "task_loss": lfl.cross_entropy, "inner": lfl.sgd(0.3)}
    return theta, phi, *batches, kwargs | {"outer": RECORDER}


def test_the_gradient_of_phi_with_masks_equals_finite_differences_and_mixed_equals_unroll() -> None:
    theta, phi, train, valid, kwargs = block()
    found = {}
    for form in ("unroll", "mixed"):
        carry = lfl.meta_step(theta, phi, train, valid, **kwargs, hypergradient=form)[2]
        found[form] = torch.cat([t.flatten() for t in carry.outer.values()])
    assert float((found["mixed"] - found["unroll"]).norm() / found["unroll"].norm()) < 2e-15
    direction = {name: torch.sign(t) for name, t in carry.outer.items()}

    def loss_at(h: float) -> float:
        moved = {name: t + h * direction[name] for name, t in phi.items()}
        return float(lfl.meta_step(theta, moved, train, valid, **kwargs)[3].outer_loss)

    slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5
    assert float(found["mixed"].abs().sum()) == pytest.approx(slope, rel=1e-6)


def test_masks_can_be_vmapped() -> None:
    """Each copy with masks of its own, as where several seeds train together."""
    theta, phi, train, valid, kwargs = block()
    x, y, masks = train
    stacked = tuple(torch.stack([m, ~m]) for m in masks)
    carry = lfl.fresh_carry(theta, phi, **{name: kwargs[name] for name in ("apply_fn", "inner", "outer")})

    def step(masks: Any) -> Any:
        return lfl.meta_step(theta, phi, (x, y, masks), valid, carry, **kwargs)[2].outer

    together = torch.func.vmap(step)(stacked)
    for i in range(2):
        alone = step(tuple(m[i] for m in stacked))
        for name in alone:
            torch.testing.assert_close(together[name][i], alone[name], rtol=1e-9, atol=1e-14)


@pytest.mark.slow
def test_masks_can_be_compiled() -> None:
    theta, phi, train, valid, kwargs = block()
    carry = lfl.fresh_carry(theta, phi, **{name: kwargs[name] for name in ("apply_fn", "inner", "outer")})

    def step(theta: Any, phi: Any, train: Any, valid: Any) -> Any:
        return lfl.meta_step(theta, phi, train, valid, carry, **kwargs)[2].outer

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")(theta, phi, train, valid)
    eager = step(theta, phi, train, valid)
    for name in eager:
        torch.testing.assert_close(compiled[name], eager[name], rtol=1e-9, atol=1e-14)


def test_missing_masks_are_asked_for_first_and_few_layers_are_named() -> None:
    theta, _, apply_fn = lfl.functional(nn.Sequential(*(nn.Dropout(0.1) for _ in range(30)), nn.Linear(2, 2)))
    with pytest.raises(lfl.UserError) as caught:
        apply_fn(theta, {}, torch.zeros(1, 2))
    assert str(caught.value) == (
        "give the batch as (x, y, masks) with masks = lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), generator), "
        "or as (x, y, seed): dropout call 1 of the model has no mask, got 0 (layers with dropout: 0, 1, 2, and 27 "
        "more)."
    )


def test_looking_for_masks_leaves_torchs_random_state_alone() -> None:
    theta, _, apply_fn = lfl.functional(nn.LSTM(3, 3, num_layers=2, dropout=0.5))
    before = torch.random.get_rng_state()
    assert lfl.mask_specs(apply_fn, theta, torch.zeros(2, 1, 3)) == ()
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("wrong", [torch.ones(2, 2), True, "masks"])
def test_what_is_neither_masks_nor_a_seed_is_refused(wrong: Any) -> None:
    theta, _, apply_fn = lfl.functional(nn.Linear(2, 2))
    with pytest.raises(lfl.UserError, match="must be dropout masks"):
        apply_fn(theta, {}, torch.zeros(1, 2), masks=wrong)


def test_masks_that_are_left_over_are_refused() -> None:
    """Masks drawn for another model would otherwise go to the wrong layers without a word."""
    layers = [nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 4), nn.Dropout(0.5)]
    theta, buffers, apply_fn = lfl.functional(nn.Sequential(*layers))
    x = torch.ones(5, 3)
    masks = lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), torch.Generator().manual_seed(0))
    shallow, _, apply_shallow = lfl.functional(nn.Sequential(*layers[:2]))
    apply_fn(theta, buffers, x, masks=masks)
    with pytest.raises(lfl.UserError, match="used 1 of 2 dropout masks"):
        apply_shallow(shallow, {}, x, masks=masks)
