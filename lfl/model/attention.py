"""Attention as PyTorch computes it, with its weights where a mask can reach them."""

import types
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

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
    """`torch.nn.functional.scaled_dot_product_attention`, the weights going through `drop`.

        out = drop(softmax(q k^T scale + mask)) v

    Args:
        drop: a function of the weights `[..., heads, queries, keys]`.
        query, key, value, attn_mask, is_causal, scale, enable_gqa: as in torch.

    Returns:
        `[..., heads, queries, values]`.
    """
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    # The math form returns its weights beside its outputs; one column of values makes these cheap.
    weights = torch.ops.aten._scaled_dot_product_attention_math(
        query, key, value[..., :1], attn_mask, 0.0, is_causal, None, scale=scale, enable_gqa=enable_gqa
    )[1]
    if enable_gqa:
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    return drop(weights) @ value


def _seen_through(function: Callable[..., Any]) -> Callable[..., Any]:
    """A composite of `torch.nn.functional` that is never handed whole to a function mode, but runs call by call."""
    names = {**function.__globals__, "has_torch_function": lambda _: False}
    code: Any = function.__code__
    copy = types.FunctionType(code, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


multi_head_attention_forward = _seen_through(F.multi_head_attention_forward)
"""`torch.nn.functional.multi_head_attention_forward`, whose dropout a mode sees."""
