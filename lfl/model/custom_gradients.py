"""Find where a model's own code changes gradients: `torch.autograd.Function`s and hooks on tensors."""

import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd import Function


class CustomGradients(NamedTuple):
    """What a model's code shows.

    Args:
        functions: names of the `torch.autograd.Function`s of its own.
        hooks: whether it calls `Tensor.register_hook`.
    """

    functions: tuple[str, ...] = ()
    hooks: bool = False


NONE = CustomGradients()


def custom_gradients(module: nn.Module) -> CustomGradients:
    """What the code of a module refers to that changes gradients, torch's own code left out.

    The code is searched, not run: the methods of the module and of its children, what they hold, and the functions that
    these refer to. What is found only by its name at run time is not found here.

    Example:
        >>> custom_gradients(nn.Linear(2, 2))
        CustomGradients(functions=(), hooks=False)
    """
    hooks = False
    found: set[str] = set()
    seen: set[int] = set()
    waiting: list[Any] = list(module.modules())
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        owner = getattr(thing, "__self__", None)  # of a bound method, such as Square.apply
        if isinstance(owner, type):
            thing = owner
        if isinstance(thing, type) and issubclass(thing, Function):
            if not _of_torch(thing):
                found.add(thing.__name__)
        elif isinstance(thing, nn.Module):
            waiting += [value for value in vars(thing).values() if callable(value)]
            waiting += [f for cls in type(thing).__mro__ if not _of_torch(cls) for f in vars(cls).values()]
        elif isinstance(thing, types.MethodType):
            waiting.append(thing.__func__)
        elif isinstance(thing, types.FunctionType) and not _of_torch(thing):
            hooks = hooks or "register_hook" in thing.__code__.co_names
            waiting += _referred_to(thing)
    return CustomGradients(tuple(sorted(found)), hooks)


def functions_that_ran(outputs: torch.Tensor) -> tuple[str, ...]:
    """Names of the `torch.autograd.Function`s that outputs were computed with, those of torch itself left out.

    Args:
        outputs: computed from parameters that require gradients, outside of `torch.func`.
    """
    found: set[str] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [outputs.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        function = getattr(node, "_forward_cls", None)
        if function is not None and not _of_torch(function):
            found.add(function.__name__)
        waiting += [before for before, _ in node.next_functions]
    return tuple(sorted(found))


def _referred_to(function: types.FunctionType) -> Iterator[Any]:
    """What a function's names stand for: globals, one attribute of each, and what it closes over."""
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        yield value
        if isinstance(value, types.ModuleType) and not _of_torch(value):
            yield from (getattr(value, other, None) for other in names)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a name that has no value yet
            continue
    if isinstance(wrapped := getattr(function, "__wrapped__", None), types.FunctionType):
        yield wrapped


def _of_torch(thing: Any) -> bool:
    name = getattr(thing, "__module__", None) or getattr(thing, "__name__", "")
    return str(name).partition(".")[0] in {"torch", "builtins"}
