"""Finds where a model's own code changes gradients: by a `torch.autograd.Function`, or by hooks on tensors."""

import types
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd import Function


class CustomGradients(NamedTuple):
    """Where a model's own code changes gradients.

    Args:
        functions: names of its own `torch.autograd.Function` classes.
        hooks: whether it calls `Tensor.register_hook`.
    """

    functions: tuple[str, ...] = ()
    hooks: bool = False


NONE = CustomGradients()


def custom_gradients(module: nn.Module) -> CustomGradients:
    """Searches a module's code for what changes gradients; torch's own code is left out.

    The code is not run. Searched are the methods of the module and its children, the attributes they hold, and the
    functions that these refer to. Anything looked up by name at run time is not found.

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
    """Lists the `torch.autograd.Function` classes that outputs were computed with; torch's own are left out.

    Args:
        outputs: tensor computed from parameters that require gradients, outside `torch.func`.
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
    """Yields the objects that a function refers to: globals, one attribute of each module, and its closure."""
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        yield value
        if isinstance(value, types.ModuleType) and not _of_torch(value):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy's, of names that it is to have again, such as np.str
                found = [getattr(value, other, None) for other in names]
            yield from found
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # no value is bound yet
            continue
    if isinstance(wrapped := getattr(function, "__wrapped__", None), types.FunctionType):
        yield wrapped


def _of_torch(thing: Any) -> bool:
    name = getattr(thing, "__module__", None) or getattr(thing, "__name__", "")
    return str(name).partition(".")[0] in {"torch", "builtins"}
