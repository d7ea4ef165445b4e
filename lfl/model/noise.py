"""Noise of a forward pass that is drawn outside the model and passed in as tensors, in the place of dropout masks.

A draw of a model, such as that of a variational bottleneck or of `F.gumbel_softmax`, then is the same in every pass of
a step, and also in vmapped and compiled ones, where no generator can be used. Exponential and Bernoulli draws, and
Gumbel's, are made of uniform noise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F


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
    """Returns what a call draws, from `take`; None where it is no draw that noise can stand for, or has a generator."""
    law = _LAWS.get(func)
    if law is None or kwargs.get("generator") is not None or kwargs.get("out") is not None:
        return None
    if func is F.gumbel_softmax:
        return _gumbel_softmax(take, *args, **kwargs)
    if func in (torch.bernoulli, torch.Tensor.bernoulli):
        return _bernoulli(take, *args, **kwargs)
    if func in (torch.randn_like, torch.rand_like):
        like = kwargs["input"] if "input" in kwargs else args[0]
        shape, dtype, device = tuple(like.shape), kwargs.get("dtype") or like.dtype, like.device
        return take(NoiseSpec(shape, law, dtype), kwargs.get("device") or device)
    if func in (torch.randn, torch.rand):
        size = kwargs.get("size", args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
        dtype = kwargs.get("dtype") or torch.get_default_dtype()
        return take(NoiseSpec(tuple(size), law, dtype), kwargs.get("device") or torch.device("cpu"))
    if func is torch.Tensor.bernoulli_:
        return _written(args[0], _bernoulli(take, *args, **kwargs))
    if func is torch.Tensor.exponential_:
        return _written(args[0], _exponential(take, args[0]) / kwargs.get("lambd", (*args, 1.0)[1]))
    return _written(args[0], _scaled(take, law, *args, **kwargs))


def _scaled(take: Take, law: str, x: torch.Tensor, *bounds: float, **named: Any) -> torch.Tensor:
    """What `x.normal_(mean, std)` or `x.uniform_(from, to)` draws."""
    noise = take(NoiseSpec(tuple(x.shape), law, x.dtype), x.device)
    names, default = (("mean", "std"), (0.0, 1.0)) if law == "normal" else (("from", "to"), (0.0, 1.0))
    given = dict(zip(names, bounds, strict=False)) | {name: named[name] for name in names if name in named}
    low, high = (given.get(name, value) for name, value in zip(names, default, strict=True))
    scaled: torch.Tensor = low + (high if law == "normal" else high - low) * noise
    return scaled


def _bernoulli(take: Take, input: torch.Tensor, p: Any = None) -> torch.Tensor:
    """Ones with the probabilities p, or those in the input, else zeros."""
    uniform = take(NoiseSpec(tuple(input.shape), "uniform", input.dtype), input.device)
    return (uniform < (input if p is None else p)).to(input.dtype)


def _exponential(take: Take, like: torch.Tensor) -> torch.Tensor:
    """Exponential noise of rate 1, above 0 as torch's."""
    uniform = take(NoiseSpec(tuple(like.shape), "uniform", like.dtype), like.device)
    return (-torch.log1p(-uniform)).clamp(min=torch.finfo(like.dtype).eps / 2)


def _gumbel_softmax(
    take: Take, logits: torch.Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> torch.Tensor:
    """Computes `torch.nn.functional.gumbel_softmax`."""
    del eps  # of no effect in torch either
    soft = ((logits - _exponential(take, logits).log()) / tau).softmax(dim)
    if not hard:
        return soft
    one_hot = torch.zeros_like(soft).scatter(dim, soft.argmax(dim, keepdim=True), 1.0)
    return one_hot - soft.detach() + soft


def _written(x: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Writes a draw to x, if it fits."""
    try:
        return x.copy_(drawn)
    except RuntimeError:  # vmap: noise of several copies does not fit into a tensor that they share
        x.fill_(float("nan"))  # whoever reads x in place of the result gets NaN
        return drawn


_LAWS: dict[Any, str] = {
    torch.randn: "normal",
    torch.randn_like: "normal",
    torch.Tensor.normal_: "normal",
    torch.rand: "uniform",
    torch.rand_like: "uniform",
    torch.Tensor.uniform_: "uniform",
    torch.Tensor.exponential_: "uniform",
    torch.bernoulli: "uniform",
    torch.Tensor.bernoulli: "uniform",
    torch.Tensor.bernoulli_: "uniform",
    F.gumbel_softmax: "uniform",
}
