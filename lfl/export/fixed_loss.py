"""A learned loss as an `nn.Module`, in place of `nn.CrossEntropyLoss` or `nn.MSELoss`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..choices import REDUCTIONS
from ..errors import UserError, one_of
from ..loss import IGNORE_INDEX, AnyLearnedLoss
from ..run import load_learned_loss
from ..run.learned import about_loss
from ..run.shared import locate
from ..types import Tensors
from .pretrained import save_loss
from .reduction import reduced_loss


class FixedLoss(nn.Module):
    """M_phi as a module: called, moved and saved like `nn.CrossEntropyLoss` or `nn.MSELoss`.

    phi are buffers: no optimiser changes them, `.to()` moves them, `state_dict()` holds them. The loss is computed
    in the wider precision of the outputs and phi, under autocast too. Losses may lie below zero.

    Args:
        loss_fn: the learned loss, for class ids or for real values.
        phi: its parameters.
        reduction: `"mean"`, over examples, which is what lfl's own training descends; `"sum"`; or `"none"`: a loss
            for each class id, or for each real value as an example with one output.
        ignore_index: class id of targets that do not count.
        about: for `save_pretrained`, how the loss is made: `loss`, the name of its form in `lfl list` or
            `"module:function"`; `base`, the hand-made loss that it starts from; `num_outputs`; and `learned`, anything
            about how it was learned. `lfl.load_loss` gives it.

    Raises:
        UserError: an unknown reduction; in a call, outputs and targets that do not fit each other.

    Example:
        >>> import lfl
        >>> phi, loss_fn = lfl.loss_network("classification", generator=torch.Generator().manual_seed(0))
        >>> loss = FixedLoss(loss_fn, phi, reduction="none")
        >>> loss(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1])).shape
        torch.Size([5])
    """

    def __init__(
        self,
        loss_fn: AnyLearnedLoss,
        phi: Tensors,
        *,
        reduction: str = "mean",
        ignore_index: int = IGNORE_INDEX,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        one_of("reduction", reduction, list(REDUCTIONS))
        self.loss_fn, self.reduction, self.ignore_index = loss_fn, reduction, ignore_index
        self.about = about
        self.phi = as_buffers(phi)

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Computes the loss.

        Args:
            outputs: logits `[batch, classes, ...]` or `[classes]`; or real values of any shape. One logit, `[batch, 1,
                ...]` or with class ids `[batch]`, is of class 1 against class 0.
            targets: class ids `[batch, ...]`, or class probabilities `[batch, classes, ...]`, which give the expected
                loss; or real values of the outputs' shape.

        Returns:
            A scalar; with `reduction="none"` the shape of the class ids or of the values.
        """
        phi = self.current_phi()
        return reduced_loss(
            self.loss_fn, phi, outputs, targets, reduction=self.reduction, ignore_index=self.ignore_index
        )

    def current_phi(self) -> Tensors:
        """Returns phi, by name."""
        return tensors_of(self.phi)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the loss as a folder of its own, which `lfl.load_loss` reads and the Hugging Face Hub takes.

        `config.json` says what it is made of and how it was learned, `loss.safetensors` is phi in single precision,
        `README.md` a model card, `curve.png` a picture. Reduction and `ignore_index` are the reader's choice.

        Args:
            folder: made where it is not there; the folder of another loss is written over.

        Raises:
            UserError: the folder holds something else, or the loss was made without `about`.
            Failure: it cannot be written.
        """
        if self.about is None:
            raise UserError(
                "this loss does not say how it is made; give FixedLoss(..., about={'loss': 'residual', 'base': "
                "'cross-entropy', 'num_outputs': 10}), or load it with lfl.load_loss."
            )
        save_loss(Path(folder), self.loss_fn, self.current_phi(), self.about)

    def __repr__(self) -> str:
        return f"FixedLoss({self.loss_fn.kind}, reduction={self.reduction!r})"


def load_loss(
    run: str | Path,
    *,
    reduction: str = "mean",
    ignore_index: int = IGNORE_INDEX,
    loss: str | None = None,
    base: str | None = None,
    trust: bool = False,
) -> FixedLoss:
    """Loads a learned loss: of a run, of a folder of its own, one that comes with lfl, or from the Hugging Face Hub.

    Of a run it is the loss with its phi after the last step.

    In place of `nn.CrossEntropyLoss()` it takes logits and class ids, in place of `nn.MSELoss()` predictions and real
    values. The real-valued targets of a run were scaled so that its train split spans [0, 1]: scale yours in the same
    way, or the loss is evaluated at errors that it has never seen.

    Args:
        run: a run folder of `lfl train`, by a method that learns or is given a loss; a folder of `save_pretrained`; the
            name of a loss that comes with lfl (docs/sharing.md), such as `"robust-classification"`, unless a folder
            of that name is there; or `"hf://USER/NAME"`, `"hf://USER/NAME@REVISION"`.
        reduction, ignore_index: as in `FixedLoss`.
        loss, base: the run's own loss and base `"module:function"`, whose code may run; a run that was made here needs
            no naming.
        trust: whether everything is allowed that the folder asks for.

    Returns:
        A module on the CPU in float32; `.to()` moves it.

    Raises:
        UserError: the run learned no loss, a file of it is missing or damaged, it asks for code that was not named, or
            a bad argument.
        Failure: the Hub cannot be reached, or has no such loss.
    """
    folder = locate(run)
    phi, loss_fn = load_learned_loss(folder, loss=loss, base=base, trust=trust)
    about = about_loss(folder)
    return FixedLoss(loss_fn, phi, reduction=reduction, ignore_index=ignore_index, about=about)


def as_buffers(tensors: Tensors) -> nn.Module:
    """Copies tensors into the buffers of a bare module: `"0.weight"` is the buffer `weight` of its child `0`."""
    root = nn.Module()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        owner = root
        for part in path:
            if part not in dict(owner.named_children()):
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        owner.register_buffer(last, tensor.detach().clone())
    return root


def tensors_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """Returns the tensors that `as_buffers` was given, by name, with their present values."""
    return dict(module.named_buffers())
