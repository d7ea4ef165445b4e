"""The problem that a method trains on: model, data and losses as functions of the step; and its steps as programs.

A program is a pure function of tensors, bound to a model and its losses, for one seed or vmapped over many, eager or
compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch

from ..hypergradient import Hypergradient
from ..optimiser import Optimiser
from ..step import Carry, Info, base_step, fresh_carry, meta_step
from ..types import ApplyFn, Batch, Group, LossFn, TaskLoss, Tensors, Tree


class State(NamedTuple):
    """What training changes: theta, phi (None where nothing is learned besides the model), and their carry."""

    theta: Tensors
    phi: Tree
    carry: Carry


class Programs(NamedTuple):
    """Pure functions of tensors; for many seeds every tensor but the rates has a leading dimension of seeds.

    Args:
        fresh: `fresh(theta, phi) -> carry`.
        meta: `meta(theta, phi, batches_tr, batch_val, carry, inner_rate, outer_lr) -> (theta, phi, carry, info)`.
        base: `base(theta, phi, batch, carry, inner_rate) -> (theta, carry, info)`, with phi fixed.
    """

    fresh: Callable[[Tensors, Tree], Carry]
    meta: Callable[
        [Tensors, Tree, list[Batch], Batch, Carry, torch.Tensor, torch.Tensor], tuple[Tensors, Tree, Carry, Info]
    ]
    base: Callable[[Tensors, Tree, Batch, Carry, torch.Tensor], tuple[Tensors, Carry, Info]]


@dataclass(frozen=True)
class Problem:
    """A model, its data and its losses, as functions of the step; nothing in it changes.

    For many seeds each tensor has a leading dimension of seeds.

    Args:
        programs: the steps.
        theta_0: where training starts, the same for every method.
        init_theta: `init_theta(step)`, where an offline step starts; None where it continues from the one before it.
        phi_0: the first phi; None where neither a loss nor a rate is learned.
        batch: `batch(split, stream, step)`, a train or valid batch with its dropout masks.
        inner_rate: `inner_rate(step)`, the rate of theta, or the factor on the rate that phi holds; a scalar tensor.
        offline_lr: offline rate of phi, a scalar tensor.
        outer_rate: `outer_rate(step)`, its online rate; a scalar tensor.
        steps, offline_steps, inner_steps: S_train, S_init and S_inner.
        horizon: steps of theta that an online step of phi is differentiated through.
        meta_every: steps of theta for each online step of phi.
        offline_objective, meta_objective: the data of the task loss in offline and in online steps, `"train"` (the last
            train batch of the step) or `"valid"`.
    """

    programs: Programs
    theta_0: Tensors
    init_theta: Callable[[int], Tensors | None]
    phi_0: Tensors | None
    batch: Callable[[str, str, int], Batch]
    inner_rate: Callable[[int], torch.Tensor]
    offline_lr: torch.Tensor
    outer_rate: Callable[[int], torch.Tensor]
    steps: int
    offline_steps: int
    inner_steps: int
    horizon: int
    meta_every: int
    offline_objective: str
    meta_objective: str


def programs(
    *,
    apply_fn: ApplyFn,
    loss_fn: LossFn,
    task_loss: TaskLoss,
    inner: Optimiser,
    outer: Optimiser,
    learned_rate: Callable[[Any], torch.Tensor] | None = None,
    hypergradient: str | Hypergradient = "auto",
    meta_batch_size: int | None = None,
    many_seeds: bool = False,
    compile_program: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    compile_meta: bool = True,
    group: Group | None = None,
) -> Programs:
    """Makes the programs of a model and its losses.

    Args:
        apply_fn, loss_fn, task_loss, inner, outer, hypergradient, meta_batch_size: as in `lfl.meta_step`; where
            phi is None, `loss_fn` ignores it.
        learned_rate: `learned_rate(phi)`, the rate of theta where phi holds it.
        many_seeds: whether tensors are stacked over seeds.
        compile_program: compiles a pure function; None for eager programs.
        compile_meta: whether the meta program is compiled too; false for a form whose stages are compiled already.
        group: as in `lfl.meta_step`; of eager programs for one seed.
    """

    def fresh(theta: Tensors, phi: Tree) -> Carry:
        return fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=None if phi is None else outer)

    def inner_lr(phi: Tree, rate: torch.Tensor) -> torch.Tensor:
        return rate if learned_rate is None else rate * learned_rate(phi)

    def meta(
        theta: Tensors,
        phi: Tree,
        batches_tr: list[Batch],
        batch_val: Batch,
        carry: Carry,
        rate: torch.Tensor,
        outer_lr: torch.Tensor,
    ) -> tuple[Tensors, Tree, Carry, Info]:
        return meta_step(
            theta,
            phi,
            batches_tr,
            batch_val,
            carry,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=task_loss,
            inner=inner,
            outer=outer,
            inner_lr=rate if learned_rate is None else lambda phi: inner_lr(phi, rate),
            outer_lr=outer_lr,
            hypergradient=hypergradient,
            meta_batch_size=meta_batch_size,
            group=group,
        )

    def base(theta: Tensors, phi: Tree, batch: Batch, carry: Carry, rate: torch.Tensor) -> tuple[Tensors, Carry, Info]:
        return base_step(
            theta,
            batch,
            carry,
            apply_fn=apply_fn,
            loss=partial(loss_fn, phi),
            task_loss=task_loss,
            inner=inner,
            inner_lr=inner_lr(phi, rate),
            group=group,
        )

    if many_seeds:
        fresh, base, meta = _over_seeds(fresh), _over_seeds(base, shared=(4,)), _over_seeds(meta, shared=(5, 6))
    if compile_program is not None:
        base, meta = compile_program(base), compile_program(meta) if compile_meta else meta
    return Programs(fresh, meta, base)


def _over_seeds(function: Callable[..., Any], shared: tuple[int, ...] = ()) -> Callable[..., Any]:
    """Vmaps `function` over seeds; arguments that are None or numbered in `shared` are the same for all seeds."""

    def for_all_seeds(*args: Any) -> Any:
        in_dims = tuple(None if i in shared or arg is None else 0 for i, arg in enumerate(args))
        return torch.func.vmap(function, in_dims)(*args)

    return for_all_seeds
