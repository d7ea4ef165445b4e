"""A function whose reverse-mode derivatives keep its inputs alone, and compute it again: activation checkpointing.

`torch.utils.checkpoint` raises within `torch.func`'s transforms; this goes under all of them, any number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch._C._functorch import TransformType, get_interpreter_stack, unwrap_if_dead
from torch.autograd import Function, forward_ad

from ..errors import UserError

Values = tuple[torch.Tensor, ...]


OTHERS = (
    "{} that is to be recomputed uses a tensor that is neither its parameter, its buffer nor its input, so that no "
    "gradient would reach it; pass it to the block's forward, or leave the block out of recompute."
)


class Pure(Protocol):
    """A function of tensors to be recomputed; the last `constants` of its results have no derivative."""

    @property
    def constants(self) -> int: ...

    def __call__(self, *tensors: torch.Tensor) -> Values: ...


def is_kept(tensors: Any) -> bool:
    """Whether reverse mode would keep what a function of these tensors computes on its way."""
    levels = get_interpreter_stack() or []
    reverse = any(level.key() == TransformType.Grad for level in levels) or any(t.requires_grad for t in tensors)
    return torch.is_grad_enabled() and reverse


def recomputed(function: Pure, *tensors: torch.Tensor) -> Values:
    """Computes `function(*tensors)`; reverse mode keeps the tensors, and not what is computed on the way.

    A backward pass computes the function again and goes back through it. It is itself a function that is recomputed, so
    that derivatives of every order keep no more; so is the derivative along a direction.

    Args:
        function: draws no random numbers; the tensors that it is differentiated by are all arguments.
        tensors: its arguments.

    Raises:
        UserError: the result depends on another tensor that is differentiated, or an argument is written to.
    """
    tensors = tuple(map(unwrap_if_dead, tensors))  # a transform's result may be pulled back after its end
    if not is_kept(tensors):
        return function(*tensors)
    results: Values = _Recomputed.apply(function, *tensors)
    return results


class _Recomputed(Function):
    @staticmethod
    def forward(function: Pure, *tensors: torch.Tensor) -> Values:
        apart = [t.detach() for t in tensors]
        versions = [t._version for t in apart]
        with torch.enable_grad():  # code under no_grad is told by it
            results = function(*apart)
        if [t._version for t in apart] != versions:
            raise UserError(
                "a recomputed block writes to its input in place, so that it cannot be computed again from it; compute "
                "a new tensor there (inplace=False), or leave the block out of recompute."
            )
        if any(t.requires_grad for t in results):
            raise UserError(OTHERS.format("a block"))
        return results

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Values) -> None:
        function, *tensors = inputs
        ctx.function = function
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        split = len(output) - function.constants
        ctx.constant = [i >= split or not _is_real(t) for i, t in enumerate(output)]
        ctx.mark_non_differentiable(*(t for t, constant in zip(output, ctx.constant, strict=True) if constant))

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        tensors = ctx.saved_tensors
        asked = tuple(i for i, t in enumerate(tensors) if ctx.needs_input_grad[i + 1] and _is_real(t))
        given = [t for t, constant in zip(cotangents, ctx.constant, strict=True) if not constant]
        pull = Pull(ctx.function, tuple(ctx.constant), asked, len(tensors))
        found = dict(zip(asked, recomputed(pull, *tensors, *given), strict=True))
        return (None, *(found.get(i) for i in range(len(tensors))))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        tensors = ctx.saved_tensors
        moved = tuple(i for i, t in enumerate(tangents) if t is not None and _is_real(tensors[i]))
        push = Push(ctx.function, tuple(ctx.constant), moved, len(tensors))
        with torch.enable_grad():
            found = iter(recomputed(push, *tensors, *(t for i in moved if (t := tangents[i]) is not None)))
        return tuple(None if constant else next(found) for constant in ctx.constant)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], function: Pure, *tensors: torch.Tensor) -> tuple[Values, int]:
        return recomputed(Stacked(function, in_dims[1:], info.randomness), *tensors), 0


class Pull(NamedTuple):
    """The vector-Jacobian product of a function, by the arguments `asked` for, as a function of its tensors."""

    function: Pure
    constant: tuple[bool, ...]
    asked: tuple[int, ...]
    size: int
    constants: int = 0

    def __call__(self, *tensors: torch.Tensor) -> Values:
        tensors, cotangents = tensors[: self.size], tensors[self.size :]
        part: Callable[..., Values] = _part(self.function, self.constant, self.asked, tensors)
        # The graph is let go on the way back, unless another derivative needs it.
        again = is_kept(tensors) or forward_ad._current_level >= 0
        pull: Any = torch.func.vjp(part, *(tensors[i] for i in self.asked))[1]
        grads: Values = pull(cotangents, retain_graph=again, create_graph=again)
        return grads


class Push(NamedTuple):
    """The derivative of a function along a direction of the arguments `moved`, as a function of its tensors."""

    function: Pure
    constant: tuple[bool, ...]
    moved: tuple[int, ...]
    size: int
    constants: int = 0

    def __call__(self, *tensors: torch.Tensor) -> Values:
        tensors, tangents = tensors[: self.size], tensors[self.size :]
        part = _part(self.function, self.constant, self.moved, tensors)
        primals = tuple(_without_overlap(tensors[i]) for i in self.moved)
        along: Values = torch.func.jvp(part, primals, tangents)[1]
        return along


class Stacked(NamedTuple):
    """A function applied to each slice of its stacked tensors."""

    function: Pure
    in_dims: tuple[int | None, ...]
    randomness: str

    @property
    def constants(self) -> int:
        return self.function.constants

    def __call__(self, *tensors: torch.Tensor) -> Values:
        results: Values = torch.vmap(self.function, self.in_dims, randomness=self.randomness)(*tensors)
        return results


def _part(function: Pure, constant: tuple[bool, ...], moved: tuple[int, ...], tensors: Values) -> Callable[..., Values]:
    """The differentiable results of a function of some of its arguments; the others stay as they are."""

    def part(*values: torch.Tensor) -> Values:
        arguments = list(tensors)
        for i, value in zip(moved, values, strict=True):
            arguments[i] = value
        results = function(*arguments)
        return tuple(t for t, is_constant in zip(results, constant, strict=True) if not is_constant)

    return part


def _without_overlap(tensor: torch.Tensor) -> torch.Tensor:
    """Forward mode refuses tensors made by `expand`."""
    return tensor.clone(memory_format=torch.contiguous_format) if 0 in tensor.stride() else tensor


def _is_real(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
