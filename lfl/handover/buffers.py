"""Tensors by name as buffers of a module, under their own names."""

import torch
from torch import nn

from ..types import Tensors


def as_buffers(tensors: Tensors) -> nn.Module:
    """A module without code that holds copies of tensors: `"0.weight"` is the buffer `weight` of its child `0`."""
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
    """What `as_buffers` was given, as it is now."""
    return dict(module.named_buffers())
