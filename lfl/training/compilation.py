"""Pure functions compiled whole."""

import types
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..hypergradient import Hypergradient, Stages
from ..trees import map_tree

CODE_GUARDS = {
    "BUILTIN_MATCH",
    "CLASS_MATCH",
    "CLOSURE_MATCH",
    "EMPTY_NN_MODULE_HOOKS_DICT",
    "FUNCTION_MATCH",
    "MODULE_MATCH",
    "NOT_PRESENT_IN_GENERIC_DICT",
}
"""The compiler's checks of functions, classes and modules: half a millisecond a step."""


def compile_program(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """A pure function compiled whole, at its first call.

    On a GPU as a CUDA graph; what a replay returns is copied, since the next one writes over it. On the CPU
    without channels-last layouts, which the compiler would choose and which cost more than they gain where
    convolutions are differentiated twice.
    """

    def program(*args: Any) -> Any:
        return function(*args)

    # The compiler counts recompilations by code object, and gives up after a few: each program gets one of its own.
    code = program.__code__.replace()
    alone = types.FunctionType(code, program.__globals__, closure=program.__closure__)
    graphs = device.type == "cuda"
    options: dict[str, Any] = {"triton.cudagraphs": True} if graphs else {"layout_optimization": False}
    options["guard_filter_fn"] = _guards_on_arguments
    options["post_grad_custom_pre_pass"] = _once_pass()
    compiled = torch.compile(alone, fullgraph=True, dynamic=False, options=options)
    return (lambda *args: map_tree(torch.clone, compiled(*args))) if graphs else compiled


def _once_pass() -> Any:
    """A pass of the compiler: what occurs twice in a program is computed once.

    The compiler does so for a forward pass with its backward pass, but not for a program that holds its own
    derivatives. The forward pass that a `jvp` runs is the base pass's.
    """
    from torch._functorch.compile_utils import fx_graph_cse  # the compiler is a slow import
    from torch._inductor.custom_graph_pass import CustomGraphPass

    class Once(CustomGraphPass):
        def __call__(self, graph: torch.fx.Graph) -> None:
            module: Any = graph.owning_module
            module.graph = fx_graph_cse(graph)

        def uuid(self) -> str:
            return "lfl: once"

    return Once()


def _guards_on_arguments(guards: Any) -> list[bool]:
    """Which checks run before each call: those of what comes in, not those of our own code, which stays as it is."""
    return [guard.guard_type not in CODE_GUARDS for guard in guards]


def compiled_pieces(form: Callable[..., Any], device: torch.device) -> Hypergradient:
    """A form of passes with each compiled for itself: compiling does not grow with the number of steps."""
    return partial(form, stages=Stages(*(_with_keywords(stage, device) for stage in Stages())))


def _with_keywords(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    compiled = compile_program(lambda args, kwargs: function(*args, **kwargs), device)
    return lambda *args, **kwargs: compiled(args, kwargs)


def compiler_is_there(device: torch.device) -> bool:
    """Whether programs can be compiled for a device: on the CPU that takes a C++ compiler."""
    if device.type != "cpu":
        return device.type == "cuda"
    from torch._inductor.cpp_builder import get_cpp_compiler  # a slow import
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True
