"""Tiny networks and episodes in double precision, for the few-shot methods."""

from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

import lfl
from lfl.fewshot import METHODS, Episode, FewShotMethod, FewShotProblem, few_shot_problem, gradient_of
from lfl.randomness import generator

WAYS, SHOTS, QUERIES, NUM_TASKS, SIDE, WIDTH = 3, 2, 2, 3, 8, 3


def network(*, affine: bool = True, norm: bool = True) -> nn.Module:
    """A small conv4: convolutions of stride 2 with batch norm and ReLU, and a linear head."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers: list[nn.Module] = []
        for channels in (1, WIDTH):
            middle = nn.BatchNorm2d(WIDTH, affine=affine) if norm else nn.Identity()
            layers += [nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1, bias=not norm), middle, nn.ReLU()]
        module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, WAYS)).double()
        for name, p in module.named_parameters():  # batch norm's own start is too even to show a wrong gradient
            p.data += 0.2 * torch.randn_like(p) if p.dim() == 1 and name else 0.0
    return module


def problem(module: nn.Module | None = None, **settings: Any) -> FewShotProblem:
    settings = {"inner_steps": 2, "inner_lr": 0.2, "input_shape": (1, SIDE, SIDE), "steps": 100} | settings
    return few_shot_problem(network() if module is None else module, "classification", WAYS, **settings)


def method(name: str, made: FewShotProblem | None = None, **options: Any) -> FewShotMethod:
    return METHODS[name](problem() if made is None else made, **options)


def episodes(num_tasks: int = NUM_TASKS, seed: int = 0) -> Episode:
    g = generator(seed, "few-shot test")
    patterns = torch.randn(num_tasks, WAYS, 1, 1, SIDE, SIDE, generator=g, dtype=torch.float64)

    def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.randn(num_tasks, WAYS, count, 1, SIDE, SIDE, generator=g, dtype=torch.float64)
        return (patterns + noise).flatten(1, 2), torch.arange(WAYS).repeat_interleave(count).repeat(num_tasks, 1)

    return Episode(*drawn(SHOTS), *drawn(QUERIES))


def one(tasks: Episode, i: int = 0) -> Episode:
    return Episode(*(t[i] for t in tasks))


def gradient(made: FewShotMethod, phi: Any = None, tasks: Any = None, *, step: int = 0, **options: Any) -> Any:
    """The gradient of phi as a training loop takes it."""
    return step_of(made, phi, tasks, step=step, **options)[0]


def step_of(made: FewShotMethod, phi: Any = None, tasks: Any = None, *, step: int = 0, **options: Any) -> Any:
    """That gradient, and the `BilevelRun`."""
    phi, tasks = made.phi if phi is None else phi, episodes() if tasks is None else tasks
    return gradient_of(made, phi, tasks, step, **options)


def stirred(phi: Any, size: float = 0.05) -> Any:
    """Phi away from where it begins, where zeros and identities could hide a term."""
    g = generator(0, "stirred")
    return tree_map(lambda p: p + size * torch.randn(p.shape, generator=g, dtype=p.dtype), phi)


def outer_loss(made: FewShotMethod, phi: Any, *, step: int = 0) -> torch.Tensor:
    """The mean of the weighted outer objective, by adapting alone, without a hypergradient."""
    given = made.weights(step)
    weights = [*[0.0] * (made.inner.num_steps - 1), 1.0][: made.inner.num_steps] if given is None else given

    def of_task(task: Any) -> torch.Tensor:
        values = []
        for k, weight in enumerate(weights, 1):
            theta = lfl.adapt(made.inner._replace(num_steps=k), made.start(phi), phi, task).theta
            seen = made.outer_part(task, k) if made.outer_part else task
            values.append(weight * made.outer(theta, phi, seen)[0])
        return torch.stack(values).sum()

    return torch.func.vmap(of_task)(made.prepare(episodes())).mean()


def along(grads: Any, direction: Any) -> float:
    return sum(float((g * d).sum()) for g, d in zip(tree_leaves(grads), tree_leaves(direction), strict=True))


def difference(made: FewShotMethod, phi: Any, direction: Any, h: float = 1e-6) -> float:
    """The derivative of `outer_loss` along a direction of phi, by central differences."""
    ahead, back = (tree_map(lambda t, d, s=s: t + s * h * d, phi, direction) for s in (1.0, -1.0))
    return float(outer_loss(made, ahead) - outer_loss(made, back)) / (2.0 * h)


def direction_like(phi: Any) -> Any:
    g = generator(0, "direction")
    return tree_map(lambda t: torch.randn(t.shape, generator=g, dtype=t.dtype), phi)
