"""Turns any `nn.Module` into a pure function of its parameters and buffers."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from ..errors import UserError, reason
from ..randomness import seeded
from ..trees import map_tree
from ..types import ApplyFn, Tensors
from .custom_gradients import NONE, CustomGradients, custom_gradients
from .dropout import MaskSpec, apply_masks, dropout_layers, record_masks
from .noise import NoiseSpec
from .random_draws import RefuseDraws, refuse_unused
from .recomputed_blocks import block_names, recompute_blocks


@dataclass(frozen=True, eq=False)
class PureModule:
    """The `apply_fn` of a module: its code without its parameters.

    Args:
        buffers: the module's own buffers and frozen parameters, with which a fresh run starts.
        training_code, evaluation_code: the module in its two modes, on the meta device (without storage).
        dropouts: names of the layers that need masks in training.
        autocast: a lower precision for matrix products and convolutions; outputs keep the precision of theta.
        custom_gradients: where the module's own code changes gradients.
        recomputed: names of the blocks whose activations are computed again in a backward pass.
    """

    buffers: Tensors = field(repr=False)
    training_code: nn.Module
    evaluation_code: nn.Module = field(repr=False)
    dropouts: tuple[str, ...]
    autocast: torch.dtype | None = None
    custom_gradients: CustomGradients = NONE
    recomputed: tuple[str, ...] = ()

    def __call__(
        self, theta: Tensors, buffers: Tensors, x: Any, *, training: bool = True, masks: Any = ()
    ) -> tuple[Any, Tensors]:
        """Computes outputs and new buffers; no argument is changed.

        Args:
            theta: trainable parameters by name.
            buffers: buffers (running statistics) and frozen parameters by name.
            x: the input: a tensor, a tuple of positional inputs, or a dict of named ones.
            training: training mode (batch statistics, dropout), or evaluation mode.
            masks: dropout masks in the order in which the layers run, from `lfl.draw_masks`; or a seed, an int, from
                which the model's own draws are made. Torch's global random state is left unchanged.

        Returns:
            What the module returns, and its buffers after the pass.

        Raises:
            UserError: a dropout layer has no mask, or one of another shape; masks are left over; a seed in a
                compiled or vmapped program.
        """
        # Layers write running statistics in place: give them copies.
        buffers = {name: tensor.clone() for name, tensor in buffers.items()}
        if self.autocast is None:
            return self._run(theta, buffers, x, training, masks), buffers
        weight = next(iter(theta.values()))
        # The cache of cast weights ignores the levels of the transforms.
        with torch.autocast(weight.device.type, self.autocast, cache_enabled=False):
            outputs = self._run(theta, buffers, x, training, masks)
        back = lambda t: t.to(weight.dtype) if isinstance(t, torch.Tensor) and t.is_floating_point() else t  # noqa: E731
        return map_tree(back, outputs), buffers

    def _run(self, theta: Tensors, buffers: Tensors, x: Any, training: bool, masks: Any) -> Any:
        if not training:
            return _call(self.evaluation_code, theta, buffers, x)
        if is_seed(masks):
            if self.recomputed:
                raise UserError(
                    "the batch has a seed, and a recomputed block would draw other numbers each time; give masks, "
                    "lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), generator), or leave recompute out."
                )
            with seeded(masks, (*theta.values(), *buffers.values())):
                return _call(self.training_code, theta, buffers, x)
        if not isinstance(masks, (tuple, list)):
            raise UserError(
                "the third entry of a batch must be dropout masks (a tuple of tensors from lfl.draw_masks) or a seed "
                f"(an int), got {type(masks).__name__}."
            )
        if torch.compiler.is_compiling():
            with RefuseDraws(), (interposed := apply_masks(tuple(masks), self.dropouts)):
                outputs = _call(self.training_code, theta, buffers, x)
            if interposed.unused():
                refuse_unused()
            return outputs
        if not (len(masks) or self.dropouts):
            return _call(self.training_code, theta, buffers, x)
        with (interposed := apply_masks(tuple(masks), self.dropouts)):
            outputs = _call(self.training_code, theta, buffers, x)
        if interposed.unused():
            raise UserError(
                f"the model used {len(masks) - interposed.unused()} of {len(masks)} dropout masks; draw them for this "
                "model and inputs of this shape: lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), generator)."
            )
        return outputs


def _call(code: nn.Module, theta: Tensors, buffers: Tensors, x: Any) -> Any:
    """Runs `code` on `x`: a tensor, a tuple of positional inputs, or a dict of named ones."""
    args, kwargs = ((), x) if isinstance(x, dict) else (x if isinstance(x, tuple) else (x,), {})
    return functional_call(code, (theta, buffers), args, kwargs)


def is_seed(masks: Any) -> bool:
    """Whether the third entry of a batch is a seed rather than masks."""
    return isinstance(masks, int) and not isinstance(masks, bool)


def functional(
    module: nn.Module, *, autocast: torch.dtype | None = None, recompute: str | Sequence[str] | None = None
) -> tuple[Tensors, Tensors, PureModule]:
    """Splits a module into parameters, buffers and a pure function.

        outputs, buffers = apply_fn(theta, buffers, x, training=True, masks=())

    Parameters that layers share stay shared, under their first name. Frozen parameters (`requires_grad=False`) are
    among the buffers. Submodules in evaluation mode (frozen batch norm) stay in it if the module is in training mode.

    Args:
        module: any module; it is copied, not changed.
        autocast: a lower precision for matrix products and convolutions, such as `torch.bfloat16`; parameters and
            outputs keep their own.
        recompute: blocks whose activations are computed again in a backward pass instead of being kept: their names,
            or `"auto"` for the repeated blocks of a transformer or ResNet (docs/cost.md). The numbers are the same, in
            less memory and more time; in eager steps alone.

    Returns:
        `theta`, trainable parameters by name; `buffers`; `apply_fn`, which also holds these buffers as
        `apply_fn.buffers`. Tensors keep their dtypes and devices.

    Raises:
        UserError: the module has lazy parameters without a shape; is, or contains, a compiled, scripted or parallel
            module; or cannot be copied; `recompute` names no block of it.

    Example:
        >>> theta, buffers, apply_fn = functional(nn.Linear(3, 2))
        >>> outputs, buffers = apply_fn(theta, buffers, torch.ones(5, 3))
        >>> outputs.shape
        torch.Size([5, 2])
    """
    _refuse_wrapped(module)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(tensor):
            raise UserError(f"{name} has no shape yet (a lazy module); run the module once on an example first.")
    theta = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    frozen = {name: p.detach().clone() for name, p in module.named_parameters() if not p.requires_grad}
    buffers = {name: b.detach().clone() for name, b in module.named_buffers()}
    # One stand-in without storage for each tensor, so that tied tensors stay tied in the copy.
    stand_ins: dict[int, object] = {id(p): nn.Parameter(p.to("meta"), p.requires_grad) for p in module.parameters()}
    stand_ins |= {id(b): b.to("meta") for b in module.buffers()}
    code = copied(module, stand_ins)
    if not module.training:
        code.train()
    evaluation_code = copy.deepcopy(code).eval()
    blocks = block_names(module, recompute)
    recompute_blocks(code, blocks)
    apply_fn = PureModule(
        frozen | buffers,
        code,
        evaluation_code,
        dropout_layers(code),
        autocast,
        custom_gradients(module),
        blocks,
    )
    return theta, frozen | buffers, apply_fn


def mask_specs(
    apply_fn: ApplyFn, theta: Tensors, x: Any, buffers: Tensors | None = None
) -> tuple[MaskSpec | NoiseSpec, ...]:
    """Finds the dropout masks that a model needs for inputs shaped like `x`, by running it once.

    Torch's random state is left unchanged.

    Args:
        apply_fn: from `lfl.functional`.
        theta: its parameters.
        x: an input of that shape; its values do not matter.
        buffers: its buffers; the module's own when omitted.

    Returns:
        One `MaskSpec(shape, p)` for each dropout call, and one `NoiseSpec(shape, law, dtype)` for each normal or
        uniform draw (`torch.randn`, `torch.rand_like`, `normal_`, ...), in call order; empty without any. Dropout calls
        are those of dropout layers and functions, of attention (`nn.MultiheadAttention`,
        `nn.TransformerEncoderLayer`, `F.scaled_dot_product_attention`), and of stochastic depth
        (`timm.layers.DropPath`, `torchvision.ops.StochasticDepth`). Dropout between the layers of an LSTM, and noise of
        another law, has no masks: give the batch as `(x, y, seed)`.

    Example:
        >>> theta, _, apply_fn = functional(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2)))
        >>> mask_specs(apply_fn, theta, torch.zeros(5, 3))
        (MaskSpec(shape=(5, 4), p=0.2),)
    """
    code = getattr(apply_fn, "training_code", None)
    if code is None:
        raise UserError(f"mask_specs needs an apply_fn made by lfl.functional, got {apply_fn!r}.")
    buffers = dict(getattr(apply_fn, "buffers", {})) if buffers is None else buffers
    specs: list[MaskSpec | NoiseSpec] = []
    with torch.no_grad(), seeded(0, theta.values()), record_masks(specs):
        _call(code, theta, {name: tensor.clone() for name, tensor in buffers.items()}, x)
    return tuple(specs)


def _refuse_wrapped(module: nn.Module) -> None:
    """Raises `UserError` for modules that `torch.func` cannot call with other parameters."""
    if not isinstance(module, nn.Module):
        raise UserError(f"functional takes a torch.nn.Module, got {type(module).__name__}.")
    for name, part in module.named_modules():
        where = f"module '{name}'" if name else "the module"
        if "_orig_mod" in part._modules:
            raise UserError(
                f"{where} is compiled; give the module that torch.compile was given (._orig_mod), and compile the step."
            )
        if isinstance(part, torch.jit.ScriptModule):
            raise UserError(f"{where} is scripted, and torch.func cannot call it; give the module before scripting.")
        if isinstance(part, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            raise UserError(f"{where} is a {type(part).__name__}, which torch.func cannot call; give its .module.")


def copied(module: nn.Module, stand_ins: dict[int, object] | None = None) -> nn.Module:
    """Deep-copies a module without the tensors that a forward pass or a hook left in it.

    Examples are the weight of `torch.nn.utils.weight_norm`, and activations that a module stores.

    Args:
        module: any module.
        stand_ins: replacements of objects, by their ids.

    Raises:
        UserError: the module holds something that cannot be copied.
    """
    nothing = torch.empty(0, device="meta")
    held = [value for part in module.modules() for value in vars(part).values()]
    computed = [value for value in held if isinstance(value, torch.Tensor) and not value.is_leaf]
    try:
        return copy.deepcopy(module, {id(tensor): nothing for tensor in computed} | (stand_ins or {}))
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"the module cannot be copied ({reason(error)}); remove what it stores of a pass, such as a list of "
            "activations, or build the module anew."
        ) from error
