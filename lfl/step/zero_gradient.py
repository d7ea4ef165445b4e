"""Say where phi cannot move."""

import warnings

from ..errors import ZeroGradientWarning
from .carry import Info

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
    """Warn where the gradient of phi is exactly 0.

    A warning, since it may be 0 at one step and not at the next: a rate that is warmed up, a loss like the hinge.

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
