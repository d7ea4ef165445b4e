"""Dropout with masks that are drawn outside the model and passed in as tensors.

A generator inside a differentiated, vmapped or compiled function fails, and two passes over one batch must use the same
masks. So the dropout calls of a forward pass use given masks, in call order: dropout layers and functions, the dropout
within attention, and `bernoulli_`, by which stochastic depth draws; normal and uniform noise is taken in the same way.
"""

import math
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from ..errors import UserError
from .noise import NoiseSpec, noise_of

Masks = tuple[torch.Tensor, ...]

_NEGATIVE_SATURATION = -1.7580993408473766
"""The limit of SELU on the left; alpha dropout sets dropped units to it."""


class MaskSpec(NamedTuple):
    """The mask of one dropout call: its shape, and the probability of dropping."""

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
TakeNoise = Callable[[NoiseSpec, torch.device], torch.Tensor]


class Interpose(TorchFunctionMode):
    """Makes dropout calls use masks from `take(noise_shape, p, like)`, and other draws `noise(spec, device)`.

    `unused()` counts the last ones of `masks`, those left over; where none is, draws that are no dropout are left to
    torch. `skip(n)` passes over n of them.
    """

    def __init__(self, take: Take, noise: TakeNoise, unused: Any, skip: Any = None, masks: Masks = ()) -> None:
        super().__init__()
        self.take, self.noise, self.unused, self.skip, self.masks = take, noise, unused, skip, masks

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            with self:  # inside this method the mode is off
                return multi_head_attention_forward(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return _attention(self.take, *args, **kwargs)
        if func is torch.Tensor.bernoulli_ and not _is_noise(*args, **kwargs):
            return _bernoulli(self.take, *args, **kwargs)
        kind = _KINDS.get(func)
        if kind is None:
            drawn = noise_of(func, self.noise, args, kwargs) if self.unused() else None
            return func(*args, **kwargs) if drawn is None else drawn
        x, p, training = _arguments(kind, *args, **kwargs)
        if not training or p == 0.0:
            return x
        return kind.drop(x, self.take(kind.noise_shape(x), p, x), p)


def _arguments(
    kind: _Kind, input: Any, p: float = 0.5, training: bool | None = None, inplace: bool = False, **rest: Any
) -> tuple[Any, float, bool]:
    """Reads the slightly different signatures in one way (`torch.dropout` has `train` for `training`)."""
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
    """Scaled dot-product attention with dropout of its weights."""
    if dropout_p == 0.0:
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **rest)

    def drop(weights: torch.Tensor) -> torch.Tensor:
        return _zero(weights, take(_each_unit(weights), dropout_p, weights), dropout_p)

    return attend(drop, query, key, value, attn_mask, is_causal, **rest)


def _is_noise(x: torch.Tensor, p: Any = 0.5, generator: Any = None) -> bool:
    """Whether `x.bernoulli_` has a tensor of probabilities, so that it is no dropout mask, or a generator."""
    return isinstance(p, torch.Tensor) or generator is not None


def _bernoulli(take: Take, x: torch.Tensor, p: float = 0.5, generator: None = None) -> torch.Tensor:
    """`x.bernoulli_(p)`, by which stochastic depth draws."""
    if p in (0.0, 1.0):
        return x.fill_(p)
    mask = take(_each_unit(x), 1.0 - p, x)
    try:
        return x.copy_(mask)
    except RuntimeError:  # vmap: masks of several copies do not fit into a tensor that they share
        x.fill_(float("nan"))  # whoever reads x in place of the result gets NaN
        return mask.to(x.dtype)


def record_masks(specs: list[MaskSpec | NoiseSpec]) -> Interpose:
    """Opens a context in which each dropout call appends its `MaskSpec` to `specs` and drops nothing; noise is 0."""

    def take(shape: tuple[int, ...], p: float, x: torch.Tensor) -> torch.Tensor:
        specs.append(MaskSpec(shape, p))
        return torch.ones(shape, dtype=torch.bool, device=x.device)

    def noise(spec: NoiseSpec, device: torch.device) -> torch.Tensor:
        specs.append(spec)
        return torch.zeros(spec.shape, dtype=spec.dtype, device=device)

    return Interpose(take, noise, lambda: 1)


def dropout_layers(module: nn.Module) -> tuple[str, ...]:
    """Lists the names of a module's layers that need masks in training."""
    return tuple(name for name, m in module.named_modules() if m.training and _drop_probability(m) > 0.0)


def _drop_probability(module: nn.Module) -> float:
    """Returns the drop probability of a dropout layer, 0 for others; timm's and torchvision's are known by name."""
    if isinstance(module, _DropoutNd):
        return float(module.p)
    if isinstance(module, nn.MultiheadAttention):
        return float(module.dropout)
    attribute = {"DropPath": "drop_prob", "StochasticDepth": "p"}.get(type(module).__name__, "")
    return float(getattr(module, attribute, None) or 0.0)


def apply_masks(masks: Masks, names: tuple[str, ...]) -> Interpose:
    """Opens a context in which the n-th dropout call uses the n-th mask."""
    used = 0

    def skip(count: int) -> None:
        nonlocal used
        used += count

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
                f"dropout mask {used} has shape {list(mask.shape)}, the layer needs {list(shape)}; "
                "draw the masks for inputs of this shape, or give the batch as (x, y, seed)."
            )
        return mask

    def noise(spec: NoiseSpec, device: torch.device) -> torch.Tensor:
        nonlocal used
        drawn = masks[used]
        used += 1
        if tuple(drawn.shape) != spec.shape or drawn.dtype == torch.bool:
            raise UserError(
                f"mask {used} is {drawn.dtype} {list(drawn.shape)}, and the model draws {spec.law} noise of the shape "
                f"{list(spec.shape)} there; draw the masks for this model and inputs of this shape, lfl.draw_masks("
                "lfl.mask_specs(apply_fn, theta, x), generator)."
            )
        return drawn.to(device, spec.dtype)

    return Interpose(take, noise, lambda: len(masks) - used, skip, masks)


def draw_masks(specs: tuple[MaskSpec | NoiseSpec, ...], generator: torch.Generator) -> Masks:
    """Draws one mask for each dropout call, True keeps a unit, with probability 1 - p; and the noise of other draws.

    Args:
        specs: from `mask_specs`.
        generator: source of the draws; the masks are on its device.

    Returns:
        Tensors of the shapes in `specs`, boolean ones for dropout: the third entry of a batch.
    """

    def draw(spec: MaskSpec | NoiseSpec) -> torch.Tensor:
        if isinstance(spec, NoiseSpec):
            return spec.draw(generator)
        return torch.rand(spec.shape, generator=generator, device=generator.device) >= spec.p

    return tuple(map(draw, specs))


Drop = Callable[[torch.Tensor], torch.Tensor]


def attend(
    drop: Drop,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Computes `torch.nn.functional.scaled_dot_product_attention`, with `drop` applied to its weights.

        out = drop(softmax(q k^T scale + mask)) v

    Args:
        drop: function of the weights `[..., heads, queries, keys]`.
        query, key, value, attn_mask, is_causal, scale, enable_gqa: as in torch.

    Returns:
        `[..., heads, queries, values]`.
    """
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    # The math form returns its weights too; one column of values keeps its outputs cheap.
    weights = torch.ops.aten._scaled_dot_product_attention_math(
        query, key, value[..., :1], attn_mask, 0.0, is_causal, None, scale=scale, enable_gqa=enable_gqa
    )[1]
    if enable_gqa:
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    return drop(weights) @ value


def _seen_through(function: Callable[..., Any]) -> Callable[..., Any]:
    """Copies a function of `torch.nn.functional` so that a function mode sees the calls inside it, not the whole."""
    names = {**function.__globals__, "has_torch_function": lambda _: False}
    code: Any = function.__code__
    copy = types.FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


multi_head_attention_forward = _seen_through(F.multi_head_attention_forward)
"""`torch.nn.functional.multi_head_attention_forward`, with its dropout visible to a function mode."""
