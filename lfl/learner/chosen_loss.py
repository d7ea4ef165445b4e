"""The learned loss and the task's own loss of a learner, from what its user named."""

from typing import Any

import torch

from ..catalogue import BASES, OWN_LOSSES
from ..errors import UserError, one_of
from ..loss import REPRESENTATIONS, TASK_LOSSES, ExampleLoss, LearnedLoss, draw_loss, is_formula, objective_named
from ..loss.learned_loss import AnyLearnedLoss
from ..randomness import generator
from ..trees import leaves, map_tree
from ..types import Kind, LossFn, TaskLoss, Tree
from ..user_code import imported, is_own


class ChosenLoss:
    """The learned loss that was asked for.

    Args:
        loss: a name, a formula, `"module:function"`, or a pair `(phi, loss_fn)`.
        kind: of the targets.
        base: the hand-made loss that some start from.
        seed: of the draw.

    Raises:
        UserError: an unknown name or kind, or something that is no loss.
    """

    def __init__(self, loss: Any, kind: Kind, base: str | TaskLoss | None, seed: int) -> None:
        one_of("kind", kind, list(BASES))
        self._name, self._pair = "", None
        if isinstance(loss, str):
            if not is_own(loss) and not is_formula(loss):
                one_of("learned loss", loss, [*REPRESENTATIONS, *OWN_LOSSES])
            self._name = loss
        elif isinstance(loss, tuple) and len(loss) == 2 and callable(loss[1]):
            if not leaves(loss[0]) or not all(isinstance(leaf, torch.Tensor) for leaf in leaves(loss[0])):
                raise UserError("the phi of loss=(phi, loss_fn) must be a pytree of at least one tensor.")
            self._pair = loss
        else:
            raise UserError(
                f'loss must be a name such as "residual", "module:function" or a pair (phi, loss_fn), got '
                f"{type(loss).__name__}; a hand-made loss is not learned, and goes to task_loss or base."
            )
        self._kind, self._base, self._seed = kind, base, seed

    @property
    def needs_num_outputs(self) -> bool:
        """Whether drawing phi takes the number of outputs."""
        return self._pair is None

    def draw(self, num_outputs: int | None, like: torch.Tensor) -> tuple[Tree, LossFn]:
        """Returns the first phi, on the device of `like`, and the loss.

        Args:
            num_outputs: classes, or width of the targets; not used for a pair.
            like: a parameter of the model; a drawn phi is float64 where it is.
        """
        if self._pair is not None:
            phi, loss_fn = self._pair
            return map_tree(lambda t: t.detach().to(like.device, copy=True), phi), loss_fn
        assert num_outputs is not None
        source = generator(self._seed, "phi_0")
        phi, loss_fn = draw_loss(self._name, self._kind, num_outputs=num_outputs, base=self._base, generator=source)
        return map_tree(lambda t: t.to(like.device, torch.promote_types(t.dtype, like.dtype)), phi), loss_fn


def chosen_task_loss(kind: Kind, task_loss: str | TaskLoss | None) -> TaskLoss:
    """Returns the loss that is measured on the validation batch.

    Args:
        kind: of the targets.
        task_loss: a name among the objectives, `"module:function"`, a function, or None for the kind's own.

    Raises:
        UserError: an unknown name.
    """
    if callable(task_loss):
        return task_loss
    if task_loss is None:
        return TASK_LOSSES[kind]
    if is_own(task_loss):
        own: TaskLoss = imported("task_loss", task_loss, "outputs and targets")
        return own
    return objective_named(kind, task_loss, "task_loss")


def outputs_of(outputs: Any, kind: Kind) -> int:
    """The number of classes, or the width of the targets, that outputs are for.

    Raises:
        UserError: the outputs are no tensor with a batch dimension.
    """
    if not isinstance(outputs, torch.Tensor) or outputs.dim() == 0:
        raise UserError(
            f"the number of outputs cannot be inferred from a model that returns a {type(outputs).__name__}; give "
            "num_outputs, or the loss as a pair (phi, loss_fn)."
        )
    if kind == "classification":
        return max(2, outputs.shape[1] if outputs.dim() > 1 else 1)
    return max(1, outputs[0].numel())


def drop_in(loss_fn: LossFn, kind: Kind, num_outputs: int | None) -> AnyLearnedLoss:
    """The learned loss in a form that `FixedLoss` takes; a user's own function is one of whole examples."""
    return (
        loss_fn
        if isinstance(loss_fn, LearnedLoss | ExampleLoss)
        else ExampleLoss(loss_fn, kind, num_outputs=num_outputs)
    )
