"""Noise of a forward pass that is drawn outside the model and passed in as tensors, in the place of dropout masks.

A normal or uniform draw of a model, such as that of a variational bottleneck, then is the same in every pass of a step,
and also in vmapped and compiled ones, where no generator can be used.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch


class NoiseSpec(NamedTuple):
    """The noise of one call: its shape, `"normal"` (mean 0, deviation 1) or `"uniform"` (0 to 1), and its type."""

    shape: tuple[int, ...]
    law: str
    dtype: torch.dtype

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Draws the noise, on the generator's device."""
        draw = torch.randn if self.law == "normal" else torch.rand
        return draw(self.shape, dtype=self.dtype, generator=generator, device=generator.device)


Take = Callable[[NoiseSpec, torch.device], torch.Tensor]


def noise_of(func: Any, take: Take, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """Returns what a call draws, from `take`; None where the call is no normal or uniform draw, or has a generator."""
    law = _LAWS.get(func)
    if law is None or kwargs.get("generator") is not None:
        return None
    if func in (torch.randn_like, torch.rand_like):
        like = kwargs["input"] if "input" in kwargs else args[0]
        shape, dtype, device = tuple(like.shape), kwargs.get("dtype") or like.dtype, like.device
        return take(NoiseSpec(shape, law, dtype), kwargs.get("device") or device)
    if func in (torch.randn, torch.rand):
        size = kwargs.get("size", args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
        dtype = kwargs.get("dtype") or torch.get_default_dtype()
        return take(NoiseSpec(tuple(size), law, dtype), kwargs.get("device") or torch.device("cpu"))
    return _in_place(take, law, *args, **kwargs)


def _in_place(take: Take, law: str, x: torch.Tensor, *bounds: float, **named: Any) -> torch.Tensor:
    """`x.normal_(mean, std)` and `x.uniform_(from, to)`."""
    noise = take(NoiseSpec(tuple(x.shape), law, x.dtype), x.device)
    names, default = (("mean", "std"), (0.0, 1.0)) if law == "normal" else (("from", "to"), (0.0, 1.0))
    given = dict(zip(names, bounds, strict=False)) | {name: named[name] for name in names if name in named}
    low, high = (given.get(name, value) for name, value in zip(names, default, strict=True))
    scaled: torch.Tensor = low + (high if law == "normal" else high - low) * noise
    try:
        return x.copy_(scaled)
    except RuntimeError:  # vmap: noise of several copies does not fit into a tensor that they share
        x.fill_(float("nan"))  # whoever reads x in place of the result gets NaN
        return scaled


_LAWS: dict[Any, str] = {
    torch.randn: "normal",
    torch.randn_like: "normal",
    torch.Tensor.normal_: "normal",
    torch.rand: "uniform",
    torch.rand_like: "uniform",
    torch.Tensor.uniform_: "uniform",
}
