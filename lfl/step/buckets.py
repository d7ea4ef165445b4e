"""Means over ranks that are on their way while the rest is still computed: tensors in buckets, one all-reduce each."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..hypergradient.bilevel import gradient
from ..trees import leaves
from ..types import Tree, WithAux

MEGABYTE = 2**20

Start = Callable[[torch.Tensor], Callable[[], None]]
"""Starts the sum over ranks of a flat tensor, in place; returns the function that waits for it."""


class Buckets:
    """Flat tensors that are summed over ranks each as soon as it is full, in the same order on all ranks.

    Args:
        like: tensors of the shapes that come, in the order in which they are expected.
        beside: tensors that come last; they go with the others where those have their type.
        size: of the group.
        megabytes: a bucket that holds as many is closed.
        start: starts a sum.
    """

    def __init__(
        self,
        like: Sequence[torch.Tensor],
        beside: Sequence[torch.Tensor],
        *,
        size: int,
        megabytes: float,
        start: Start,
    ) -> None:
        self._size, self._start = size, start
        self._members: list[list[int]] = []
        opened: dict[torch.dtype, list[int]] = {}
        held: Counter[torch.dtype] = Counter()
        for i, tensor in enumerate((*like, *beside)):
            kind = tensor.dtype
            if kind not in opened:
                opened[kind], held[kind] = [], 0
                self._members.append(opened[kind])
            opened[kind].append(i)
            held[kind] += tensor.numel() * tensor.element_size()
            if held[kind] >= megabytes * MEGABYTE and i < len(like) - 1:
                del opened[kind]
        self._members.sort(key=lambda members: members[-1])
        self._bucket_of = {i: b for b, members in enumerate(self._members) for i in members}
        self._like = [tensor.shape for tensor in (*like, *beside)]
        self._views: dict[int, torch.Tensor] = {}
        self._flat: list[torch.Tensor | None] = [None] * len(self._members)
        self._missing = [len(members) for members in self._members]
        self._waiting: list[Callable[[], None]] = []

    def take(self, i: int, tensor: torch.Tensor) -> torch.Tensor:
        """Copies the i-th tensor into its bucket; returns it there, where its mean will be."""
        bucket = self._bucket_of[i]
        if self._flat[bucket] is None:
            self._flat[bucket] = self._laid_out(bucket, tensor)
        view = self._views[i]
        view.copy_(tensor)
        self._missing[bucket] -= 1
        while len(self._waiting) < len(self._members) and not self._missing[len(self._waiting)]:
            flat = self._flat[len(self._waiting)]
            assert flat is not None
            self._waiting.append(self._start(flat))
        return view

    def finish(self) -> list[torch.Tensor]:
        """The means, once all tensors were taken and all sums have arrived."""
        for wait, flat in zip(self._waiting, self._flat, strict=True):
            wait()
            assert flat is not None
            flat.div_(self._size)
        return [self._views[i] for i in range(len(self._like))]

    def _laid_out(self, bucket: int, tensor: torch.Tensor) -> torch.Tensor:
        members = self._members[bucket]
        sizes = [self._like[i].numel() for i in members]
        flat = tensor.new_empty(sum(sizes))
        for i, part in zip(members, torch.split(flat, sizes), strict=True):
            self._views[i] = part.view(self._like[i])
        return flat


def averaged_gradient(
    function: WithAux,
    theta: Tree,
    beside: Callable[[Any], Tree],
    *,
    buckets: Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor]], Buckets],
    average: Callable[[Tree], Tree],
) -> tuple[Any, Any, Tree]:
    """The gradient of `gradient`, averaged over ranks; a part of it is on its way while the rest is computed.

    The backward pass leaves the gradients of the last layers first. A bucket of them is summed over ranks while those
    of earlier layers are computed, as DistributedDataParallel does.

    Args:
        function: `function(theta) -> (value, aux)`.
        theta: where the gradient is taken, real-valued tensors.
        beside: `beside(aux)`, a tree of which the real-valued tensors are averaged along.
        buckets: makes the buckets, of theta's tensors from the last to the first and of those beside them.
        average: the mean of a tree over ranks, differentiable.

    Returns:
        The averaged gradient, aux, and the averaged tree beside it.
    """
    found: list[Buckets] = []
    taken: set[int] = set()
    differentiated = False
    count = len(leaves(theta))

    def take(i: int, grad: torch.Tensor) -> torch.Tensor | None:
        nonlocal differentiated
        if grad.requires_grad:
            differentiated = True  # by the caller's own autograd, which a copy into a bucket would cut
            return None
        taken.add(i)
        return found[0].take(count - 1 - i, grad)

    def watched(theta: Tree) -> tuple[torch.Tensor, Any]:
        given: list[Any] = leaves(theta)
        for i, leaf in enumerate(given):
            leaf.register_hook(partial(take, i))
        value, aux = function(theta)
        found.append(buckets(given[::-1], _real(beside(aux))))
        return value, aux

    grads, aux = gradient(watched, theta)
    rest = beside(aux)
    if differentiated:
        grads, rest = average((grads, rest))
        return grads, aux, rest
    flat, structure = tree_flatten(grads)
    for i in reversed(range(count)):
        if i not in taken:  # the loss does not depend on it
            found[0].take(count - 1 - i, flat[i])
    for j, tensor in enumerate(_real(rest)):
        found[0].take(count + j, tensor)
    means = found[0].finish()
    return tree_unflatten(means[:count][::-1], structure), aux, _refilled(rest, means[count:])


def _real(tree: Tree) -> list[torch.Tensor]:
    return [leaf for leaf in leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]


def _refilled(tree: Tree, means: Sequence[torch.Tensor]) -> Tree:
    """The tree with its real-valued tensors replaced."""
    flat, structure = tree_flatten(tree)
    rest = iter(means)
    real = [isinstance(leaf, torch.Tensor) and leaf.is_floating_point() for leaf in flat]
    return tree_unflatten([next(rest) if r else leaf for r, leaf in zip(real, flat, strict=True)], structure)
