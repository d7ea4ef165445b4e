"""The offline phase: phi learns from short trainings that are thrown away."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from torch import nn

from ..errors import UserError
from ..method import Programs
from ..model import functional
from ..randomness import generator, seeded
from ..step import Carry, Info, warn_of_zero_gradient
from ..step.batches import as_batch
from ..types import Batch, Tensors, Tree

Complete = Callable[[Batch, str, int], Batch]
"""`complete(batch, stream, step)`, the batch with its masks."""


def learn_offline(
    steps_of: Callable[[Batch], tuple[Programs, Tree, Tree]],
    theta_0: Callable[[int], tuple[Tensors, Tensors]],
    train: Iterable[Any],
    valid: Iterable[Any] | None,
    *,
    complete: Complete,
    first: int,
    steps: int,
    inner_steps: int,
    restart_every: int,
) -> tuple[Tree, Info]:
    """Takes offline steps of phi.

    Args:
        steps_of: `steps_of(batch) -> (programs, phi, outer)`, called once with the first train batch: the programs of
            the model, the loss's parameters and the state of its optimiser.
        theta_0: `theta_0(step)`, parameters and buffers where a step starts anew.
        train, valid: the batches, gone through again when they end; without `valid` phi is measured on the last train
            batch of each step.
        complete: draws masks.
        first: number of the first step, for the draws.
        steps, inner_steps, restart_every: as in `Learner.offline`.

    Returns:
        phi, and the info of the last step.
    """
    train_batches, valid_batches = again("train_batches", train), again("valid_batches", valid)
    theta: Tensors = {}
    info: Info | None = None
    head = as_batch("train batch", next(train_batches))
    train_batches = chain([head], train_batches)
    programs, phi, outer = steps_of(head)
    carry = Carry({}, outer, {})
    for step in range(first, first + steps):
        if step == first or (restart_every and (step - first) % restart_every == 0):
            theta, buffers = theta_0(step)
            carry = Carry(programs.fresh(theta, phi).inner, carry.outer, buffers)
        given = [as_batch("train batch", next(train_batches)) for _ in range(inner_steps)]
        batches = [complete(batch, "train", step * inner_steps + k) for k, batch in enumerate(given)]
        batch_val = given[-1] if valid is None else as_batch("valid batch", next(valid_batches))
        batch_val = complete(batch_val, "valid", step)
        theta, phi, carry, info = programs.meta(theta, phi, batches, batch_val, carry, None, None)  # type: ignore[arg-type]
        if step == first:
            warn_of_zero_gradient(info, stacklevel=3)
    assert info is not None
    return phi, info


def again(name: str, batches: Iterable[Any] | None) -> Iterator[Any]:
    """Goes through batches again and again.

    Raises:
        UserError: there is none, or none are left because they can be gone through once only.
    """
    if batches is not None and not isinstance(batches, Iterable):
        raise UserError(f"{name} must be a list or DataLoader of batches (x, y), got {type(batches).__name__}.")
    while True:
        some = False
        for batch in batches or ():
            some = True
            yield batch
        if not some:
            raise UserError(
                f"{name} has no batch, or can be gone through once only and has ended; give a list of batches (x, y) "
                "or a DataLoader."
            )


def redrawn(
    redraw: Callable[[], nn.Module], like: tuple[Tensors, Tensors], seed: int, step: int
) -> tuple[Tensors, Tensors]:
    """Parameters and buffers of a new module, drawn with torch's generators set for the step and set back afterwards.

    Raises:
        UserError: the module has other tensors than the learner's.
    """
    with seeded(generator(seed, "learner offline theta_0", step).initial_seed(), like[0].values()):
        module = redraw()
    theta, buffers, _ = functional(module)
    for own, new in zip(like, (theta, buffers), strict=True):
        if {name: t.shape for name, t in own.items()} != {name: t.shape for name, t in new.items()}:
            raise UserError(
                "redraw must return a module like the learner's, with the same names, shapes and frozen parameters."
            )
    return _like(theta, like[0]), _like(buffers, like[1])


def _like(tensors: Tensors, own: Tensors) -> Tensors:
    return {name: t.to(own[name].device, own[name].dtype) for name, t in tensors.items()}
