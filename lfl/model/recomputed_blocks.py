"""Blocks of a module whose activations are computed again in the backward pass, instead of being kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch._C._functorch import TransformType, get_interpreter_stack, is_batchedtensor, maybe_get_level
from torch.func import functional_call
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from ..errors import UserError
from .dropout import Interpose, apply_masks
from .recomputation import OTHERS, Values, is_kept, recomputed

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

COMPILED = (
    "recompute saves nothing in a compiled step, since the compiler computes nothing twice; run the step eagerly "
    "(compile=False, --compile off), or leave recompute out."
)


def block_names(module: nn.Module, recompute: str | Sequence[str] | None) -> tuple[str, ...]:
    """Finds the blocks of a module that are to be recomputed.

    Args:
        module: any module.
        recompute: names of blocks, a sequence or one string with commas; the name of a list of blocks
            (`nn.Sequential`, `nn.ModuleList`, `nn.ModuleDict`) stands for each of them. `"auto"`: the modules in such
            lists that hold several layers and whose class occurs most often, such as the layers of a transformer and
            the residual blocks of a ResNet. None for no blocks.

    Returns:
        Their names.

    Raises:
        UserError: no such block; a block within another; `"auto"` finds none.

    Example:
        >>> layer = nn.TransformerEncoderLayer(8, 2)
        >>> block_names(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), "auto")
        ('layers.0', 'layers.1')
    """
    if recompute is None:
        return ()
    if recompute == "auto":
        return _repeated(module)
    asked = [name.strip() for name in recompute.split(",")] if isinstance(recompute, str) else list(recompute)
    modules = dict(module.named_modules())
    for name in asked:
        if not isinstance(name, str) or not name or name not in modules:
            some = [each for each, _ in module.named_children()]
            raise UserError(
                f"recompute names the block {name!r}, which the model ({type(module).__name__}) does not have; its "
                f"parts are {', '.join(some) or 'none'}. Give names of its parts, or 'auto'."
            )
    found: list[str] = []
    for name in asked:
        block = modules[name]
        children = [f"{name}.{child}" for child, _ in block.named_children()]
        found += children if isinstance(block, CONTAINERS) else [name]
    inside = [name for name in found if any(name.startswith(f"{other}.") for other in found)]
    if inside:
        raise UserError(f"recompute names {inside[0]!r}, which is inside of another block that it names; name one.")
    return tuple(name for name in modules if name in found)


def _repeated(module: nn.Module) -> tuple[str, ...]:
    """The modules of several layers in lists whose class occurs there most often, or more than half as often."""
    listed = {
        f"{where}.{name}".lstrip("."): part
        for where, parts in module.named_modules()
        if isinstance(parts, CONTAINERS)
        for name, part in parts.named_children()
        if not isinstance(part, CONTAINERS) and next(part.children(), None) is not None
    }
    count = Counter(map(type, listed.values()))
    often = {kind for kind, times in count.items() if times > 1 and 2 * times > max(count.values())}
    named = [name for name, part in listed.items() if type(part) in often]
    found = tuple(name for name in named if not any(name.startswith(f"{other}.") for other in named))
    if not found:
        raise UserError(
            f"recompute='auto' finds no repeated blocks in the model ({type(module).__name__}); give the names of the "
            "parts to recompute, such as those of module.named_children()."
        )
    return found


def recompute_blocks(module: nn.Module, names: Sequence[str]) -> None:
    """Makes blocks of a module recompute their activations, by a `forward` of their own each; names stay as they are.

    Args:
        module: changed in place.
        names: from `block_names`.
    """
    for name in names:
        block = module.get_submodule(name)
        block.forward = RecomputedForward(name, block, block.forward)


class Body(nn.Module):
    """A block, called past its hooks, which run outside."""

    def __init__(self, block: nn.Module, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.block = block
        self.own_forward = forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.own_forward(*args, **kwargs)


class RecomputedForward:
    """The forward pass of a block, of which reverse mode keeps the inputs alone.

    Args:
        name: of the block, for errors.
        block: its parameters and buffers may be exchanged between calls.
        forward: its own forward pass.
    """

    def __init__(self, name: str, block: nn.Module, forward: Callable[..., Any]) -> None:
        self.name, self.body, self.own_forward = name, Body(block, forward), forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            torch._dynamo.graph_break(msg=COMPILED)  # with fullgraph=True compilation fails with this message
            raise UserError(COMPILED)
        leaves, structure = tree_flatten((args, kwargs))
        here = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        parameters = dict(self.body.named_parameters(remove_duplicate=False))
        inputs = [leaves[i] for i in here]
        if not is_kept([*parameters.values(), *inputs]):
            return self.own_forward(*args, **kwargs)
        buffers = dict(self.body.named_buffers(remove_duplicate=False))
        modes = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        dropout = next((mode for mode in reversed(modes) if isinstance(mode, Interpose)), None)
        masks = dropout.masks[len(dropout.masks) - dropout.unused() :] if dropout is not None else ()

        def arguments(given: Sequence[torch.Tensor]) -> Any:
            filled = list(leaves)
            for i, tensor in zip(here, given, strict=True):
                filled[i] = tensor
            return tree_unflatten(filled, structure)

        run = Run(self, (*parameters, *buffers), len(parameters), len(here), arguments, modes, dropout)
        before = [tensor.clone() for tensor in buffers.values()]  # what it writes to them must not reach a second pass
        results = recomputed(run, *parameters.values(), *before, *inputs, *masks)
        if dropout is not None:
            dropout.skip(run.used)
        for held, after in zip(buffers.values(), results[len(results) - run.constants :], strict=True):
            held.copy_(after)
        found = iter(results)
        outputs = [next(found) if leaf is None else leaf[0] for leaf in run.outputs]
        return tree_unflatten(outputs, run.structure)


class Run:
    """One call of a block as a pure function of all its tensors: parameters, buffers, inputs and dropout masks.

    It returns the tensors among the outputs, and then the buffers after the pass, which are constants. The first run
    finds out the form of the outputs (None for a tensor), and how many masks are `used`.
    """

    def __init__(
        self,
        block: RecomputedForward,
        names: tuple[str, ...],
        num_parameters: int,
        num_inputs: int,
        arguments: Callable[[Sequence[torch.Tensor]], Any],
        modes: Sequence[TorchFunctionMode],
        dropout: Interpose | None,
    ) -> None:
        self.block, self.names, self.num_parameters, self.num_inputs = block, names, num_parameters, num_inputs
        self.arguments = arguments
        self.modes = [None if mode is dropout else mode for mode in modes]
        self.passed = None if dropout is None else len(dropout.masks) - dropout.unused()
        self.autocast = {
            device: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)) for device in ("cpu", "cuda")
        }
        self.started = False
        self.used, self.constants = 0, len(names) - num_parameters
        self.outputs: list[tuple[Any] | None] = []
        self.structure: Any = None

    def __call__(self, *tensors: torch.Tensor) -> Values:
        count = len(self.names)
        held = dict(zip(self.names, tensors, strict=False))
        buffers = {name: held[name].clone() for name in self.names[self.num_parameters :]}
        args, kwargs = self.arguments(tensors[count : count + self.num_inputs])
        masks = tensors[count + self.num_inputs :]
        stored = None if self.started else _stored(self.block.body)
        with ExitStack() as contexts:
            if stored is not None:
                contexts.enter_context(RefuseOthers(self.block.name))
            for device, (enabled, dtype) in self.autocast.items():
                if enabled or torch.is_autocast_enabled(device):
                    # its cache of cast weights ignores the levels of the transforms
                    contexts.enter_context(torch.autocast(device, dtype, enabled, cache_enabled=False))
            given = None
            for mode in self.modes:
                if mode is None:
                    given = apply_masks((*[torch.empty(0)] * (self.passed or 0), *masks), ())
                    given.skip(self.passed)
                contexts.enter_context(given if mode is None else Again(mode))  # type: ignore[arg-type]
            outputs = functional_call(self.block.body, held | buffers, args, kwargs, tie_weights=False)
        leaves, structure = tree_flatten(outputs)
        if stored is not None:
            self.started = True
            self._check(stored)
            self.used = 0 if given is None else len(masks) - given.unused()
            self.outputs = [None if isinstance(leaf, torch.Tensor) else (leaf,) for leaf in leaves]
            self.structure = structure
        return (*(t for t in leaves if isinstance(t, torch.Tensor)), *buffers.values())

    def _check(self, before: dict[tuple[str, str], int]) -> None:
        """Raises `UserError` where a forward pass has left a tensor in an attribute, for others to read."""
        for (where, name), value in _stored(self.block.body).items():
            if before.get((where, name)) != value:
                block = ".".join(filter(None, (self.block.name, where.removeprefix("block").strip("."))))
                raise UserError(
                    f"module '{block}' stores a tensor of its pass (its attribute {name}), through which no gradient "
                    "would go from a recomputed block; return it from forward, or leave the block out of recompute."
                )


class Again(TorchFunctionMode):
    """A mode that was active in the first pass over a block, active again in another pass."""

    def __init__(self, mode: TorchFunctionMode) -> None:
        super().__init__()
        self.mode = mode

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.mode.__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]


class RefuseOthers(TorchFunctionMode):
    """A context in which no tensor of a transform outside may be used: a recomputed block sees its arguments alone.

    Raises:
        UserError: one is used.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        levels = [level.key() for level in get_interpreter_stack() or []]
        for tensor in tree_leaves((args, kwargs)):
            level = maybe_get_level(tensor) if isinstance(tensor, torch.Tensor) else 0
            if level <= 0:
                continue
            kinds = {TransformType.Vmap} if is_batchedtensor(tensor) else {TransformType.Grad, TransformType.Jvp}
            if level > len(levels) or levels[level - 1] not in kinds:
                raise UserError(OTHERS.format(f"block '{self.name}'"))
        return func(*args, **kwargs or {})


def _stored(module: nn.Module) -> dict[tuple[str, str], int]:
    """The identity of each tensor of real numbers in an attribute, or in a list or dict of one, that is no buffer."""
    return {
        (where, name): sum(id(t) for t in tree_leaves(value) if isinstance(t, torch.Tensor) and t.is_floating_point())
        for where, part in module.named_modules()
        for name, value in vars(part).items()
        if name[0] != "_" and isinstance(value, (torch.Tensor, list, tuple, dict))
    }
