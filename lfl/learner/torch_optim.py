"""A pure pair in place of an optimiser of `torch.optim`."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch

from ..errors import UserError
from ..optimiser import Optimiser, adam, adamw, rmsprop, sgd
from ..optimiser.optimiser import as_optimiser

HOW_IT_IS_COMPUTED = frozenset({"params", "lr", "initial_lr", "foreach", "fused", "capturable", "differentiable"})
"""Settings of torch that change neither the formula nor anything else that a pair has."""


class Equal(NamedTuple):
    """The pure equal of a class of torch: the function that makes it, the settings it takes, those that must be off."""

    make: Callable[..., Optimiser]
    taken: tuple[str, ...]
    off: dict[str, Any]


EQUALS: dict[type[torch.optim.Optimizer], Equal] = {
    torch.optim.SGD: Equal(sgd, ("momentum", "nesterov", "weight_decay"), {"dampening": 0, "maximize": False}),
    torch.optim.Adam: Equal(adam, ("betas", "eps", "weight_decay"), {"amsgrad": False, "maximize": False}),
    torch.optim.AdamW: Equal(adamw, ("betas", "eps", "weight_decay"), {"amsgrad": False, "maximize": False}),
    torch.optim.RMSprop: Equal(rmsprop, ("alpha", "eps", "momentum", "centered", "weight_decay"), {"maximize": False}),
}
ACCEPTED = ", ".join(cls.__name__ for cls in EQUALS)


class Given(NamedTuple):
    """An optimiser as it was given: the pair, and the instance of `torch.optim` that it was made of, if any."""

    pair: Optimiser
    source: torch.optim.Optimizer | None = None

    @property
    def changed_lr(self) -> float | None:
        """The rate of the instance, where a scheduler of torch has changed it; else None."""
        if self.source is None:
            return None
        now = float(self.source.param_groups[0]["lr"])
        return None if now == self.pair.update.lr else now  # type: ignore[attr-defined]


def given_optimiser(name: str, given: Any, parameters: Iterable[torch.Tensor] | None = None) -> Given:
    """Returns an optimiser as a pair.

    Args:
        name: of the argument.
        given: a pair; or an instance of `torch.optim`, which is not changed and never steps.
        parameters: the tensors that an instance must hold; not checked when omitted.

    Raises:
        UserError: an instance without a pure equal, with settings that a pair does not have, several groups of
            parameters, other parameters, or steps that it has taken.
    """
    if not isinstance(given, torch.optim.Optimizer):
        return Given(as_optimiser(name, given))
    kind = type(given).__name__
    equal = EQUALS.get(type(given))
    if equal is None:
        raise UserError(
            f"{name} must be a pair such as lfl.sgd(0.1), or one of torch.optim's {ACCEPTED}, got {kind}, which writes "
            "to parameters in place and cannot be differentiated. lfl.rmsprop, lfl.lion and lfl.muon are there as "
            "pairs; docs/own-optimiser.md shows in twenty lines how to write one."
        )
    if len(given.param_groups) > 1:
        raise UserError(
            f"{name} must have one group of parameters, got {len(given.param_groups)}; a pair treats all alike. "
            "docs/own-optimiser.md shows how to write one that does not."
        )
    if given.state:
        raise UserError(f"{name} must be new, got a {kind} that has taken steps; make another one.")
    group = given.param_groups[0]
    for key, value in group.items():
        if key in equal.off and value != equal.off[key]:
            raise UserError(
                f"{name} must have {key}={equal.off[key]}, got {key}={value}, which lfl's own {kind} does not have; "
                "docs/own-optimiser.md shows how to write one that does."
            )
        known = key in equal.off or key in equal.taken or key in HOW_IT_IS_COMPUTED
        if not known and value not in (None, False, type(given) is torch.optim.AdamW):  # decoupled_weight_decay
            raise UserError(f"{name} has {key}={value}, which lfl's own {kind} does not have; give a pair instead.")
    _check_parameters(name, group["params"], parameters)
    settings = {key: float(group[key]) if isinstance(group[key], torch.Tensor) else group[key] for key in equal.taken}
    return Given(equal.make(float(group["lr"]), **settings), given)


def _check_parameters(name: str, held: list[torch.Tensor], wanted: Iterable[torch.Tensor] | None) -> None:
    if wanted is None:
        return
    theirs, ours = {id(p) for p in held if p.requires_grad}, {id(p) for p in wanted}
    if theirs != ours:
        raise UserError(
            f"{name} must hold all trainable parameters of the module, got {len(theirs & ours)} of {len(ours)}, and "
            f"{len(theirs - ours)} others; freeze those that should not train with requires_grad_(False)."
        )
