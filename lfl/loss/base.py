"""The base: the hand-made loss that a learned one starts from, by name, as a formula or as a function."""

from collections.abc import Mapping

import torch

from ..catalogue import BASES, HANDMADE_LOSSES, OWN_LOSSES
from ..catalogue import OBJECTIVES as OBJECTIVE_ENTRIES
from ..entry import LossEntry
from ..errors import UserError, one_of
from ..types import Kind, TaskLoss
from ..user_code import called, imported, is_own
from .labels import binary_cross_entropy, each_label
from .symbolic import is_formula, symbolic_task_loss


def _by_kind(entries: Mapping[str, LossEntry]) -> dict[Kind, dict[str, TaskLoss]]:
    kinds: tuple[Kind, Kind] = ("classification", "regression")
    found = {kind: {name: entry.load() for name, entry in entries.items() if kind in entry.kinds} for kind in kinds}
    labels = {name: each_label(loss) for name, loss in found["classification"].items()}
    return found | {"multilabel": labels | {"cross-entropy": binary_cross_entropy}}


def kind_of_rows(kind: Kind) -> Kind:
    """The kind of what a loss of whole examples sees: of several labels each is an example with two classes."""
    return "classification" if kind == "multilabel" else kind


HANDCRAFTED, OBJECTIVES = _by_kind(HANDMADE_LOSSES), _by_kind(OBJECTIVE_ENTRIES)
"""Hand-made losses, and objectives for learning a loss, by name for each kind of target; the task's own comes first.
Those of several labels are those of classes, each label an example with two: `cross-entropy` is binary."""

TASK_LOSSES = {kind: next(iter(known.values())) for kind, known in OBJECTIVES.items()}
"""The task's own loss, which a learned one is to reduce unless another objective is given."""

TAKES = "outputs and targets, which returns a loss for each example"
"""The arguments of a user's own hand-made loss, for errors."""


def base_loss(kind: Kind, base: str | TaskLoss | None, *, num_outputs: int | None = None) -> TaskLoss:
    """Finds a hand-made loss, `base(outputs, targets) -> [batch]`.

    Args:
        kind: kind of targets.
        base: a name in `HANDCRAFTED[kind]`; a formula; `"module:function"`, a user's own, imported; a function,
            returned unchanged; None for the default, `BASES[kind]`.
        num_outputs: classes, or width of the targets, with which a user's own is tried once; not tried when omitted.

    Raises:
        UserError: an unknown name, a faulty formula, or a function that does not return a loss for each example.

    Example:
        >>> base_loss("regression", None)(torch.tensor([3.0]), torch.tensor([1.0]))
        tensor([2.])
    """
    if callable(base):
        return base
    one_of("kind", kind, list(HANDCRAFTED))
    name = BASES[kind_of_rows(kind)] if base is None else base
    if is_formula(name):
        return symbolic_task_loss(name, kind)
    if not is_own(name):
        one_of(f"hand-made loss for {kind}", name, [*HANDCRAFTED[kind], *OWN_LOSSES])
        return HANDCRAFTED[kind][name]
    own: TaskLoss = imported("loss", name, TAKES)
    if num_outputs is not None:
        try_loss(name, own, (), kind, num_outputs)
    return own


def objective_named(kind: Kind, name: str, what: str) -> TaskLoss:
    """Finds an objective by name; raises `UserError` for an unknown one, with `what` for the argument's name."""
    one_of(f"{what} for {kind}", name, [*OBJECTIVES[kind], "MODULE:FUNCTION"])
    return OBJECTIVES[kind][name]


def try_loss(name: str, loss: object, first: tuple[object, ...], kind: Kind, num_outputs: int) -> None:
    """Calls a user's own loss once, on two examples.

    Args:
        name: `"module:function"`.
        loss: called with `first`, outputs and targets.
        first: its arguments before them.
        kind, num_outputs: kind and width of the outputs and targets.

    Raises:
        UserError: it raised an error, or does not return a real number for each example.
    """
    outputs = torch.zeros(2, num_outputs)
    targets = torch.tensor([0, 1]) if kind == "classification" else torch.zeros(2, num_outputs)  # labels may be 0.0
    shown = f"outputs {list(outputs.shape)} and targets {list(targets.shape)}"
    losses = called("loss", name, loss, *first, outputs, targets, shown=shown)  # type: ignore[arg-type]
    if not isinstance(losses, torch.Tensor) or losses.shape != (2,) or not losses.is_floating_point():
        got = f"{list(losses.shape)} of {losses.dtype}" if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise UserError(f"loss {name}, called with {shown}, must return a loss for each example, [2], got {got}.")
