"""The end of a step that was gathered from micro-batches: theta moves, and phi where it learns."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import UserError
from ..hypergradient import Bilevel, exact_forms
from ..hypergradient.averages import average_buffers
from ..hypergradient.directional import HOOKS_REFUSED
from ..optimiser import Optimiser
from ..optimiser.optimiser import apply_update
from ..step import Info
from ..step.guard import copies, first_that_works, no_random_draws, no_writes
from ..trees import norm
from ..types import Batch, Rate, Tensors, Tree
from .accumulation import (
    PHI_PASSES,
    Gathered,
    Passes,
    gather,
    mean_gradient,
    passes_of,
    phi_gradient,
    validation_gradient,
)


class Moved(NamedTuple):
    """What a step leaves: theta, phi, the states of both optimisers, the info."""

    theta: Tensors
    phi: Tree
    inner: Tree
    outer: Tree
    info: Info


class MicroSteps:
    """Steps over several micro-batches each.

    Args:
        problem: model, losses and theta's optimiser.
        outer: phi's optimiser.
        hypergradient: `"auto"`, `"mixed"` or `"unroll"`.
        like: theta, for the choice of `"auto"`.
        compiler: compiles a pure function; None for eager passes.

    Raises:
        UserError: another hypergradient, or hooks in the model.
    """

    def __init__(
        self, problem: Bilevel, outer: Optimiser, hypergradient: Any, like: Tensors, compiler: Any | None
    ) -> None:
        apply_fn: Any = problem.apply_fn
        if apply_fn.custom_gradients.hooks:
            raise UserError(HOOKS_REFUSED)
        forms = [hypergradient]
        if hypergradient == "auto":
            forms = exact_forms(like, num_steps=1, compiled=compiler is not None)
            forms = ["unroll"] if apply_fn.autocast is not None else forms[:1] if compiler is not None else forms
        if not all(isinstance(form, str) and form in PHI_PASSES for form in forms):
            raise UserError(
                f"with accumulate above 1, hypergradient must be auto, mixed or unroll, got {hypergradient!r}."
            )
        self._problem, self._outer, self._eager = problem, outer, compiler is None
        self._passes: Passes = passes_of(problem, forms) if compiler is None else passes_of(problem, forms, compiler)

    def add(
        self,
        gathered: Gathered | None,
        theta: Tensors,
        phi: Tree,
        buffers: Tensors,
        batch: Batch,
        batch_val: Batch | None,
        *,
        learns: bool,
    ) -> tuple[Gathered, Tensors, Info]:
        """Adds a micro-batch; as `accumulation.gather`."""
        buffers = copies(buffers)
        arguments = self._passes, gathered, theta, phi, buffers, batch, batch_val
        with sdpa_kernel(SDPBackend.MATH):
            if not self._eager:
                return gather(*arguments, learns=learns)
            with no_random_draws(), no_writes(theta, [batch]):
                gathered, after, info = gather(*arguments, learns=learns)
        return gathered, average_buffers(self._problem, buffers, after), info

    def finish(
        self,
        gathered: Gathered,
        theta: Tensors,
        phi: Tree,
        buffers: Tensors,
        inner: Tree,
        outer: Tree,
        rates: tuple[Rate | None, Rate | None],
        *,
        learns: bool,
    ) -> Moved:
        """Takes the step of all micro-batches together.

        Args:
            gathered: from `add`.
            theta, phi, buffers: before the step, buffers after all passes.
            inner, outer: states of the optimisers.
            rates: of theta and of phi; None for the optimisers' own.
            learns: whether phi takes a step.
        """
        optimiser = self._problem.inner
        average = self._problem.average or (lambda tree: tree)
        loss, reported = gathered.loss / gathered.num_examples, gathered.reported / gathered.num_examples
        grads, loss, reported = average((mean_gradient(gathered), loss, reported))

        def update(grads: Tensors) -> tuple[Tensors, Tree]:
            return apply_update(optimiser, grads, inner, theta, rates[0])

        moved, inner_after = update(grads)
        info = Info(loss, reported, norm(grads), torch.zeros_like(loss))
        if not learns:
            return Moved(moved, phi, inner_after, outer, info)

        def phi_gradient_by(phi_pass: Any) -> Tree:
            return phi_gradient(phi_pass, lambda grads: update(grads)[0], grads, gathered, theta, phi, v)

        with sdpa_kernel(SDPBackend.MATH):
            v, outer_loss = average(validation_gradient(self._passes, moved, buffers, gathered.valid))
            forms = [partial(phi_gradient_by, phi_pass) for phi_pass in self._passes.phi]
            if self._eager:
                batches = [batch for batch, _ in gathered.train]
                phi_grads = first_that_works(forms, self._problem.apply_fn, theta, buffers, batches)
            else:
                phi_grads = forms[0]()
        phi_grads = average(phi_grads)
        info = info._replace(outer_loss=outer_loss, phi_grad_norm=norm(phi_grads))
        phi, outer = apply_update(self._outer, phi_grads, outer, phi, rates[1])
        return Moved(moved, phi, inner_after, outer, info)
