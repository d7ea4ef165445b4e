"""Refuses random draws inside a compiled program: each of its passes would draw other numbers, unnoticed."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ..errors import UserError

DRAWS = frozenset(
    {
        torch.rand,
        torch.rand_like,
        torch.randn,
        torch.randn_like,
        torch.randint,
        torch.randint_like,
        torch.randperm,
        torch.normal,
        torch.bernoulli,
        torch.multinomial,
        torch.poisson,
        torch.Tensor.bernoulli,
        torch.Tensor.bernoulli_,
        torch.Tensor.multinomial,
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
        torch.Tensor.exponential_,
        torch.Tensor.geometric_,
        torch.Tensor.cauchy_,
        torch.Tensor.log_normal_,
        torch.Tensor.random_,
        F.gumbel_softmax,
    }
)
"""Functions that draw from torch's global generators; without dropout, which takes masks."""

REFUSED = (
    "the model draws random numbers inside its forward pass, and a compiled step would draw others in each of its "
    "passes; draw them outside and pass them in with x, or run the step eagerly with batches (x, y, seed)."
)


UNUSED = (
    "the compiled model left masks unused: torch.randn_like and torch.rand_like hide from the compiler, so write "
    "torch.randn(x.shape, device=x.device), or run eagerly (--compile off); else draw masks for this model and input."
)


def refuse_unused() -> None:
    """Raises `UserError` in a compiled program, whose model left masks over.

    torch 2.14 traces `torch.randn_like` and `torch.rand_like` past the context in which masks are taken.
    """
    torch._dynamo.graph_break(msg=UNUSED)  # with fullgraph=True compilation fails with this message
    raise UserError(UNUSED)


class RefuseDraws(TorchFunctionMode):
    """A context in which a random draw raises an error.

    torch 2.14 traces `torch.rand_like` and `torch.randn_like` past such contexts, so these two go unnoticed in a step
    that a user compiles. A run makes an eager step first, which notices them.

    Raises:
        UserError: a function of `DRAWS` is called.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in DRAWS:
            torch._dynamo.graph_break(msg=REFUSED)  # with fullgraph=True compilation fails with this message
            raise UserError(REFUSED)
        return func(*args, **kwargs or {})
