"""When compiling pays, when seeds are faster as one program, and the compiling."""

import math
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..hypergradient import Hypergradient, Stages
from ..trees import map_tree
from ..types import Tensors

MANY_STEPS = 5_000
"""From so many steps on, a compilation of half a minute pays for any model."""

MUCH_WORK = {"cpu": 1e13, "cuda": 1e15}
"""So do fewer steps whose forward passes come to so many floating-point operations together."""

SMALL_MODEL = 100_000
"""Parameters up to which seeds train together on the CPU."""


def worth_compiling(num_steps: int, forward_flops: int, device: torch.device) -> bool:
    """Decides for `--compile auto`, by numbers that are the same each time, so that a run repeats bit for bit.

    Args:
        num_steps: steps of the run.
        forward_flops: of one forward pass over a batch.
        device: where they run.
    """
    much = num_steps >= MANY_STEPS or num_steps * forward_flops >= MUCH_WORK.get(device.type, math.inf)
    return much and compiler_is_there(device)


def vmap_pays(theta: Tensors, device: torch.device) -> bool:
    """Says whether many seeds are faster as one program than one after the other.

    Stacked models are faster where a step is bound by the number of operations rather than by their size: small
    ones on the CPU. Stacked convolutions become grouped ones, which the CPU computes slowly.
    """
    if device.type != "cpu":
        return True
    small = sum(p.numel() for p in theta.values()) <= SMALL_MODEL
    return small and all(p.dim() <= 2 for p in theta.values())


def forward_flops(forward: Callable[[], Any]) -> int:
    """Counts the floating-point operations of the matrix products and convolutions of a call."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())


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
    """Returns a pure function compiled whole, at its first call.

    On a GPU as a CUDA graph; its results are copied, since the next replay writes over them. On the CPU
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
    """Returns a pass of the compiler by which an expression that occurs twice is computed once.

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
    """Says which checks run before each call: those of arguments, not those of our own code, which does not change."""
    return [guard.guard_type not in CODE_GUARDS for guard in guards]


def compiled_pieces(form: Callable[..., Any], device: torch.device) -> Hypergradient:
    """A form of passes with each compiled for itself: compiling does not grow with the number of steps."""
    return partial(form, stages=Stages(*(_with_keywords(stage, device) for stage in Stages())))


def _with_keywords(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    compiled = compile_program(lambda args, kwargs: function(*args, **kwargs), device)
    return lambda *args, **kwargs: compiled(args, kwargs)


def compiler_is_there(device: torch.device) -> bool:
    """Says whether programs can be compiled for a device: the CPU needs a C++ compiler."""
    if device.type != "cpu":
        return device.type == "cuda"
    from torch._inductor.cpp_builder import get_cpp_compiler  # a slow import
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True
