"""The pure functions that every phase is made of: bound to a model and its losses, for one seed or for many."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch

from ..hypergradient import Hypergradient
from ..optimiser import Optimiser
from ..step import base_step, fresh_carry, meta_step
from ..types import ApplyFn, LossFn, TaskLoss, Tensors


class Programs(NamedTuple):
    """Pure functions of tensors; for many seeds every tensor but the rates has a leading dimension of seeds.

    Args:
        fresh: `fresh(theta, phi) -> carry`.
        meta: `meta(theta, phi, batches_tr, batch_val, carry, inner_rate, outer_lr) -> (theta, phi, carry, info)`.
        base: `base(theta, phi, batch, carry, inner_rate) -> (theta, carry, info)`, on the loss as it stands.
    """

    fresh: Callable[..., Any]
    meta: Callable[..., Any]
    base: Callable[..., Any]


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
) -> Programs:
    """The programs of a model and its losses.

    Args:
        apply_fn, loss_fn, task_loss, inner, outer, hypergradient, meta_batch_size: as in `lfl.meta_step`; where
            phi is None, `loss_fn` does not look at it.
        learned_rate: `learned_rate(phi)`, the rate of theta where phi holds it.
        many_seeds: whether tensors come stacked over seeds.
        compile_program: what makes a compiled function of a pure one; None leaves them as they are.
        compile_meta: whether the meta program is compiled too, which a form made of compiled pieces is not.
    """

    def fresh(theta: Tensors, phi: Any) -> Any:
        return fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=None if phi is None else outer)

    def inner_lr(phi: Any, rate: torch.Tensor) -> torch.Tensor:
        return rate if learned_rate is None else rate * learned_rate(phi)

    def meta(theta: Tensors, phi: Any, batches_tr: Any, batch_val: Any, carry: Any, rate: Any, outer_lr: Any) -> Any:
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
        )

    def base(theta: Tensors, phi: Any, batch: Any, carry: Any, rate: Any) -> Any:
        return base_step(
            theta,
            batch,
            carry,
            apply_fn=apply_fn,
            loss=partial(loss_fn, phi),
            task_loss=task_loss,
            inner=inner,
            inner_lr=inner_lr(phi, rate),
        )

    if many_seeds:
        fresh, base, meta = _over_seeds(fresh), _over_seeds(base, shared=(4,)), _over_seeds(meta, shared=(5, 6))
    if compile_program is not None:
        base, meta = compile_program(base), compile_program(meta) if compile_meta else meta
    return Programs(fresh, meta, base)


def _over_seeds(function: Callable[..., Any], shared: tuple[int, ...] = ()) -> Callable[..., Any]:
    """`function` for each seed; the arguments numbered in `shared` and those that are None are the same for all."""

    def for_all_seeds(*args: Any) -> Any:
        in_dims = tuple(None if i in shared or arg is None else 0 for i, arg in enumerate(args))
        return torch.func.vmap(function, in_dims)(*args)

    return for_all_seeds
