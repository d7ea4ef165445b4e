"""Checks around a step: errors for what cannot work inside one, a warning where phi cannot move."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from ..errors import UserError, ZeroGradientWarning
from ..model.unsupported import explain, is_refusal
from ..randomness import random_state
from ..trees import leaves, map_tree
from ..types import ApplyFn, Batch, Tensors
from .carry import Info

Found = TypeVar("Found")


def first_that_works(
    forms: Sequence[Callable[[], Found]],
    apply_fn: ApplyFn,
    theta: Tensors,
    buffers: Tensors,
    batches: Sequence[Batch],
) -> Found:
    """Returns the result of the first of several equal computations that torch can differentiate.

    Args:
        forms: the computations, the one to try first at the front.
        apply_fn, theta, buffers, batches: what they run on, for the error message.

    Raises:
        UserError: where none works, instead of torch's own error; it names the module that the first one failed in.
    """
    refusal: Exception | None = None
    for form in forms:
        try:
            return form()
        except (RuntimeError, NotImplementedError) as error:
            if not is_refusal(error):
                explained = explain(error, apply_fn, theta, buffers, batches)
                if explained is None:
                    raise
                raise explained from error
            refusal = refusal or error
    assert refusal is not None
    explained = explain(refusal, apply_fn, theta, buffers, batches, tried_all=len(forms) > 1)
    if explained is None:
        raise refusal
    raise explained from refusal


@contextmanager
def no_random_draws() -> Iterator[None]:
    """A context that refuses draws from torch's global generators.

    Raises:
        UserError: the state of a global generator has changed.
    """
    before = random_state()
    yield
    if not torch.equal(before, random_state()):
        raise UserError(
            "the model draws random numbers inside its forward pass, so that no two passes see the same. For "
            "dropout, and normal and uniform noise, give the batch as (x, y, masks) with masks = lfl.draw_masks("
            "lfl.mask_specs(apply_fn, theta, x), generator); for other draws as (x, y, seed) with a new whole number "
            "for each batch."
        )


@contextmanager
def no_writes(theta: Tensors, batches: Sequence[Batch]) -> Iterator[None]:
    """A context that refuses writes in place to parameters and inputs.

    Raises:
        UserError: a tensor of theta or of a batch was written to.
    """
    inputs = [t for batch in batches for t in ([batch[0]] if isinstance(batch[0], torch.Tensor) else leaves(batch[0]))]
    watched = [t for t in (*theta.values(), *inputs) if isinstance(t, torch.Tensor) and not t.is_inference()]
    before = [t._version for t in watched]  # inference tensors count no versions

    def written() -> UserError | None:
        for tensor, version in zip(watched, before, strict=True):
            if tensor._version != version:
                names = [f"theta['{name}']" for name, t in theta.items() if t is tensor]
                return UserError(
                    f"{names[0] if names else 'the input x'} is written to in place, by the model's forward pass "
                    "(nn.Embedding(max_norm=), clamp_, an inplace=True on the input) or by the optimiser's update; a "
                    "step must not change its arguments. Compute a new tensor there instead."
                )
        return None

    try:
        yield
    except Exception as error:
        if (found := written()) is not None:  # torch's own error is then about a leaf that requires gradients
            raise found from error
        raise
    if (found := written()) is not None:
        raise found


def copies(tree: Any) -> Any:
    """Returns the tree with each tensor copied."""
    return map_tree(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, tree)


def in_transform() -> bool:
    """Whether the caller is being traced or transformed, where checks in Python do not run."""
    return torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None


_OUTSIDE_THETA = (
    "The gradient of the model's parameters is 0 too: the learned loss is flat in the outputs there (with one output "
    "and class ids a softmax is always 1), the outputs do not depend on the parameters (detach, torch.no_grad), or "
    "numbers are too small for their precision."
)
_BEHIND_THETA = (
    "Either the update of the model does not pass it on (an optimiser that takes the sign of the gradient, works under "
    "torch.no_grad or on detached tensors, or has a rate of 0), or the learned loss has no gradient of phi at these "
    "outputs (dead ReLU units, or numbers too small for their precision), or the validation loss is flat."
)


def warn_of_zero_gradient(info: Info, *, stacklevel: int = 1) -> None:
    """Warns where the gradient of phi is exactly 0.

    It is not an error, since it may be 0 at one step and not at the next: a rate that is warmed up, a hinge loss.

    Args:
        info: of a step that learned phi, for one seed or stacked for many.
        stacklevel: of the caller that the warning points at, as in `warnings.warn`.
    """
    zero = info.phi_grad_norm == 0.0
    if not bool(zero.any()):
        return
    outside = bool((info.theta_grad_norm[zero] == 0.0).all())
    causes = _OUTSIDE_THETA if outside else _BEHIND_THETA
    warnings.warn(
        f"the gradient of phi is exactly 0 at the first step, so that phi does not move. {causes}",
        ZeroGradientWarning,
        stacklevel=stacklevel + 1,
    )
