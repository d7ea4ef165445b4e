"""Dropout whose masks are drawn outside the model and go in as tensors.

A generator inside a differentiated, vmapped or compiled function fails, and two passes over one batch must
see the same masks. So calls of dropout inside a forward pass are answered with given masks, in call order: layers and
functions of dropout, the dropout within attention, and `bernoulli_`, by which stochastic depth draws.
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
from ..randomness import seeded
from ..types import ApplyFn, Tensors
from .attention import attend, multi_head_attention_forward
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


Take = Callable[[tuple[int, ...], float, torch.Tensor], torch.Tensor]


class _Interpose(TorchFunctionMode):
    """Answer dropout calls with masks from `take(noise_shape, p, like)`; `unused()` says how many are left."""

    def __init__(self, take: Take, unused: Callable[[], int] = lambda: 0) -> None:
        super().__init__()
        self.take, self.unused = take, unused

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            with self:  # inside this method the mode is off
                return multi_head_attention_forward(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return _attention(self.take, *args, **kwargs)
        if func is torch.Tensor.bernoulli_:
            return _bernoulli(self.take, *args, **kwargs)
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


def _attention(
    take: Take,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **rest: Any,
) -> Any:
    """Fused attention, whose weights are dropped out."""
    if dropout_p == 0.0:
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **rest)

    def drop(weights: torch.Tensor) -> torch.Tensor:
        return _zero(weights, take(_each_unit(weights), dropout_p, weights), dropout_p)

    return attend(drop, query, key, value, attn_mask, is_causal, **rest)


def _bernoulli(take: Take, x: torch.Tensor, p: Any = 0.5, **rest: Any) -> torch.Tensor:
    """`x.bernoulli_(p)`: how stochastic depth draws; probabilities in a tensor are not a mask's."""
    if isinstance(p, torch.Tensor) or rest.get("generator") is not None:
        return x.bernoulli_(p, **rest)
    if p in (0.0, 1.0):
        return x.fill_(p)
    mask = take(_each_unit(x), 1.0 - p, x)
    try:
        return x.copy_(mask)
    except RuntimeError:  # vmap: a mask for each copy does not fit into a tensor that all share
        x.fill_(float("nan"))  # who reads it in place of the result must not find numbers
        return mask.to(x.dtype)


def dropout_layers(module: nn.Module) -> tuple[str, ...]:
    """Names of the layers of a module that want masks in training."""
    return tuple(name for name, m in module.named_modules() if m.training and _drop_probability(m) > 0.0)


def _drop_probability(module: nn.Module) -> float:
    """Of a layer that drops by itself; 0 of others. Those of timm and torchvision are known by name."""
    if isinstance(module, _DropoutNd):
        return float(module.p)
    if isinstance(module, nn.MultiheadAttention):
        return float(module.dropout)
    attribute = {"DropPath": "drop_prob", "StochasticDepth": "p"}.get(type(module).__name__, "")
    return float(getattr(module, attribute, None) or 0.0)


def apply_masks(masks: Masks, names: tuple[str, ...]) -> _Interpose:
    """A context in which the n-th dropout call uses the n-th mask."""
    used = 0

    def take(shape: tuple[int, ...], p: float, x: torch.Tensor) -> torch.Tensor:
        nonlocal used
        if used >= len(masks):
            more = f", and {len(names) - 3} more" if len(names) > 3 else ""
            layers = f" (layers with dropout: {', '.join(names[:3])}{more})" if names else ""
            raise UserError(
                "give the batch as (x, y, masks) with masks = lfl.draw_masks(lfl.mask_specs(apply_fn, theta, x), "
                f"generator), or as (x, y, seed): dropout call {used + 1} of the model has no mask, got "
                f"{len(masks)}{layers}."
            )
        mask = masks[used]
        used += 1
        if tuple(mask.shape) != shape:
            raise UserError(
                f"dropout mask {used} has shape {list(mask.shape)}, the layer wants {list(shape)}; "
                "draw the masks for inputs of this shape, or give the batch as (x, y, seed)."
            )
        return mask

    return _Interpose(take, lambda: len(masks) - used)


def mask_specs(apply_fn: ApplyFn, theta: Tensors, x: Any, buffers: Tensors | None = None) -> tuple[MaskSpec, ...]:
    """What dropout masks a model wants for inputs shaped like `x`, found by running it once.

    Torch's random state is left as it was.

    Args:
        apply_fn: from `lfl.functional`.
        theta: its parameters.
        x: an input of the shape that is meant; the values do not matter.
        buffers: its buffers; the module's own when omitted.

    Returns:
        One `MaskSpec(shape, p)` for each dropout call in the order of the calls; empty without dropout. Dropout calls
        are those of dropout layers and functions, of attention (`nn.MultiheadAttention`, `nn.TransformerEncoderLayer`,
        `F.scaled_dot_product_attention`), and of stochastic depth (`timm.layers.DropPath`,
        `torchvision.ops.StochasticDepth`). Dropout between the layers of an LSTM, and other noise, has no masks: give
        the batch as `(x, y, seed)`.

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
    with torch.no_grad(), seeded(0, theta.values()), _Interpose(take):
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
