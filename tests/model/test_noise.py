"""Noise from masks: a model that draws equals one that is given the noise as a second input; also vmapped, compiled."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
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
    assert all(torch.equal(a, b) for a, b in zip(left[1].values(), right[1].values(), strict=True))
    assert all(torch.equal(left[0][name], right[0][name]) for name in right[0])


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
    assert len(specs) == 1 + len(draws) == 6
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
