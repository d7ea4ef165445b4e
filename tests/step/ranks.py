"""What the processes of `test_ranks.py` run: every case once, with what each rank was left with."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

import lfl

from ..hypergradient.cases import Case, make_case

BATCH, WORLDS, FORMS = 12, (2, 4), ("mixed", "unroll")
GRID = [
    "-".join(map(str, each))
    for each in product(("sgd", "nesterov", "adam"), ("plain", "dropout", "clipping"), (1, 3), ("loss", "rate", "both"))
]


def cases(size: int) -> list[str]:
    """Every case of the grid, in one form by two ranks and in the other by four."""
    return [f"{name}-{FORMS[(i + size // 2) % 2]}" for i, name in enumerate(GRID)]


class GhostNorm(nn.BatchNorm1d):
    """Batch norm by itself over each of the slices that ranks have of a batch, its statistics their mean."""

    slices = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slices = [x[i :: self.slices] for i in range(self.slices)]
        for own, of in ((self.running_mean, Tensor.mean), (self.running_var, Tensor.var)):
            own.mul_(0.9).add_(0.1 * sum(of(part.detach(), 0) for part in slices) / self.slices)  # type: ignore[union-attr]
        outs = [F.batch_norm(part, None, None, self.weight, self.bias, True, 0.1, self.eps) for part in slices]
        return torch.stack(outs, 1).flatten(0, 1)


def normed() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), GhostNorm(8), nn.Tanh(), nn.Linear(8, 4)).double()


@cache
def problem(model: str, optimiser: str, held: str) -> Case:
    return make_case(model, optimiser, "classification", torch.float64, BATCH, held=held)


def case_of(name: str) -> tuple[Case, dict[str, Any], list[Any]]:
    """A case of the grid: the problem, its arguments, its train batches."""
    optimiser, kind, steps, held, form = name.split("-")
    case = problem("dropout" if kind == "dropout" else "plain", optimiser, held)
    kwargs = case.kwargs | {"hypergradient": form}
    if kind == "clipping":
        kwargs["inner"] = lfl.clip(kwargs["inner"], 0.05)
    return case, kwargs, [case.batch_tr, case.batch_val, case.batch_tr[:1] + case.batch_val[1:]][: int(steps)]


def step(name: str, group: Any) -> Any:
    case, kwargs, batches = case_of(name)
    return lfl.meta_step(case.theta, case.phi, batches, case.batch_val, case.carry, **kwargs, group=group)


def with_norm(form: str, group: Any, slices: int) -> Any:
    """Batch norm: of all ranks' slices in one process, or of this rank's own slice."""
    case = make_case("plain", "adam", "classification", torch.float64, BATCH, module=normed())
    for part in case.kwargs["apply_fn"].training_code.modules():
        if isinstance(part, GhostNorm):
            part.slices = slices
    arguments = case.theta, case.phi, [case.batch_tr, case.batch_val, case.batch_tr], case.batch_val, case.carry
    return lfl.meta_step(*arguments, **case.kwargs, hypergradient=form, group=group)


def convolutional() -> nn.Module:
    torch.manual_seed(4)
    layers = (nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 2), nn.BatchNorm1d(3), nn.Tanh(), nn.Conv1d(3, 3, 2))
    rest = (nn.BatchNorm1d(3, affine=False), nn.Flatten(), nn.Linear(9, 4))
    return nn.Sequential(*layers, *rest, nn.BatchNorm1d(4, track_running_stats=False)).double()


def synchronised(group: Any) -> dict[str, Any]:
    """Batch norm of all ranks together, in each form; of one process where `group` is None."""
    case = make_case("plain", "nesterov", "classification", torch.float64, BATCH, "both", convolutional())
    arguments = case.theta, case.phi, [case.batch_tr, case.batch_val, case.batch_tr], case.batch_val, case.carry
    found = {
        form: lfl.meta_step(*arguments, **case.kwargs, hypergradient=form, group=group) for form in ("mixed", "unroll")
    }
    simple = {name: case.kwargs[name] for name in ("apply_fn", "task_loss", "inner")}
    found["base_step"] = lfl.base_step(
        case.theta, case.batch_tr, case.carry, **simple, loss=lfl.cross_entropy, group=group
    )
    return found


def other_steps(group: Any) -> dict[str, Any]:
    """The other functions that step, and settings of a step; results of one process where `group` is None."""
    case = make_case("dropout", "nesterov", "regression", torch.float64, BATCH)
    inputs, kwargs = (case.theta, case.phi, case.batch_tr, case.batch_val), case.kwargs | {"group": group}
    without = {name: value for name, value in kwargs.items() if name != "outer"}
    simple = {name: kwargs[name] for name in ("apply_fn", "task_loss", "inner", "group")}
    loss = partial(case.kwargs["loss_fn"], case.phi)
    three = [case.batch_tr, case.batch_val, case.batch_tr]
    found = {
        "a first step": lfl.meta_step(*inputs, **kwargs),
        "phi_gradient": lfl.phi_gradient(*inputs, **without),
        "part of a batch": lfl.meta_step(*inputs, case.carry, **kwargs, meta_batch_size=8),
        "base_step": lfl.base_step(case.theta, case.batch_tr, case.carry, **simple, loss=loss),
        "a first base_step": lfl.base_step(case.theta, case.batch_tr, **simple, loss=loss),
        "offline_step": lfl.offline_step(case.theta, case.phi, three, case.batch_val, **kwargs),
    }
    for form in (lfl.implicit(rate=0.1), lfl.implicit("cg", num_terms=3, damping=5.0)):
        found[f"implicit {len(found)}"] = lfl.phi_gradient(*inputs, **without, hypergradient=form)
    return found


def with_own_batches(rank: int, size: int, group: Any) -> Any:
    """Every rank is given its own rows, in one piece."""
    case = make_case("plain", "adam", "classification", torch.float64, BATCH)
    rows = slice(rank * BATCH // size, (rank + 1) * BATCH // size)
    train, valid = (tuple(part[rows] for part in batch) for batch in (case.batch_tr, case.batch_val))
    return lfl.meta_step(case.theta, case.phi, train, valid, **case.kwargs, group=lfl.Ranks(group, batches="own"))


def refusals(rank: int, world: Any) -> dict[str, str]:
    """What each rank says where ranks do not agree; they go on together after each."""
    case = make_case("plain", "sgd", "classification", torch.float64, BATCH)
    inputs = [case.theta, case.phi, case.batch_tr, case.batch_val]
    x, y = case.batch_tr
    own = lfl.Ranks(world, batches="own")

    def said(place: int, given: Any, group: Any) -> str:
        changed = [*inputs[:place], given, *inputs[place + 1 :]]
        try:
            lfl.meta_step(*changed, **case.kwargs, group=group)
        except lfl.LflError as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    moved = {name: t + 1e-12 * rank for name, t in case.phi.items()}
    return {
        "phi": said(1, moved, world),
        "order": said(2, (x.flip(0), y.flip(0)) if rank else (x, y), world),
        "numbers": said(2, (x[: 4 + rank], y[: 4 + rank]), own),
    }


def refused(group: Any) -> list[str]:
    """What cannot be had under several ranks."""
    case = make_case("plain", "sgd", "classification", torch.float64, BATCH)
    arguments = case.theta, case.phi, case.batch_tr, case.batch_val, case.carry
    step = partial(lfl.meta_step, **case.kwargs, group=group)
    attempts = [
        lambda: torch.func.vmap(lambda phi: step(case.theta, phi, *arguments[2:]))(
            {name: t[None] for name, t in case.phi.items()}
        ),
        lambda: step(*arguments, hypergradient=lambda *args: lfl.unroll(*args)),
        lambda: step(*arguments, meta_batch_size=5),
    ]
    said = []
    for attempt in attempts:
        try:
            attempt()
        except lfl.UserError as error:
            said.append(str(error))
    return said


def said_of_a_step(group: Any) -> tuple[str, float]:
    """The error of a step, and the seconds that it took."""
    began = time.monotonic()
    try:
        step("sgd-plain-1-loss-mixed", group)
    except lfl.Failure as error:
        return str(error), time.monotonic() - began
    return "nothing", 0.0


def one_hangs(rank: int, size: int) -> tuple[str, float] | None:
    """The first rank does not come within the time limit of the group."""
    group = lfl.Ranks(dist.new_group(timeout=timedelta(seconds=1)), bucket_mb=2e-4)
    if rank:
        said = said_of_a_step(group)
        Path(f"{rank}.waited").touch()
        return said
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not all(Path(f"{other}.waited").exists() for other in range(1, size)):
        time.sleep(0.02)
    return None


@contextmanager
def counted() -> Iterator[list[int]]:
    """The sizes of the all-reduces that run within."""
    sizes: list[int] = []
    real = dist.all_reduce

    def counting(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(tensor.numel())
        return real(tensor, *args, **kwargs)

    dist.all_reduce = counting
    try:
        yield sizes
    finally:
        dist.all_reduce = real


def run(rank: int, size: int, folder: Path, work: Callable[[int, int], Any]) -> None:
    """Runs `work` as one of `size` ranks in a folder, and saves what it returns there as `RANK.pt`."""
    torch.set_num_threads(1)
    os.chdir(folder)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=timedelta(seconds=60))
    torch.save(None, folder / f"{rank}.pt")
    torch.save(work(rank, size), folder / f"{rank}.pt")
    sys.stdout.flush()
    os._exit(0)  # without the others, of which one may be gone


class Unused(nn.Module):
    """Has a parameter that no output depends on, between two that it does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.unused, self.last = nn.Linear(5, 8), nn.Linear(3, 3), nn.Linear(8, 4)
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).tanh())  # type: ignore[no-any-return]


def in_buckets(group: Any) -> tuple[dict[str, Any], list[int]]:
    """Steps of a model that leaves a parameter out, and how many numbers went in each all-reduce."""
    case = make_case("plain", "nesterov", "classification", torch.float64, BATCH, module=Unused())
    arguments = case.theta, case.phi, [case.batch_tr, case.batch_val, case.batch_tr], case.batch_val, case.carry
    simple = {name: case.kwargs[name] for name in ("apply_fn", "task_loss", "inner")}
    base = partial(lfl.base_step, batch=case.batch_tr, carry=case.carry, **simple, loss=lfl.cross_entropy, group=group)
    with counted() as sizes:
        found = {"mixed": lfl.meta_step(*arguments, **case.kwargs, hypergradient="mixed", group=group)}
        found["base_step"] = base(case.theta)
    watched = {name: t.clone().requires_grad_() for name, t in case.theta.items()}
    moved = base(watched)[0]  # differentiated by the caller's own autograd
    total = torch.stack([t.square().sum() for t in moved.values()]).sum()
    share = torch.autograd.grad(total, [*watched.values()], materialize_grads=True)
    found["by the caller"] = share if group is None else group.average(share)
    return found, sizes


def of_world(rank: int, size: int, group: Any) -> dict[str, Any]:
    """Every case in a group of so many ranks."""
    found: dict[str, Any] = {"sizes": {}}
    for name in cases(size):
        with counted() as found["sizes"][name]:
            found[name] = step(name, group)
    found |= {f"batch norm {form}": with_norm(form, group, 1) for form in FORMS}
    found |= other_steps(group)
    found["synchronised"] = synchronised(lfl.Ranks(group, batch_norm="synchronised"))
    found["own batches"] = with_own_batches(rank, size, group)
    found["refusals"], found["refused"] = refusals(rank, group), refused(group)
    for name, ranks in {"in buckets": lfl.Ranks(group, bucket_mb=2e-4), "in one bucket": lfl.Ranks(group)}.items():
        found[name], found["sizes"][name] = in_buckets(ranks)
    return found


def everything(rank: int, size: int) -> dict[Any, Any]:
    """Two of four ranks, then all four; then one does not come in time, and at last one stops."""
    pair, found = dist.new_group([0, 1]), {}
    if rank < 2:
        found[2] = of_world(rank, 2, pair)
    dist.barrier()
    found[4] = of_world(rank, 4, dist.group.WORLD)
    found["hangs"] = one_hangs(rank, size)
    found["stops"] = None if rank == size - 1 else said_of_a_step(lfl.Ranks(bucket_mb=2e-4))
    return found
