"""What an optimiser is: a pair of pure functions."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..errors import UserError

Rate = float | torch.Tensor


class Optimiser(NamedTuple):
    """A pair of pure functions, differentiable in everything that they take.

    Args:
        init: `init(theta) -> state`, a pytree of tensors, numbers and None.
        update: `update(grads, state, theta, lr=None) -> (theta, state)`; `lr` replaces the optimiser's own rate
            and may be a tensor, also one that is differentiated. An update without `lr` serves where no rate is given.

    `docs/own-optimiser.md` writes one.
    """

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class Linear(Optimiser):
    """One whose update is linear in gradients, slots and theta, so that its derivative needs no value of them."""

    __slots__ = ()


def check(**settings: float | torch.Tensor) -> None:
    """Raise `UserError` for a setting that is negative or not finite; tensors are taken as they are."""
    for name, value in settings.items():
        if not isinstance(value, torch.Tensor) and not 0.0 <= value < float("inf"):
            raise UserError(f"{name} must be a finite number of at least 0, but {value} came.")


def as_optimiser(name: str, given: Any, lr: object = None) -> Optimiser:
    """What was given as an optimiser, if it is one; a bare pair of functions is made one.

    Args:
        name: of the argument.
        given: what was given for it.
        lr: the rate that updates will be given, if any.

    Raises:
        UserError: it is something else, or its update cannot take a rate.
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


def _takes_rate(update: Callable[..., Any]) -> bool:
    try:
        inspect.signature(update).bind(None, None, None, None)
    except TypeError:
        return False
    return True


def apply_update(optimiser: Optimiser, grads: Any, state: Any, theta: Any, lr: Rate | None) -> tuple[Any, Any]:
    """Theta and state after an update; `lr` is passed on where there is one.

    Raises:
        UserError: the update returns something else.
    """
    arguments = (grads, state, theta) if lr is None else (grads, state, theta, lr)
    result: Any = optimiser.update(*arguments)
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
