"""Explains operations that torch.func cannot differentiate: which module uses them, and what to do instead."""

import re
import traceback
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import NotDifferentiable, UserError
from ..types import ApplyFn, Batch, Tensors
from .functional import PureModule, copied

_NO_DERIVATIVE = re.compile(r"derivative for '?(?:aten::)?(\w+?)(?:_backward)?'? is not implemented")
_NO_FORWARD_MODE = re.compile(r"Trying to use forward AD with (?:aten::)?(\w+?)(?:_backward)? that does not support it")
_NO_JVP = "You must implement the jvp function"

_WAYS_OUT = {
    "scaled_dot_product": "take the model's own torch.nn.attention.sdpa_kernel out; a step uses SDPBackend.MATH",
    "cudnn_rnn": "run the step inside torch.backends.cudnn.flags(enabled=False)",
    "mkldnn_rnn": "run the step inside torch.backends.mkldnn.flags(enabled=False)",
}


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that torch lacks a derivative; another form of the hypergradient may not need it."""
    message = str(error)
    return bool(_NO_DERIVATIVE.search(message) or _NO_FORWARD_MODE.search(message)) or _NO_JVP in message


def explain(
    error: BaseException,
    apply_fn: ApplyFn,
    theta: Tensors,
    buffers: Tensors,
    batches: Sequence[Batch],
    *,
    tried_all: bool = True,
) -> UserError | None:
    """Explains an error with which torch refuses to differentiate.

    Args:
        error: the error that a step raised.
        apply_fn, theta, buffers, batches: the model, and the train batches of the step.
        tried_all: whether all exact forms of the hypergradient were tried.

    Returns:
        An error that names the module and what to do; None if `error` is about something else.
    """
    if not isinstance(apply_fn, PureModule):
        return None
    message = str(error)
    if "saved tensor hooks" in message:
        return UserError(
            f"{_raised_in(error, apply_fn)} uses activation checkpointing (or other saved-tensor hooks), which "
            "does not run under torch.func; switch it off for that module, and give its name to lfl: recompute=, "
            "--recompute."
        )
    if "setup_context" in message:
        return UserError(
            f"{_raised_in(error, apply_fn)} uses reentrant activation checkpointing, a backward hook or a "
            "torch.autograd.Function without setup_context, which does not run under torch.func; switch checkpointing "
            "off there, remove the hook, or give the Function a setup_context."
        )
    if "mutate a captured Tensor" in message:
        return UserError(
            f"{_raised_in(error, apply_fn)} writes to its parameters or its input in place, and a step must not "
            "change its arguments. Compute a new tensor there instead (inplace=False)."
        )
    if _NO_JVP in message:
        other = (
            "choose hypergradient='unroll', or give the Function a jvp" if not tried_all else "give the Function a jvp"
        )
        where = _raised_in(error, apply_fn)
        return NotDifferentiable(f"{where} uses a torch.autograd.Function without a jvp, which mixed needs; {other}.")
    twice, forwards = _NO_DERIVATIVE.search(message), _NO_FORWARD_MODE.search(message)
    refused = twice or forwards
    if refused is None:
        return None
    operation = refused[1]
    how = "twice" if twice else "in forward mode"
    # Through one step unroll takes second derivatives and mixed forward mode; through several both take both.
    another = not tried_all and (len(batches) == 1 if twice else "_backward" not in refused[0])
    other = f"choose hypergradient='{'mixed' if twice else 'unroll'}', or " if another else ""
    way_out = next(
        (way for part, way in _WAYS_OUT.items() if part in operation),
        "write it with differentiable operations",
    )
    where = _calls(operation, apply_fn, theta, buffers, batches[0])
    return NotDifferentiable(
        f"{where} uses {operation.strip('_')}, which torch cannot differentiate {how}; {other}{way_out}."
    )


def _raised_in(error: BaseException, apply_fn: PureModule) -> str:
    """Describes the innermost module of the model on the error's traceback."""
    names = {id(module): name for name, module in apply_fn.training_code.named_modules()}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = names.get(id(frame.f_locals.get("self")), found)
    return _describe(apply_fn.training_code, found)


def _calls(operation: str, apply_fn: PureModule, theta: Tensors, buffers: Tensors, batch: Batch) -> str:
    """Describes the first module in which a forward pass reaches `operation`."""
    code = copied(apply_fn.training_code)
    inside: list[str] = []
    for name, module in code.named_modules():
        module.register_forward_pre_hook(lambda _module, _args, name=name: inside.append(name))
        module.register_forward_hook(lambda _module, _args, _output: _leave(inside), always_call=True)
    found: list[str] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if str(func).removeprefix("aten.").startswith(operation):
                found.append(inside[-1])
            return func(*args, **(kwargs or {}))

    theta = {name: t.detach().clone().requires_grad_() for name, t in theta.items()}
    with torch.random.fork_rng(), Watch():  # type: ignore[no-untyped-call]
        PureModule({}, code, code, ())(theta, buffers, batch[0])
    return _describe(code, found[0]) if found else "the model"


def _leave(inside: list[str]) -> None:
    inside.pop()


def _describe(code: nn.Module, name: str) -> str:
    kind = type(code.get_submodule(name)).__name__
    return f"module '{name}' ({kind})" if name else f"the model ({kind}) itself"
