"""A step over several micro-batches: exact for theta and for phi, in the memory of one of them.

With n_i examples in micro-batch i, N in all, and g_i the gradient of its mean learned loss, theta descends
g = sum_i n_i/N g_i, the gradient on all examples together. phi reaches theta' only through g, so that

    v        = sum_j n_j/N grad_theta' L_T(validation micro-batch j)
    w        = (d update / d g)^T v
    grad_phi = sum_i n_i/N grad_phi < g_i, w >

is the gradient of phi on all examples together; each sum goes over one micro-batch after the other.
"""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import torch

from ..hypergradient import Bilevel, forward, gradient
from ..hypergradient.bilevel import base_pass, mean_loss, validation_loss
from ..hypergradient.directional import forward_mode
from ..hypergradient.mixed_mode import through_loss
from ..step import Info
from ..trees import leaves, map_tree, norm
from ..types import Batch, Tensors, Tree


class Gathered(NamedTuple):
    """Sums over the micro-batches so far, each weighed by its number of examples.

    Args:
        grads: gradients of theta.
        loss, reported: values of the learned loss and of the task loss, scalar tensors.
        num_examples: of the train micro-batches.
        train: the train micro-batches and the buffers before each, where phi is to learn from them.
        valid: the validation micro-batches.
    """

    grads: Tensors
    loss: torch.Tensor
    reported: torch.Tensor
    num_examples: int
    train: list[tuple[Batch, Tensors]]
    valid: list[Batch]


def train_pass(
    problem: Bilevel, theta: Tensors, phi: Tree, buffers: Tensors, batch: Batch
) -> tuple[Tensors, torch.Tensor, torch.Tensor, Tensors]:
    """Gradient, learned loss, task loss and new buffers of a micro-batch."""
    base = base_pass(problem, theta, phi, buffers, batch)
    return base.grads, base.loss, mean_loss(problem.task_loss, base.outputs, batch[1]), base.buffers


def valid_pass(problem: Bilevel, theta: Tensors, buffers: Tensors, batch: Batch) -> tuple[Tensors, torch.Tensor]:
    """Gradient and value of the task loss on a validation micro-batch."""

    def loss(theta: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        value = validation_loss(problem, theta, buffers, batch)
        return value, value

    return gradient(loss, theta)


def phi_by_forward_mode(
    problem: Bilevel, theta: Tensors, phi: Tree, buffers: Tensors, batch: Batch, w: Tensors
) -> Tree:
    """grad_phi < g_i, w >, with one jvp of the model."""

    def outputs_of(theta: Tensors) -> Tree:
        return forward(problem.apply_fn, theta, buffers, batch)[0]

    outputs, u = forward_mode(outputs_of, None, theta, w)
    return through_loss(problem.loss_fn, phi, outputs, batch[1], u)


def phi_by_reverse_mode(
    problem: Bilevel, theta: Tensors, phi: Tree, buffers: Tensors, batch: Batch, w: Tensors
) -> Tree:
    """grad_phi < g_i, w >, by differentiating g_i once more."""

    def along_w(phi: Tree) -> torch.Tensor:
        def loss(theta: Tensors) -> torch.Tensor:
            outputs, _ = forward(problem.apply_fn, theta, buffers, batch)
            return mean_loss(partial(problem.loss_fn, phi), outputs, batch[1])

        grads = torch.func.grad(loss)(theta)
        return reduce(torch.add, [torch.sum(grads[name] * w[name]) for name in grads])

    return torch.func.grad(along_w)(phi)


PHI_PASSES: dict[str, Callable[..., Tree]] = {"mixed": phi_by_forward_mode, "unroll": phi_by_reverse_mode}


class Passes(NamedTuple):
    """The functions of a problem that go over a micro-batch: of theta, of the validation loss, of phi (one or two equal
    ones, the one to try first at the front)."""

    train: Callable[[Tensors, Tree, Tensors, Batch], tuple[Tensors, torch.Tensor, torch.Tensor, Tensors]]
    valid: Callable[[Tensors, Tensors, Batch], tuple[Tensors, torch.Tensor]]
    phi: Sequence[Callable[[Tensors, Tree, Tensors, Batch, Tensors], Tree]]


def passes_of(problem: Bilevel, forms: Sequence[str], program: Callable[[Any], Any] = lambda f: f) -> Passes:
    """The passes of a problem.

    Args:
        problem: its functions.
        forms: keys of `PHI_PASSES`.
        program: compiles a pure function; returns it unchanged for eager passes.
    """
    train, valid = program(partial(train_pass, problem)), program(partial(valid_pass, problem))
    return Passes(train, valid, [program(partial(PHI_PASSES[form], problem)) for form in forms])


def gather(
    passes: Passes,
    gathered: Gathered | None,
    theta: Tensors,
    phi: Tree,
    buffers: Tensors,
    batch: Batch,
    batch_val: Batch | None,
    *,
    learns: bool,
) -> tuple[Gathered, Tensors, Info]:
    """Adds a micro-batch.

    Args:
        passes: of the problem.
        gathered: so far; None at the first micro-batch.
        theta, phi, buffers: of the model and the loss; buffers are kept, not copied, where phi learns.
        batch, batch_val: the train micro-batch, and the validation one, if there is one.
        learns: whether phi is to learn from them.

    Returns:
        What is gathered, the buffers after the pass, and the info of this micro-batch alone.
    """
    grads, loss, reported, after = passes.train(theta, phi, buffers, batch)
    count = examples(batch)
    info = Info(loss, reported, norm(grads), torch.zeros_like(loss))
    train = [(batch, buffers)] if learns else []
    valid = [batch_val] if learns and batch_val is not None else []
    grads, loss, reported = _scaled((grads, loss, reported), count)
    if gathered is None:
        return Gathered(grads, loss, reported, count, train, valid), after, info
    grads, loss, reported = map_tree(
        torch.add, (gathered.grads, gathered.loss, gathered.reported), (grads, loss, reported)
    )
    total = gathered.num_examples + count
    return Gathered(grads, loss, reported, total, gathered.train + train, gathered.valid + valid), after, info


def mean_gradient(gathered: Gathered) -> Tensors:
    """The gradient of theta on all examples together."""
    return {name: g / gathered.num_examples for name, g in gathered.grads.items()}


def validation_gradient(
    passes: Passes, theta: Tensors, buffers: Tensors, batches: Sequence[Batch]
) -> tuple[Tensors, torch.Tensor]:
    """Gradient and value of the task loss on all validation examples together."""
    total = sum(examples(batch) for batch in batches)
    parts = [_scaled(passes.valid(theta, buffers, batch), examples(batch) / total) for batch in batches]
    found: tuple[Tensors, torch.Tensor] = reduce(partial(map_tree, torch.add), parts)
    return found


def phi_gradient(
    phi_pass: Callable[[Tensors, Tree, Tensors, Batch, Tensors], Tree],
    update: Callable[[Tensors], Tensors],
    grads: Tensors,
    gathered: Gathered,
    theta: Tensors,
    phi: Tree,
    v: Tensors,
) -> Tree:
    """The gradient of phi on all examples together.

    Args:
        phi_pass: one of `Passes.phi`.
        update: theta' as a function of theta's gradient.
        grads: theta's gradient on all examples together.
        gathered: of all micro-batches.
        theta, phi: before the step.
        v: gradient of the validation loss at theta'.
    """
    pull: Any = torch.func.vjp(update, grads)[1]
    (w,) = pull(v)
    parts = [
        _scaled(phi_pass(theta, phi, buffers, batch, w), examples(batch) / gathered.num_examples)
        for batch, buffers in gathered.train
    ]
    return reduce(partial(map_tree, torch.add), parts)


def examples(batch: Batch) -> int:
    """The number of examples of a batch, by the first tensor of its targets."""
    return len(leaves(batch[1])[0])


def _scaled(tree: Tree, share: float) -> Tree:
    return map_tree(lambda t: t * share, tree)
