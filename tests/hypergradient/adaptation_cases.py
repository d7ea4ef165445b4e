"""Small two-level problems of every kind that few-shot methods are made of, for the tests of the general gradient."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves, tree_map

import lfl

PARTS = ("init", "rates", "warp", "film", "loss of theta", "loss of the query", "head row")
"""What phi may hold: theta_0; a rate for each tensor and step; a layer after the adapted one; the FiLM layer's weights;
a loss that reads theta, and one that reads queries without labels; a row that the rows of the head are copied from."""
OPTIMISERS = {
    "sgd": lambda: lfl.sgd(0.3),
    "nesterov": lambda: lfl.sgd(0.2, momentum=0.9, nesterov=True, weight_decay=0.05),
    "adam": lambda: lfl.adam(0.05),
}
STEPS = (1, 3, 5)
NORMS = ("batch norm", "none")
RUNS = ("one by one", "vmapped")
AXES: dict[str, Sequence[Any]] = {
    **{"part": (*PARTS, "all"), "optimiser": tuple(OPTIMISERS), "num_steps": STEPS},
    **{"norm": NORMS, "run": RUNS},
}
WAYS, SHOTS, INPUTS, HIDDEN, NUM_TASKS = 3, 2, 4, 5, 3


def combinations() -> list[tuple[Any, ...]]:
    return list(itertools.product(*AXES.values()))


def pairs_of(row: tuple[Any, ...]) -> set[Any]:
    return set(itertools.combinations(enumerate(row), 2))


def covering() -> list[tuple[Any, ...]]:
    """A few combinations in which every pair of values occurs, chosen greedily."""
    rest, found = combinations(), []
    wanted: set[Any] = set().union(*map(pairs_of, rest))
    while wanted:
        found.append(max(rest, key=lambda row: len(pairs_of(row) & wanted)))
        wanted -= pairs_of(found[-1])
    return found


def draws(seed: int) -> Iterator[Any]:
    g = torch.Generator().manual_seed(seed)
    while True:
        yield lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)


def everything() -> dict[str, Any]:
    """All parts of phi, none of them at a point where they would do nothing."""
    draw = next(draws(0))
    return {
        "init": {"w": 0.5 * draw(HIDDEN, INPUTS), "b": 0.1 * draw(HIDDEN)},
        "rates": {"w": 0.2 + 0.02 * draw(5, HIDDEN, INPUTS), "b": 0.2 + 0.02 * draw(5), "head": 0.2 + 0.02 * draw(5)},
        "warp": torch.eye(HIDDEN, dtype=torch.float64) + 0.2 * draw(HIDDEN, HIDDEN),
        "film": 0.3 * draw(2 * HIDDEN, INPUTS),
        "loss of theta": 0.05 * draw(3),
        "loss of the query": 0.5 * draw(WAYS, WAYS),
        "head row": 0.5 * draw(HIDDEN),
    }


def tasks() -> dict[str, torch.Tensor]:
    """Support and query of a few tasks: `[tasks, examples, inputs]` and class ids."""
    draw = next(draws(1))
    y = torch.arange(WAYS).repeat(NUM_TASKS, SHOTS)
    centres = 1.5 * draw(NUM_TASKS, 1, WAYS, INPUTS).repeat(1, SHOTS, 1, 1).flatten(1, 2)
    return {
        **{"x": centres + draw(*centres.shape), "y": y},
        **{"query_x": centres + draw(*centres.shape), "query_y": y},
    }


class Problem(NamedTuple):
    inner: lfl.Adaptation
    outer: Any
    start: Any
    phi: Any
    tasks: Any


def problem(part: str, optimiser: str, num_steps: int, norm: str) -> Problem:
    """The problem whose phi holds `part`, or `"all"`; the other parts are constants."""
    whole = everything()
    phi = whole if part == "all" else {part: whole[part]}

    def model(theta: Any, phi: Any, x: torch.Tensor) -> torch.Tensor:
        hidden = F.linear(x, theta["w"], theta["b"])
        if norm == "batch norm":
            hidden = F.batch_norm(hidden, None, None, training=True)
        scale, shift = F.linear(x, (whole | phi)["film"]).chunk(2, -1)
        hidden = torch.tanh((1.0 + scale) * hidden + shift)
        return F.linear(hidden @ (whole | phi)["warp"], theta["head"])

    def inner(theta: Any, phi: Any, task: Any) -> Any:
        support, step = len(task["x"]), task["step"]
        outputs = model(theta, phi, torch.cat([task["x"], task["query_x"]]))
        loss = F.cross_entropy(outputs[:support] * (1.0 + 0.1 * step), task["y"])
        query = outputs[support:].softmax(-1)
        norms = torch.stack([(p.square().sum() + 1e-12).sqrt() for p in theta.values()])
        learned = (query @ (whole | phi)["loss of the query"] * query).sum(-1).mean()
        loss = loss + learned + (whole | phi)["loss of theta"] @ (norms + norms.square())
        return loss, {"right": (outputs[:support].argmax(-1) == task["y"]).double().mean()}

    def outer(theta: Any, phi: Any, task: Any) -> torch.Tensor:
        return F.cross_entropy(model(theta, phi, task["query_x"]), task["query_y"])

    def start(phi: Any) -> Any:
        scales = torch.linspace(-0.5, 1.0, WAYS, dtype=torch.float64)[:, None]  # a softmax ignores equal rows
        return {**(whole | phi)["init"], "head": scales * (whole | phi)["head row"].repeat(WAYS, 1)}

    def rate(phi: Any, step: int) -> Any:
        return tree_map(lambda t: t[step], (whole | phi)["rates"])

    made = lfl.Adaptation(inner, OPTIMISERS[optimiser](), num_steps, part=lambda task, step: {**task, "step": step})
    if part in {"rates", "all"}:
        made = made._replace(rate=rate)
    return Problem(made, outer, start, phi, tasks())


def gradient(p: Problem, form: Any, run: str = "vmapped", **options: Any) -> Any:
    """The gradient of phi alone."""
    at_once = 1 if run == "one by one" else None
    return lfl.bilevel_gradient(*p, form=form, tasks_at_once=at_once, **options)[0]


def outer_loss(p: Problem, phi: Any) -> torch.Tensor:
    """The mean of the outer objective after adaptation, by `lfl.adapt` alone."""

    def of_task(task: Any) -> torch.Tensor:
        value: torch.Tensor = p.outer(lfl.adapt(p.inner, p.start(phi), phi, task).theta, phi, task)
        return value

    return torch.func.vmap(of_task)(p.tasks).mean()


def along(grads: Any, direction: Any) -> float:
    return sum(float((g * d).sum()) for g, d in zip(tree_leaves(grads), tree_leaves(direction), strict=True))


def difference(p: Problem, direction: Any, h: float = 1e-6) -> float:
    """The derivative of `outer_loss` along a direction of phi, by central differences."""
    ahead, back = (tree_map(lambda t, d, s=s: t + s * h * d, p.phi, direction) for s in (1.0, -1.0))
    return float(outer_loss(p, ahead) - outer_loss(p, back)) / (2.0 * h)


def direction_like(phi: Any) -> Any:
    draw = next(draws(2))
    return tree_map(lambda t: draw(*t.shape), phi)
