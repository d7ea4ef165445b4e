"""An optimiser as a pair of pure functions, and the checks of one that is given."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch

from ..errors import UserError
from ..trees import hide_constants
from ..types import Rate, Tree


class UpdateFn(Protocol):
    """An optimiser's update: `update(grads, state, theta, lr=None) -> (theta, state)`."""

    def __call__(self, grads: Tree, state: Tree, theta: Tree, lr: Rate | None = None, /) -> tuple[Tree, Tree]: ...


class Optimiser(NamedTuple):
    """A pair of pure functions, differentiable in all of their arguments.

    Args:
        init: `init(theta) -> state`, a pytree of tensors, numbers and None.
        update: `update(grads, state, theta, lr=None) -> (theta, state)`; `lr` replaces the optimiser's own rate
            and may be a tensor, also one that is differentiated; those of lfl also take a tree of rates, a prefix of
            theta's. Where a step is given no rate, lfl calls the update without `lr`, so that one without that
            parameter will do.

    `docs/own-optimiser.md` writes one.
    """

    init: Callable[[Tree], Tree]
    update: UpdateFn


class Linear(Optimiser):
    """An optimiser whose update is linear in gradients, state and theta: its derivative needs no value of them."""

    __slots__ = ()


def with_rate(update: UpdateFn, lr: Rate | None) -> UpdateFn:
    """Returns an update that says at which rate it steps where it is given none, as `update.lr`; for schedules."""
    setattr(update, "lr", lr)  # noqa: B010 - a function has no such attribute by itself
    return update


def rate_of(optimiser: Optimiser) -> Rate | None:
    """Returns an optimiser's own rate, None where its update does not say."""
    rate: Rate | None = getattr(optimiser.update, "lr", None)
    return rate


def check(**settings: float | torch.Tensor) -> None:
    """Raises `UserError` for a setting that is negative or not finite; tensors are not checked."""
    for name, value in settings.items():
        if not isinstance(value, torch.Tensor) and not 0.0 <= value < float("inf"):
            raise UserError(f"{name} must be a finite number of at least 0, got {value}.")


def as_optimiser(name: str, given: Any, lr: object = None) -> Optimiser:
    """Returns the optimiser that was given; a bare pair of functions is made one.

    Args:
        name: of the argument.
        given: the argument's value.
        lr: the rate that updates will be called with, if any.

    Raises:
        UserError: something else was given, or its update cannot take a rate.
    """
    if type(given) is tuple and len(given) == 2 and all(callable(function) for function in given):
        given = Optimiser(*given)
    if not isinstance(given, Optimiser):
        kind = given.__name__ if isinstance(given, type) or inspect.isfunction(given) else type(given).__name__
        raise UserError(
            f"{name} must be an lfl.Optimiser, such as lfl.sgd(0.01) or lfl.adam(1e-3), got {kind}. Those of "
            "torch.optim write to parameters in place and cannot be differentiated; docs/own-optimiser.md writes "
            "a pair of functions."
        )
    if lr is not None and not torch.compiler.is_compiling() and not _takes_rate(given.update):
        raise UserError(
            f"{name}_lr is given, but the update of {name} takes no rate: give it a fourth parameter, "
            f"update(grads, state, theta, lr=None), or leave {name}_lr out."
        )
    return given


def _takes_rate(update: UpdateFn) -> bool:
    try:
        inspect.signature(update).bind(None, None, None, None)
    except TypeError:
        return False
    return True


def apply_update(optimiser: Optimiser, grads: Tree, state: Tree, theta: Tree, lr: Rate | None) -> tuple[Tree, Tree]:
    """Theta and state after an update, at the rate `lr` where one is given.

    Raises:
        UserError: the update returns something else.
    """
    result: Any
    result = optimiser.update(grads, state, theta) if lr is None else optimiser.update(grads, state, theta, lr)
    if not isinstance(result, tuple) or len(result) != 2:
        raise UserError(
            f"an optimiser's update must return (theta, state), got {type(result).__name__}; see docs/own-optimiser.md."
        )
    if isinstance(theta, dict) and (not isinstance(result[0], dict) or result[0].keys() != theta.keys()):
        raise UserError(
            "an optimiser's update must return theta first, a dict of the same names as it was given; see "
            "docs/own-optimiser.md."
        )
    return result


def hide_numbers(state: Tree) -> Tree:
    """An optimiser's state with its numbers and None wrapped, so that transforms of torch find tensors alone in it.

    Raises:
        UserError: the state holds something else than tensors, numbers and None.
    """
    return hide_constants(state, _not_a_state)


def _not_a_state(leaf: Any) -> UserError:
    return UserError(
        f"an optimiser's state must be a tree of tensors, numbers and None, got a {type(leaf).__name__} in it; see "
        "docs/own-optimiser.md."
    )
