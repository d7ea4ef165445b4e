"""Several processes that take each step together: which examples each one has, and the means over them."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch._C._functorch import get_interpreter_stack
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..choices import BATCH_NORM
from ..errors import RankStopped, UserError, one_of, reason
from ..trees import leaves
from ..types import ApplyFn, Batch, Group, Tree, WithAux
from .buckets import Buckets, averaged_gradient
from .slices import slice_of
from .synchronised import synchronised

BATCHES = {
    "whole": "every rank is given the whole batch, and takes its slice",
    "own": "every rank is given examples of its own, equally many",
}


class Ranks:
    """The processes that take each step together, one of them this one.

    Each process, a rank, computes on its own examples; gradients are averaged between the passes of a step, so that
    theta and phi are the same on all ranks, and those that one process would have on all examples.

    Args:
        group: a `torch.distributed.ProcessGroup`; all processes of `torch.distributed.init_process_group` when omitted.
        batches: `"whole"`: every rank gives a step the same batch, and the step takes the rank's slice of it, each
            `size`-th example from the `rank`-th on, of its dropout masks too. `"own"`: every rank gives examples of its
            own, equally many, as with `torch.utils.data.DistributedSampler`.
        batch_norm: `"local"`: each rank normalises by the statistics of its own examples, as DistributedDataParallel
            does, and running statistics are the mean of the ranks'. `"synchronised"`: by those of all together, as one
            process, with two collectives for each layer in each pass, and as many for each derivative of it.
        bucket_mb: megabytes of gradients that are averaged as one, while those of earlier layers are computed.

    Raises:
        UserError: an unknown `batches` or `batch_norm`; a `bucket_mb` not above 0; no process group, or one that this
            process is not in.

    Example:
        >>> import tempfile, torch.distributed as dist
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
        ...     ranks = Ranks()
        ...     dist.destroy_process_group()
        >>> ranks
        Ranks(rank 0 of 1, batches='whole')
    """

    def __init__(
        self, group: Any = None, *, batches: str = "whole", batch_norm: str = "local", bucket_mb: float = 25.0
    ) -> None:
        import torch.distributed as dist

        one_of("batches", batches, list(BATCHES))
        one_of("batch_norm", batch_norm, list(BATCH_NORM))
        if not dist.is_available() or not dist.is_initialized():
            raise UserError(
                "several ranks need a process group: start the program with torchrun, and call "
                'torch.distributed.init_process_group("gloo") first ("nccl" on GPUs).'
            )
        if group is not None and not isinstance(group, dist.ProcessGroup):
            raise UserError(
                f"group must be a torch.distributed.ProcessGroup or an lfl.Ranks, got a {type(group).__name__}."
            )
        if not 0.0 < bucket_mb < math.inf:
            raise UserError(f"bucket_mb must be a number of megabytes above 0, got {bucket_mb}.")
        self.group, self.batches, self.batch_norm, self.bucket_mb = group, batches, batch_norm, bucket_mb
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    def __repr__(self) -> str:
        return f"Ranks(rank {self.rank} of {self.size}, batches={self.batches!r})"

    def average(self, tree: Tree) -> Tree:
        """The mean over the ranks of each real-valued tensor; other leaves stay. One collective for each dtype.

        Differentiable: the derivative of a mean over ranks is the mean of their cotangents, or of their tangents.

        Raises:
            Failure: another rank has stopped, or did not come within the time limit of the process group.
        """
        flat, structure = tree_flatten(tree)
        buckets: dict[torch.dtype, list[int]] = {}
        for i, leaf in enumerate(flat):
            if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                buckets.setdefault(leaf.dtype, []).append(i)
        for places in buckets.values():
            parts = [flat[i] for i in places]
            mean: Any = self._mean(torch.cat([part.reshape(-1) for part in parts]))
            pieces = mean.split([part.numel() for part in parts])
            for i, part, piece in zip(places, parts, pieces, strict=True):
                flat[i] = piece.view(part.shape)
        return tree_unflatten(flat, structure)

    def averaged_gradient(self, function: WithAux, theta: Tree, beside: Callable[[Any], Tree]) -> tuple[Any, Any, Tree]:
        """The mean gradient over the ranks, parts of which are on their way while the rest is computed.

        Args:
            function, theta: `function(theta) -> (value, aux)`, the value a scalar; and where its gradient is taken.
            beside: `beside(aux)`, a tree that is averaged along; returned after the gradient and aux.
        """
        made = partial(Buckets, size=self.size, megabytes=self.bucket_mb, start=self._sum)
        return averaged_gradient(function, theta, beside, buckets=made, average=self.average)

    def model(self, apply_fn: ApplyFn) -> ApplyFn:
        """The model as the ranks run it: with synchronised batch norm where that was asked for."""
        return apply_fn if self.batch_norm == "local" else synchronised(apply_fn, self.average, self.size)

    def part(self, name: str, batch: Batch) -> Batch:
        """This rank's examples of a batch.

        Args:
            name: of the batch, for errors.
            batch: `(x, y)` or `(x, y, masks)`.

        Raises:
            UserError: as `slice_of`.
        """
        if self.batches == "own":
            return batch
        return slice_of(name, batch, self.rank, self.size)

    def share(self, name: str, count: int) -> int:
        """This rank's share of a number of examples.

        Raises:
            UserError: the ranks do not divide it.
        """
        if self.batches == "own":
            return count
        if count % self.size:
            raise UserError(f"{name} must be a multiple of the {self.size} ranks, got {count}.")
        return count // self.size

    def check_equal(self, **trees: Tree) -> None:
        """Raises `UserError` on all ranks where a tree's tensors are not the same, to the bit, on all of them."""
        import torch.distributed as dist

        found = [leaf for leaf in leaves(trees) if isinstance(leaf, torch.Tensor)]
        device = found[0].device if found else torch.device("cpu")
        own = torch.stack([_digest(tree).to(device) for tree in trees.values()])
        theirs = [torch.empty_like(own) for _ in range(self.size)]
        self._collect(lambda: dist.all_gather(theirs, own, group=self.group))
        for rank, other in enumerate(theirs):
            for name, here, there in zip(trees, theirs[0].tolist(), other.tolist(), strict=True):
                if here != there:
                    raise UserError(_differs(name, rank, self.batches))

    def from_first(self, given: Any) -> Any:
        """What rank 0 gives, on all ranks: any value that can be pickled; those of other ranks are not used."""
        import torch.distributed as dist

        box = [given]
        first = 0 if self.group is None else dist.get_global_rank(self.group, 0)
        self._collect(lambda: dist.broadcast_object_list(box, src=first, group=self.group))
        return box[0]

    def largest(self, number: int) -> int:
        """The largest of the ranks' whole numbers."""
        import torch.distributed as dist

        found = torch.tensor(number)
        self._collect(lambda: dist.all_reduce(found, dist.ReduceOp.MAX, group=self.group))
        return int(found)

    def _mean(self, flat: torch.Tensor) -> torch.Tensor:
        if flat.requires_grad or get_interpreter_stack():
            mean: torch.Tensor = _Mean.apply(flat, self)
            return mean
        return self.mean_of(flat)

    def mean_of(self, flat: torch.Tensor) -> torch.Tensor:
        """The mean over ranks of a flat tensor, which may be written over."""
        import torch.distributed as dist

        self._collect(lambda: dist.all_reduce(flat, group=self.group))
        return flat.div_(self.size)

    def _sum(self, flat: torch.Tensor) -> Callable[[], None]:
        """Starts the sum of a flat tensor in place; returns what waits for it."""
        import torch.distributed as dist

        work: Any = self._collect(lambda: dist.all_reduce(flat, group=self.group, async_op=True))
        return lambda: self._collect(work.wait)

    def _collect(self, collective: Any) -> Any:
        try:
            return collective()
        except RuntimeError as error:
            raise RankStopped(
                f"rank {self.rank} of {self.size} could not go on: another rank has stopped, or did not come within "
                f"the time limit of the process group ({reason(error).partition('. ')[0]})."
            ) from error


class _Mean(torch.autograd.Function):
    """The mean over ranks as a function that can be differentiated any number of times."""

    @staticmethod
    def forward(flat: torch.Tensor, ranks: Ranks) -> torch.Tensor:
        return ranks.mean_of(flat.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, Ranks], output: torch.Tensor) -> None:
        ctx.ranks = inputs[1]

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _Mean.apply(slope, ctx.ranks), None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, _: None) -> torch.Tensor:
        mean: torch.Tensor = _Mean.apply(tangent, ctx.ranks)
        return mean


def ranks_of(group: Group | None) -> Ranks | None:
    """The ranks of a group; None for a single process.

    Raises:
        UserError: as `Ranks`.
    """
    if group is None:
        return None
    ranks = group if isinstance(group, Ranks) else Ranks(group)
    return ranks if ranks.size > 1 else None


def refuse_in_programs(in_transform: bool) -> None:
    """Raises `UserError` where a step with a group is compiled whole, vmapped or differentiated."""
    if in_transform:
        raise UserError(
            "a step with group= exchanges gradients between its passes, and cannot be compiled whole, vmapped or "
            "differentiated; call it eagerly, with hypergradient=functools.partial(lfl.mixed, stages=lfl.Stages(...)) "
            "of compiled passes where it should be fast."
        )


def parts(ranks: Ranks, train: Sequence[Batch], valid: Batch | None, *, check: bool) -> tuple[list[Batch], Any]:
    """This rank's examples of the train batches and of the validation batch.

    Args:
        ranks: the processes of the step.
        train, valid: as they were given; `valid` is None where phi does not learn.
        check: whether to ask all ranks if they were given the same batches, or with `"own"` as many examples.

    Raises:
        UserError: as `Ranks.part` and `Ranks.check_equal`.
    """
    if check:
        seen = _shapes if ranks.batches == "own" else lambda batches: batches
        ranks.check_equal(**{"the train batch": seen(train), "the validation batch": seen([valid])})
    names = [f"train batch {k + 1}" if len(train) > 1 else "the train batch" for k in range(len(train))]
    own = [ranks.part(name, batch) for name, batch in zip(names, train, strict=True)]
    return own, None if valid is None else ranks.part("the validation batch", valid)


def _shapes(batches: Any) -> Tree:
    return [torch.tensor([*leaf.shape]) for leaf in leaves(batches) if isinstance(leaf, torch.Tensor)]


CHUNK = 1 << 20


def _digest(tree: Tree) -> torch.Tensor:
    """A whole number that depends on every bit of a tree's tensors, and on their order."""
    total = torch.zeros((), dtype=torch.int64)
    for leaf in leaves(tree):
        if not isinstance(leaf, torch.Tensor):
            continue
        bits: Any = leaf.detach().contiguous().view(-1).view(torch.int32 if leaf.element_size() >= 4 else torch.uint8)
        for chunk in bits.split(CHUNK):
            weights = torch.arange(1, len(chunk) + 1, device=chunk.device)
            total = total.to(chunk.device) * 31 + (chunk.to(torch.int64) * weights).sum()
    return total


def _differs(name: str, rank: int, batches: str) -> str:
    remedy = (
        "give every rank the same files"
        if name == "the data"
        else "start every rank from the same seed, or from rank 0's (torch.distributed.broadcast)"
    )
    if "batch" in name:
        remedy = (
            'with batches="own" every rank must have equally many examples, of the same shapes'
            if batches == "own"
            else 'every rank must be given the same batch, in the same order; lfl.Ranks(batches="own") is for ranks '
            "with examples of their own, such as a DistributedSampler's"
        )
    return f"{name} is not the same on rank {rank} as on rank 0; {remedy}."
