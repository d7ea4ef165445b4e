"""Noise from masks: a model that draws equals one that is given the noise as a second input; also vmapped, compiled."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lfl
from lfl.trees import map_tree

F64 = torch.float64


class Drawing(nn.Module):
    """Draws by `noise(like)`, or is given what it would draw as a second input."""

    def __init__(self, noise: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.first, self.drop, self.last = nn.Linear(3, 4, dtype=F64), nn.Dropout(0.3), nn.Linear(4, 2, dtype=F64)
        self.noise = noise
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=g, dtype=F64))

    def forward(self, x: torch.Tensor, given: torch.Tensor | None = None) -> torch.Tensor:
        hidden = self.drop(torch.tanh(self.first(x)))
        noise = given if self.noise is None else self.noise(hidden)
        return self.last(hidden * (1.0 + noise))


DRAWS: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]] = {
    "randn_like": ("normal", torch.randn_like, lambda n: n),
    "rand_like": ("uniform", torch.rand_like, lambda n: n),
    "randn": ("normal", lambda h: torch.randn(5, 4, dtype=h.dtype), lambda n: n),
    "randn of a size": ("normal", lambda h: torch.randn(h.shape, dtype=h.dtype, device=h.device), lambda n: n),
    "rand": ("uniform", lambda h: torch.rand(size=(5, 4), dtype=h.dtype), lambda n: n),
    "normal_": ("normal", lambda h: torch.zeros_like(h).normal_(1.0, std=2.0), lambda n: 1.0 + 2.0 * n),
    "uniform_": ("uniform", lambda h: h.new_empty(5, 4).uniform_(-1, 3), lambda n: -1 + 4 * n),
}

P = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=F64)


def gumbel(u: torch.Tensor) -> torch.Tensor:
    """Gumbel noise of uniform noise, by the inverse of its distribution function exp(-exp(-g))."""
    return -torch.log(-torch.log(1 - u))


DRAWS |= {
    "exponential_": ("uniform", lambda h: torch.empty_like(h).exponential_(2.0), lambda u: -torch.log1p(-u) / 2),
    "bernoulli": ("uniform", lambda h: torch.bernoulli(P.expand(5, 4)), lambda u: (u < P).to(F64)),
    "bernoulli of p": ("uniform", lambda h: torch.zeros_like(h).bernoulli(0.3), lambda u: (u < 0.3).to(F64)),
    "bernoulli_ of a tensor": ("uniform", lambda h: torch.zeros_like(h).bernoulli_(P), lambda u: (u < P).to(F64)),
    "gumbel_softmax": (
        "uniform",
        lambda h: F.gumbel_softmax(P.expand(5, 4), tau=0.7),
        lambda u: ((P + gumbel(u)) / 0.7).softmax(-1),
    ),
    "gumbel_softmax, hard": (
        "uniform",
        lambda h: F.gumbel_softmax(P.expand(5, 4), hard=True),
        lambda u: ((P + gumbel(u)) == (P + gumbel(u)).amax(-1, keepdim=True)).to(F64),
    ),
}


def learned(hypergradient: str) -> Any:
    """A function from a module to a step of it, its parameters and its specs; batches; a generator."""
    g = torch.Generator().manual_seed(1)
    phi, loss_fn = lfl.loss_network("classification", generator=g, dtype=F64)
    batches = [(torch.randn(5, 3, generator=g, dtype=F64), torch.randint(2, (5,), generator=g)) for _ in range(2)]

    def step_of(module: nn.Module) -> Any:
        theta, _, apply_fn = lfl.functional(module)

        def step(theta: Any, train: Any, valid: Any) -> Any:
            return lfl.meta_step(
                theta,
                phi,
                [train, train],
                valid,
                apply_fn=apply_fn,
                loss_fn=loss_fn,
                task_loss=lfl.cross_entropy,
                inner=lfl.sgd(0.1),
                outer=lfl.adam(0.01),
                hypergradient=hypergradient,
            )

        return step, theta, lambda: lfl.mask_specs(apply_fn, theta, batches[0][0])

    return step_of, batches, g


def programs(name: str, hypergradient: str) -> Any:
    """A step of the model that draws and its batches; and those of the model that is given the noise."""
    law, draw, shown = DRAWS[name]
    step_of, batches, g = learned(hypergradient)
    (drawing, theta, specs_of), (given, _, _) = step_of(Drawing(draw)), step_of(Drawing(None))
    specs = specs_of()
    assert specs == (lfl.MaskSpec((5, 4), 0.3), lfl.NoiseSpec((5, 4), law, F64))
    masks = [lfl.draw_masks(specs, g) for _ in batches]
    with_masks = [(x, y, own) for (x, y), own in zip(batches, masks, strict=True)]
    with_noise = [((x, shown(n)), y, (keep,)) for (x, y), (keep, n) in zip(batches, masks, strict=True)]
    return drawing, (theta, *with_masks), given, (theta, *with_noise)


def same(left: Any, right: Any) -> None:
    for ours, theirs in zip(left[:2], right[:2], strict=True):
        for name in theirs:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("hypergradient", ["unroll", "mixed"])
@pytest.mark.parametrize("name", DRAWS)
def test_noise_from_masks_equals_noise_as_an_input(name: str, hypergradient: str) -> None:
    drawing, arguments, given, wanted = programs(name, hypergradient)
    before = torch.get_rng_state()
    same(drawing(*arguments), given(*wanted))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("hypergradient", ["unroll", "mixed"])
@pytest.mark.parametrize("name", DRAWS)
def test_it_is_vmapped(name: str, hypergradient: str) -> None:
    drawing, arguments, given, wanted = programs(name, hypergradient)
    two = lambda tree: map_tree(lambda t: torch.stack([t, t.flip(0)]), tree)  # noqa: E731
    same(torch.func.vmap(drawing)(*two(arguments)), torch.func.vmap(given)(*two(wanted)))


@pytest.mark.slow
def test_they_are_compiled() -> None:
    """Those that the compiler shows, in one model and one program, since compiling takes long."""
    draws = [draw for name, (_, draw, _) in DRAWS.items() if not name.endswith("_like")]
    step_of, batches, g = learned("mixed")
    step, theta, specs_of = step_of(Drawing(lambda h: sum(draw(h) for draw in draws)))
    specs = specs_of()
    assert len(specs) == 1 + len(draws)
    arguments = theta, *((x, y, lfl.draw_masks(specs, g)) for x, y in batches)
    torch.compiler.reset()
    same(torch.compile(step, backend="eager", fullgraph=True)(*arguments), step(*arguments))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["randn_like", "rand_like"])
def test_what_the_compiler_hides_is_refused(name: str) -> None:
    drawing, arguments, _, _ = programs(name, "mixed")
    torch.compiler.reset()
    with pytest.raises(Exception, match=r"left masks unused.*torch.randn\(x.shape"):
        torch.compile(drawing, backend="eager", fullgraph=True)(*arguments)


def test_masks_of_another_model_are_refused() -> None:
    drawing, (theta, train, valid), _, _ = programs("randn_like", "mixed")
    x, y, (keep, noise) = train
    for masks, words in (
        ((keep,), "draws random numbers inside its forward pass"),
        ((keep, keep), r"mask 2 is torch.bool \[5, 4\], and the model draws normal noise"),
        (
            (keep, noise[:3]),
            r"mask 2 is torch.float64 \[3, 4\], and the model draws normal noise of the shape \[5, 4\]",
        ),
        ((keep, noise, noise), "the model used 2 of 3 dropout masks"),
    ):
        with pytest.raises(lfl.UserError, match=words):
            drawing(theta, (x, y, masks), valid)


def test_a_generator_of_the_models_own_is_left_to_it() -> None:
    noise = lambda x: torch.randn(x.shape, generator=torch.Generator().manual_seed(3))  # noqa: E731
    theta, _, apply_fn = lfl.functional(Drawing(noise))
    assert lfl.mask_specs(apply_fn, theta, torch.zeros(5, 3, dtype=F64)) == (lfl.MaskSpec((5, 4), 0.3),)


@pytest.mark.parametrize(("law", "draw"), [("normal", torch.randn), ("uniform", torch.rand)])
def test_the_draw_is_torchs(law: str, draw: Any) -> None:
    found = lfl.NoiseSpec((3, 2), law, F64).draw(torch.Generator().manual_seed(5))
    assert torch.equal(found, draw(3, 2, dtype=F64, generator=torch.Generator().manual_seed(5)))


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_has_torchs_gradient_and_law(hard: bool) -> None:
    logits = torch.tensor([0.2, -1.0, 1.5], dtype=torch.float32).expand(20_000, 3)
    module = Given(lambda x: F.gumbel_softmax(x, tau=0.5, hard=hard))
    theta, _, apply_fn = lfl.functional(module)
    specs = lfl.mask_specs(apply_fn, theta, logits)
    masks = lfl.draw_masks(specs, torch.Generator().manual_seed(0))
    found, pull = torch.func.vjp(lambda x: apply_fn(theta, {}, x, training=True, masks=masks)[0], logits)
    torch.manual_seed(0)
    torchs = F.gumbel_softmax(logits, tau=0.5, hard=hard)
    assert bool(found.isfinite().all())
    expected = torch.softmax(logits[0], 0)
    top = F.one_hot(found.argmax(-1), 3).float().mean(0)
    torch.testing.assert_close(top, expected, rtol=0, atol=0.015)  # Gumbel's trick: its argmax is drawn from softmax
    torch.testing.assert_close(found.var(0), torchs.var(0), rtol=0, atol=0.01)  # four standard errors
    soft = ((logits + gumbel(masks[0])) / 0.5).softmax(-1)
    cotangent = torch.tensor([1.0, 2.0, -1.0])
    by_hand = soft * (cotangent - (soft * cotangent).sum(-1, keepdim=True)) / 0.5
    torch.testing.assert_close(pull(cotangent.expand(20_000, 3))[0], by_hand, rtol=1e-4, atol=1e-5)


class Given(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight, self.function = nn.Parameter(torch.ones(1)), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.weight * x)


def test_uniform_noise_of_zero_is_a_finite_exponential() -> None:
    theta, _, apply_fn = lfl.functional(Given(lambda x: F.gumbel_softmax(x)))
    x = torch.zeros(2, 3)
    found, _ = apply_fn(theta, {}, x, training=True, masks=(torch.zeros(2, 3),))
    torch.testing.assert_close(found, torch.full((2, 3), 1 / 3))
