"""Dropout whose masks are drawn outside the model and go in as tensors.

A generator inside a differentiated, vmapped or compiled function fails, and two passes over one batch must
see the same masks. So calls of dropout inside a forward pass are answered with given masks, in call order.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from ..errors import UserError
from ..types import ApplyFn, Tensors
from .call import call

Masks = tuple[torch.Tensor, ...]

_NEGATIVE_SATURATION = -1.7580993408473766
"""The value that SELU tends to on the left; alpha dropout puts it where a unit is dropped."""


class MaskSpec(NamedTuple):
    """What one dropout call wants: the shape of its mask, and the probability of dropping."""

    shape: tuple[int, ...]
    p: float


def _each_unit(x: torch.Tensor) -> tuple[int, ...]:
    return tuple(x.shape)


def _whole_channels(spatial: int) -> Callable[[torch.Tensor], tuple[int, ...]]:
    def shape(x: torch.Tensor) -> tuple[int, ...]:
        leading = x.dim() - spatial  # an example without batch dimension is allowed
        return (*x.shape[:leading], *(1,) * spatial)

    return shape


def _first_two(x: torch.Tensor) -> tuple[int, ...]:
    return (*x.shape[:2], *(1,) * (x.dim() - 2))


def _zero(x: torch.Tensor, mask: torch.Tensor, p: float) -> torch.Tensor:
    if p == 1.0:
        return torch.zeros_like(x)
    return torch.where(mask, x / (1.0 - p), 0.0)


def _saturate(x: torch.Tensor, mask: torch.Tensor, p: float) -> torch.Tensor:
    if p == 1.0:
        return torch.zeros_like(x)
    scale = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * _NEGATIVE_SATURATION**2))
    shifted: torch.Tensor = torch.where(mask, x, _NEGATIVE_SATURATION) - _NEGATIVE_SATURATION * p
    return scale * shifted


class _Kind(NamedTuple):
    noise_shape: Callable[[torch.Tensor], tuple[int, ...]]
    drop: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
    training: bool = True  # the function's own default


_KINDS: dict[Any, _Kind] = {
    F.dropout: _Kind(_each_unit, _zero),
    F.dropout1d: _Kind(_whole_channels(1), _zero),
    F.dropout2d: _Kind(_whole_channels(2), _zero),
    F.dropout3d: _Kind(_whole_channels(3), _zero),
    F.alpha_dropout: _Kind(_each_unit, _saturate, training=False),
    F.feature_alpha_dropout: _Kind(_first_two, _saturate, training=False),
    torch.dropout: _Kind(_each_unit, _zero),
}


class _Interpose(TorchFunctionMode):
    """Answer dropout calls with masks from `take(noise_shape, p, like)`."""

    def __init__(self, take: Callable[[tuple[int, ...], float, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.take = take

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        kind = _KINDS.get(func)
        if kind is None:
            return func(*args, **kwargs)
        x, p, training = _arguments(kind, *args, **kwargs)
        if not training or p == 0.0:
            return x
        return kind.drop(x, self.take(kind.noise_shape(x), p, x), p)


def _arguments(
    kind: _Kind, input: Any, p: float = 0.5, training: bool | None = None, inplace: bool = False, **rest: Any
) -> tuple[Any, float, bool]:
    """One reading of the slightly different signatures (`torch.dropout` says `train`)."""
    del inplace  # the result is a new tensor either way
    training = rest.get("train", kind.training) if training is None else training
    return input, p, training


def dropout_layers(module: nn.Module) -> tuple[str, ...]:
    """Names of the dropout layers of a module that are active in training."""
    return tuple(name for name, m in module.named_modules() if isinstance(m, _DropoutNd) and m.p > 0.0 and m.training)


def apply_masks(masks: Masks, names: tuple[str, ...]) -> _Interpose:
    """A context in which the n-th dropout call uses the n-th mask."""
    used = 0

    def take(shape: tuple[int, ...], p: float, x: torch.Tensor) -> torch.Tensor:
        nonlocal used
        if used >= len(masks):
            layers = f" ({', '.join(names)})" if names else ""
            raise UserError(
                f"dropout call {used + 1} of the model{layers} has no mask: {len(masks)} came. Give the batch as "
                "(x, y, masks) with masks = lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), generator)."
            )
        mask = masks[used]
        used += 1
        if tuple(mask.shape) != shape:
            raise UserError(
                f"dropout mask {used} has shape {list(mask.shape)}, the layer wants {list(shape)}; "
                "draw the masks for inputs of this shape."
            )
        return mask

    return _Interpose(take)


def mask_specs(apply_fn: ApplyFn, theta: Tensors, x: Any, buffers: Tensors | None = None) -> tuple[MaskSpec, ...]:
    """What dropout masks a model wants for inputs shaped like `x`, found by running it once.

    Args:
        apply_fn: from `lfl.functional`.
        theta: its parameters.
        x: an input of the shape that is meant; the values do not matter.
        buffers: its buffers; the module's own when omitted.

    Returns:
        One `MaskSpec(shape, p)` for each dropout call in the order of the calls; empty without dropout.

    Example:
        >>> from lfl.model.functional import functional
        >>> theta, _, apply_fn = functional(nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2)))
        >>> mask_specs(apply_fn, theta, torch.zeros(5, 3))
        (MaskSpec(shape=(5, 4), p=0.2),)
    """
    specs: list[MaskSpec] = []

    def take(shape: tuple[int, ...], p: float, x: torch.Tensor) -> torch.Tensor:
        specs.append(MaskSpec(shape, p))
        return torch.ones(shape, dtype=torch.bool, device=x.device)

    code = getattr(apply_fn, "training_code", None)
    if code is None:
        raise UserError(f"mask_specs needs an apply_fn made by lfl.functional, but {apply_fn!r} came.")
    buffers = dict(getattr(apply_fn, "buffers", {})) if buffers is None else buffers
    with torch.no_grad(), _Interpose(take):
        call(code, theta, {name: tensor.clone() for name, tensor in buffers.items()}, x)
    return tuple(specs)


def draw_masks(specs: tuple[MaskSpec, ...], generator: torch.Generator) -> Masks:
    """Draw one mask for each dropout call: True keeps a unit, with probability 1 - p.

    Args:
        specs: from `mask_specs`.
        generator: source of the draws; the masks live on its device.

    Returns:
        Boolean tensors of the shapes in `specs`: the third entry of a batch.
    """
    return tuple(torch.rand(spec.shape, generator=generator, device=generator.device) >= spec.p for spec in specs)
