"""Steps of a model with recomputed blocks equal those without, keep less, and refuse what they would get wrong."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import vmap

import lfl
from lfl.model import build_model
from lfl.model.recomputed_blocks import block_names
from lfl.trees import leaves, map_tree

from ..hypergradient.live_bytes import LiveBytes

INNER, OUTER = lfl.adam(0.05, eps=1e-2), lfl.sgd(1.0)


class Block(nn.Module):
    """Attention, batch norm, dropout, frozen weights, a value under no_grad; it returns a dict."""

    def __init__(self, p: float = 0.3) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=p, batch_first=True)
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(p), nn.Linear(16, 8))
        self.norm = nn.BatchNorm1d(8, eps=0.1)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)

    def forward(self, x: torch.Tensor, *, scale: float) -> dict[str, Any]:
        x = x + self.attention(x, x, x, need_weights=False)[0]
        with torch.no_grad():
            size = x.abs().mean()
        y = self.layers(self.norm(x.transpose(1, 2)).transpose(1, 2)) + self.frozen(x)
        return {"x": x / size + scale * y, "none": None, "name": "block"}


class Model(nn.Module):
    def __init__(self, block: Any = Block, count: int = 2) -> None:
        super().__init__()
        self.first, self.blocks = nn.Linear(5, 8), nn.ModuleList(block() for _ in range(count))
        self.drop, self.last = nn.Dropout(0.2), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(torch.tanh(self.first(x)))
        for block in self.blocks:
            x = block(x, scale=0.5)["x"]
        return self.last(self.drop(x).mean(1))


class Simple(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, scale: float) -> dict[str, Any]:
        return {"x": torch.tanh(self.linear(x))}


def made(block: Any = Block) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(block).double()


def batches_for(module: nn.Module, count: int) -> list[Any]:
    g = torch.Generator().manual_seed(1)
    theta, _, apply_fn = lfl.functional(module)
    x = torch.randn(count, 4, 3, 5, generator=g, dtype=torch.float64)
    y = torch.randint(3, (count, 4), generator=g)
    return [(x[i], y[i], lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x[i]), g)) for i in range(count)]


def drawn() -> tuple[Any, Any]:
    phi, loss_fn = lfl.loss_network("classification", generator=torch.Generator().manual_seed(2), gain=1.0)
    return map_tree(torch.Tensor.double, phi), loss_fn


def step_of(module: nn.Module, recompute: Any, form: str, horizon: int, carry: Any = None) -> Any:
    theta, _, apply_fn = lfl.functional(module, recompute=recompute)
    phi, loss_fn = drawn()
    *train, valid = batches_for(module, horizon + 1)
    return lfl.meta_step(
        theta,
        phi,
        train,
        valid,
        carry,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy,
        inner=INNER,
        outer=OUTER,
        hypergradient=form,
    )


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("form", ["mixed", "unroll"])
def test_a_step_is_that_of_the_model_without_recomputation(form: str, horizon: int) -> None:
    module = made()
    expected, found = (step_of(module, recompute, form, horizon) for recompute in (None, "auto"))
    assert expected[3].phi_grad_norm > 1e-3
    for a, b in zip(leaves(expected), leaves(found), strict=True):  # theta, phi, running statistics, losses and norms
        torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)


def test_a_finite_difference_is_taken_of_it_too() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(3, eps=0.1)

        def forward(self, x: torch.Tensor, scale: float) -> dict[str, Any]:
            return {"x": torch.tanh(self.norm(self.linear(x)))}

    module = made(Block)
    expected, found = (step_of(module, recompute, "finite-difference", 2)[1] for recompute in (None, "blocks"))
    for a, b in zip(leaves(expected), leaves(found), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "horizon"), [("mixed", 1), ("mixed", 2), ("unroll", 2)])
def test_seeds_are_stacked_as_ever(form: str, horizon: int) -> None:
    module = made()
    theta, _, plain = lfl.functional(module)
    phi, loss_fn = drawn()
    *train, valid = batches_for(module, horizon + 1)
    stack = partial(map_tree, lambda t: torch.stack([t, 1.1 * t]) if t.is_floating_point() else torch.stack([t, t]))
    carry = lfl.fresh_carry(theta, phi, apply_fn=plain, inner=INNER, outer=OUTER)
    results = []
    for apply_fn in (plain, lfl.functional(module, recompute=["blocks.0", "blocks.1"])[2]):
        step = partial(
            lfl.meta_step,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=INNER,
            outer=OUTER,
            hypergradient=form,
        )
        one = lambda theta, phi, carry: step(theta, phi, train, valid, carry)  # noqa: B023, E731
        results.append(leaves(vmap(one)(stack(theta), stack(phi), stack(carry))))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)


class Wide(nn.Module):
    """Keeps ten activations of the size of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, scale: float) -> dict[str, Any]:
        for _ in range(10):
            x = torch.tanh(self.linear(x))
        return {"x": x}


@pytest.mark.slow
@pytest.mark.parametrize(("form", "share"), [("mixed", 0.4), ("unroll", 0.25)])
def test_activations_are_not_kept(form: str, share: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Model(Wide, 10)
    phi, loss_fn = lfl.loss_network("classification", generator=torch.Generator().manual_seed(2))
    x, y = torch.randn(200, 20, 5), torch.zeros(200, dtype=torch.long)
    peaks = []
    for recompute in (None, "blocks"):
        theta, _, apply_fn = lfl.functional(module, recompute=recompute)
        batch = (x, y, lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), torch.Generator().manual_seed(0)))
        common: Any = {"apply_fn": apply_fn, "loss_fn": loss_fn, "task_loss": lfl.cross_entropy, "inner": lfl.sgd(0.1)}
        with LiveBytes() as live:
            lfl.phi_gradient(theta, phi, batch, batch, hypergradient=form, **common)
        peaks.append(live.peak)
    assert peaks[1] < share * peaks[0]


def test_autocast_is_the_same_in_the_second_pass() -> None:
    module = build_model("mlp-8", (5,), 3)
    phi, loss_fn = lfl.loss_network("classification", generator=torch.Generator().manual_seed(2))
    g = torch.Generator().manual_seed(0)
    batch = torch.randn(6, 5, generator=g), torch.randint(3, (6,), generator=g)
    common: Any = {"loss_fn": loss_fn, "task_loss": lfl.cross_entropy, "inner": INNER, "hypergradient": "unroll"}
    results = []
    for recompute in (None, ["1", "3"]):
        theta, _, apply_fn = lfl.functional(module, autocast=torch.bfloat16, recompute=recompute)
        results.append(lfl.phi_gradient(theta, phi, batch, batch, apply_fn=apply_fn, **common))
    for a, b in zip(*map(leaves, results), strict=True):
        assert torch.equal(a, b)


HELD: list[torch.Tensor] = []


class ReadsOutside(Simple):
    def forward(self, x: torch.Tensor, scale: float) -> dict[str, Any]:
        return {"x": torch.tanh(self.linear(x)) + HELD[0]}


class HoldsOutside(Model):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        HELD[:] = [torch.tanh(self.first(x))]
        return super().forward(x)


class Stores(Simple):
    def forward(self, x: torch.Tensor, scale: float) -> dict[str, Any]:
        self.penalty = self.linear(x).square().mean()
        return {"x": torch.tanh(self.linear(x))}


class WritesToInput(Simple):
    def forward(self, x: torch.Tensor, scale: float) -> dict[str, Any]:
        return {"x": torch.tanh(self.linear(x.mul_(scale)))}


@pytest.mark.parametrize("form", ["mixed", "unroll"])
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: HoldsOutside(ReadsOutside), r"block 'blocks\.0'.*neither its parameter, its buffer nor its input"),
        (lambda: Model(Stores), r"module 'blocks\.0' stores a tensor of its pass \(its attribute penalty\)"),
        (lambda: Model(WritesToInput), "writes to its input in place"),
    ],
)
def test_what_a_second_pass_would_get_wrong_is_refused(module: Any, message: str, form: str) -> None:
    with pytest.raises(lfl.UserError, match=message):
        step_of(module().double(), "blocks", form, 1)


def test_a_seed_is_refused() -> None:
    theta, buffers, apply_fn = lfl.functional(made(), recompute="auto")
    with pytest.raises(lfl.UserError, match="the batch has a seed, and a recomputed block would draw other numbers"):
        apply_fn(theta, buffers, torch.zeros(2, 3, 5, dtype=torch.float64), masks=3)


@pytest.mark.slow
def test_a_compiled_step_is_refused() -> None:
    theta, buffers, apply_fn = lfl.functional(build_model("mlp-8", (5,), 3), recompute="1")
    with pytest.raises(lfl.UserError, match="recompute saves nothing in a compiled step"):
        torch.compile(lambda theta: apply_fn(theta, buffers, torch.zeros(2, 5))[0], backend="eager")(theta)


@pytest.mark.parametrize(
    ("model", "count"), [("wrn16-8", 6), ("mlp", 0), ("vgg16", 0)], ids=["wide resnet", "mlp", "vgg"]
)
def test_auto_finds_the_repeated_blocks(model: str, count: int) -> None:
    module = build_model(model, (3, 32, 32), 10)
    if count:
        assert len(block_names(module, "auto")) == count
        return
    with pytest.raises(lfl.UserError, match=r"recompute='auto' finds no repeated blocks in the model \(Sequential\)"):
        block_names(module, "auto")


def test_auto_takes_the_layers_of_a_transformer_and_not_what_they_are_made_of() -> None:
    transformer = nn.Transformer(8, 2, num_encoder_layers=2, num_decoder_layers=3, dim_feedforward=8, batch_first=True)
    names = block_names(transformer, "auto")
    assert names == (*(f"encoder.layers.{i}" for i in range(2)), *(f"decoder.layers.{i}" for i in range(3)))


def test_names_with_commas_and_lists_of_blocks_are_found() -> None:
    module = made()
    assert block_names(module, "first, blocks") == ("first", "blocks.0", "blocks.1")
    assert block_names(module, None) == ()


@pytest.mark.parametrize(
    ("recompute", "message"),
    [
        (
            "layers",
            "the block 'layers', which the model .Model. does not have; its parts are first, blocks, drop, last",
        ),
        (["blocks.0", "blocks.0.norm"], r"'blocks\.0\.norm', which is inside of another block"),
        ([3], "the block 3, which"),
    ],
)
def test_other_names_are_refused(recompute: Any, message: str) -> None:
    with pytest.raises(lfl.UserError, match=message):
        lfl.functional(made(), recompute=recompute)


def test_a_learner_recomputes_and_its_module_keeps_its_names() -> None:
    batch = torch.ones(4, 3, 5, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    trained = []
    for recompute in (None, "auto"):
        module = made()
        learner = lfl.Learner(module, optimizer=lfl.sgd(0.1), hypergradient="mixed", recompute=recompute)
        learner.step(batch, batch)
        trained.append(module.state_dict())
    for name, tensor in trained[0].items():
        torch.testing.assert_close(trained[1][name], tensor, rtol=1e-12, atol=1e-12)
    with pytest.raises(lfl.UserError, match="recompute saves nothing in compiled steps"):
        lfl.Learner(made(), recompute="auto", compile=True)
