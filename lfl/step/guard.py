"""Turn what cannot work inside a step into errors that say so."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import UserError
from ..model.obstacles import explain
from ..types import ApplyFn, Batch, Tensors


@contextmanager
def guarded(
    apply_fn: ApplyFn, theta: Tensors, buffers: Tensors, batch: Batch, *, watch_randomness: bool
) -> Iterator[None]:
    """Name the module behind an operation without second derivatives, and hidden random draws.

    Args:
        apply_fn, theta, buffers, batch: what the step runs on.
        watch_randomness: whether to compare torch's global random state before and after.

    Raises:
        UserError: instead of torch's own error, or where the model drew from the global generator.
    """
    before = _random_state() if watch_randomness else None
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        explained = explain(error, apply_fn, theta, buffers, batch[0])
        if explained is None:
            raise
        raise explained from error
    if before is not None and not torch.equal(before, _random_state()):
        raise UserError(
            "the model draws random numbers inside its forward pass, so that no two passes see the same. For "
            "dropout, give the batch as (x, y, masks) with masks = lfl.draw_masks(lfl.mask_specs(apply_fn, "
            "theta, x), generator); other noise: draw it outside and pass it in with x."
        )


def _random_state() -> torch.Tensor:
    """State of the global generators that the model could draw from."""
    states = [torch.random.get_rng_state()]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states.append(torch.cuda.get_rng_state())
    return torch.cat(states)


def in_transform() -> bool:
    """Whether the step is being traced or transformed, where Python-side checks do not run."""
    return torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None
