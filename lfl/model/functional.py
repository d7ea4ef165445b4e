"""Any `nn.Module` as a pure function of its parameters and buffers."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..errors import UserError
from ..types import Tensors
from .call import call
from .custom_gradients import NONE, CustomGradients, custom_gradients
from .dropout import apply_masks, dropout_layers


@dataclass(frozen=True, eq=False)
class PureModule:
    """The `apply_fn` of a module: its code without its values.

    Args:
        buffers: the module's own buffers and frozen parameters, where a fresh run starts.
        training_code, evaluation_code: the module in its two modes, on the meta device (no storage).
        dropouts: names of the layers that want masks in training.
        autocast: a lower precision for matrix products and convolutions; outputs keep the precision of theta.
        custom_gradients: where the module's own code changes gradients.
    """

    buffers: Tensors = field(repr=False)
    training_code: nn.Module
    evaluation_code: nn.Module = field(repr=False)
    dropouts: tuple[str, ...]
    autocast: torch.dtype | None = None
    custom_gradients: CustomGradients = NONE

    def __call__(
        self, theta: Tensors, buffers: Tensors, x: Any, *, training: bool = True, masks: Any = ()
    ) -> tuple[torch.Tensor, Tensors]:
        """Outputs and new buffers; nothing that came in is written to.

        Args:
            theta: trainable parameters by name.
            buffers: buffers (running statistics) and frozen parameters by name.
            x: the input: a tensor, a tuple of positional inputs, or a dict of named ones.
            training: training mode (batch statistics, dropout), or evaluation mode.
            masks: dropout masks in the order in which the layers run, from `lfl.draw_masks`.

        Raises:
            UserError: a dropout layer finds no mask, or one of another shape.
        """
        # Layers write running statistics in place: into copies that belong to this call.
        buffers = {name: tensor.clone() for name, tensor in buffers.items()}
        if self.autocast is None:
            return self._run(theta, buffers, x, training, masks), buffers
        weight = next(iter(theta.values()))
        # The cache of cast weights does not know the transforms' levels.
        with torch.autocast(weight.device.type, self.autocast, cache_enabled=False):
            outputs = self._run(theta, buffers, x, training, masks)
        return outputs.to(weight.dtype), buffers

    def _run(self, theta: Tensors, buffers: Tensors, x: Any, training: bool, masks: Any) -> Any:
        if not training:
            return call(self.evaluation_code, theta, buffers, x)
        if not (len(masks) or self.dropouts):
            return call(self.training_code, theta, buffers, x)
        with apply_masks(masks, self.dropouts):
            return call(self.training_code, theta, buffers, x)


def functional(module: nn.Module, *, autocast: torch.dtype | None = None) -> tuple[Tensors, Tensors, PureModule]:
    """Take a module apart into parameters, buffers and a pure function.

        outputs, buffers = apply_fn(theta, buffers, x, training=True, masks=())

    Parameters that the module shares between layers stay shared, under their first name. Frozen parameters
    (`requires_grad=False`) travel with the buffers. Submodules that are in evaluation mode while the module is
    in training mode (frozen batch norm) stay so.

    Args:
        module: any module; it is copied, and never changed.
        autocast: a lower precision for matrix products and convolutions, such as `torch.bfloat16`; parameters and
            outputs keep theirs.

    Returns:
        `theta`, trainable parameters by name; `buffers`; `apply_fn`, which also holds these buffers as
        `apply_fn.buffers`. Tensors keep their dtypes and devices.

    Raises:
        UserError: the module has lazy parameters that have no shape yet.

    Example:
        >>> theta, buffers, apply_fn = functional(nn.Linear(3, 2))
        >>> outputs, buffers = apply_fn(theta, buffers, torch.ones(5, 3))
        >>> outputs.shape
        torch.Size([5, 2])
    """
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(tensor):
            raise UserError(f"{name} has no shape yet (a lazy module); run the module once on an example first.")
    theta = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    frozen = {name: p.detach().clone() for name, p in module.named_parameters() if not p.requires_grad}
    buffers = {name: b.detach().clone() for name, b in module.named_buffers()}
    # Copied with stand-ins without storage, one for each tensor, so that what was tied stays tied.
    stand_ins: dict[int, object] = {id(p): nn.Parameter(p.to("meta"), p.requires_grad) for p in module.parameters()}
    stand_ins |= {id(b): b.to("meta") for b in module.buffers()}
    code = copy.deepcopy(module, stand_ins)
    if not module.training:
        code.train()
    apply_fn = PureModule(
        frozen | buffers,
        code,
        copy.deepcopy(code).eval(),
        dropout_layers(code),
        autocast,
        custom_gradients(module),
    )
    return theta, frozen | buffers, apply_fn
