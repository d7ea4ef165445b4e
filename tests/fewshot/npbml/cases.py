"""A tiny NPBML in double precision, with all of its parts away from where they would do nothing."""

from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.fewshot import Episode, FewShotMethod
from lfl.fewshot.methods.npbml import npbml
from lfl.fewshot.npbml import Pretrained, conv4, draw_relation, untrained
from lfl.randomness import generator

WAYS, SHOTS, QUERIES, NUM_TASKS, SHAPE = 3, 2, 2, 2, (1, 32, 32)


class Problem(NamedTuple):
    kind: Any = "classification"
    num_outputs: int = WAYS
    inner_steps: int = 3
    inner_lr: float = 0.1
    seed: int = 0


def double(tree: Any) -> Any:
    return tree_map(lambda t: t.double(), tree)


def pretrained() -> Pretrained:
    network = conv4(4)
    encoder = untrained(network, SHAPE, 0)
    relation = draw_relation(SHAPE, generator(0, "relation"), (2, 2, 3, 3))
    return Pretrained(network, double(encoder.trunk), double(encoder.stage), double(relation))


def method(problem: Problem | None = None, **options: Any) -> FewShotMethod:
    made = npbml(problem or Problem(), pretrained=pretrained(), **options)
    return made._replace(phi=double(made.phi))


def episodes(seed: int = 0, num_tasks: int = NUM_TASKS) -> Episode:
    g = generator(seed, "npbml test")
    patterns = torch.randn(num_tasks, WAYS, 1, *SHAPE, generator=g, dtype=torch.float64)

    def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.randn(num_tasks, WAYS, count, *SHAPE, generator=g, dtype=torch.float64)
        return (patterns + noise).flatten(1, 2), torch.arange(WAYS).repeat_interleave(count).repeat(num_tasks, 1)

    return Episode(*drawn(SHOTS), *drawn(QUERIES))


def stirred(phi: Any, size: float = 0.1) -> Any:
    g = generator(0, "stirred")
    return tree_map(lambda p: p + size * torch.randn(p.shape, generator=g, dtype=p.dtype), phi)


def gradient(made: FewShotMethod, phi: Any, **options: Any) -> Any:
    tasks = made.prepare(episodes())
    return lfl.bilevel_gradient(made.inner, made.outer, made.start, phi, tasks, **options)[0]


def outer_loss(made: FewShotMethod, phi: Any, tasks: Any) -> torch.Tensor:
    def of_task(task: Any) -> torch.Tensor:
        value: torch.Tensor = made.outer(lfl.adapt(made.inner, made.start(phi), phi, task).theta, phi, task)[0]
        return value

    return torch.func.vmap(of_task)(tasks).mean()


def along(grads: Any, direction: Any) -> float:
    return sum(float((g * d).sum()) for g, d in zip(tree_leaves(grads), tree_leaves(direction), strict=True))


def difference(made: FewShotMethod, phi: Any, direction: Any, h: float = 1e-6) -> float:
    """The derivative of `outer_loss` along a direction of phi, by central differences."""
    tasks = made.prepare(episodes())
    ahead, back = (tree_map(lambda t, d, s=s: t + s * h * d, phi, direction) for s in (1.0, -1.0))
    return float(outer_loss(made, ahead, tasks) - outer_loss(made, back, tasks)) / (2.0 * h)


def assert_close(a: Any, b: Any, tolerance: float) -> None:
    """Equal up to a share of the largest number of each tensor's own kind."""
    pairs = list(zip(tree_leaves(a), tree_leaves(b), strict=True))
    scale = max(float(x.abs().max()) for x, _ in pairs)
    worst = max(float((x - y).abs().max()) for x, y in pairs)
    assert worst <= tolerance * scale, (worst, scale)
