"""One step of AdaLFL on a model, written with each library and form, for the other benchmarks to time.

Every call takes K train batches and a validation batch, moves theta by K plain SGD steps on the learned loss and phi
by one Adam step, and keeps its state for the next call, as a training loop would.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

import lfl
from lfl.hypergradient import Hypergradient, mixed
from lfl.model import build_model, xavier_uniform
from lfl.randomness import generator
from lfl.training.compilation import compile_program, compiled_pieces

INPUTS = {  # model: input shape, batch size
    "logistic": ((1, 28, 28), 128),
    "mlp": ((1, 28, 28), 128),
    "lenet5": ((1, 28, 28), 128),
    "allcnnc": ((3, 32, 32), 32),
    "resnet18": ((3, 32, 32), 8),
}
INNER_LR, OUTER_LR = 0.01, 1e-5


class Setup(NamedTuple):
    module: torch.nn.Module
    theta: dict[str, torch.Tensor]
    phi: dict[str, torch.Tensor]
    apply_fn: Any
    loss_fn: Any
    batch: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    device: torch.device


def setup(model: str, device: torch.device, *, num_outputs: int = 10, batch_size: int | None = None) -> Setup:
    """Returns a model with random data of the shape that it is made for."""
    shape, size = INPUTS[model]
    size = batch_size or size
    module = build_model(model, shape, num_outputs).to(device)
    drawn = xavier_uniform(dict(module.named_parameters()), generator(0, "theta"))
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(drawn[name])
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network("classification", generator=generator(0, "phi"))
    g = generator(0, "data")

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        x, y = torch.randn(size, *shape, generator=g), torch.randint(num_outputs, (size,), generator=g)
        return x.to(device), y.to(device)

    return Setup(module, theta, {k: t.to(device) for k, t in phi.items()}, apply_fn, loss_fn, batch, device)


def ours(s: Setup, form: str | Hypergradient, *, compiled: bool = False, **options: Any) -> Callable[..., None]:
    """Returns a call of `lfl.meta_step`; compiled as one program where that is asked for."""
    inner, outer = lfl.sgd(INNER_LR), lfl.adam(OUTER_LR)
    step = partial(
        lfl.meta_step,
        apply_fn=s.apply_fn,
        loss_fn=s.loss_fn,
        task_loss=lfl.cross_entropy,
        inner=inner,
        outer=outer,
        hypergradient=form,
        **options,
    )
    program = compile_program(step, s.device) if compiled else step
    theta, phi = s.theta, s.phi
    carry = lfl.fresh_carry(theta, phi, apply_fn=s.apply_fn, inner=inner, outer=outer)

    def call(batches_tr: list[Any], batch_val: Any) -> None:
        nonlocal theta, phi, carry
        theta, phi, carry, _ = program(theta, phi, batches_tr, batch_val, carry)

    return call


def mixed_in_pieces(s: Setup) -> Callable[..., None]:
    """Returns a call of the mixed form whose passes are compiled separately."""
    return ours(s, compiled_pieces(mixed, s.device))


def base(s: Setup, *, compiled: bool = False) -> Callable[..., None]:
    """Returns a call of `lfl.base_step` on cross-entropy: a plain step as a pure function."""
    inner = lfl.sgd(INNER_LR)
    step = partial(lfl.base_step, apply_fn=s.apply_fn, loss=lfl.cross_entropy, task_loss=lfl.cross_entropy, inner=inner)
    program = compile_program(step, s.device) if compiled else step
    theta, carry = s.theta, lfl.fresh_carry(s.theta, None, apply_fn=s.apply_fn, inner=inner)

    def call(batches_tr: list[Any], batch_val: Any) -> None:
        nonlocal theta, carry
        for batch in batches_tr:
            theta, carry, _ = program(theta, batch, carry)

    return call


def plain(s: Setup, *, compiled: bool = False) -> Callable[..., None]:
    """Returns the usual PyTorch step: cross-entropy, `backward`, `torch.optim.SGD`; `torch.compile` if compiled."""
    module = s.module.train()
    optimiser = torch.optim.SGD(module.parameters(), INNER_LR)
    forward = torch.compile(module) if compiled else module

    def call(batches_tr: list[Any], batch_val: Any) -> None:
        for x, y in batches_tr:
            optimiser.zero_grad()
            F.cross_entropy(forward(x), y).backward()
            optimiser.step()

    return call


def with_higher(s: Setup) -> Callable[..., None]:
    import higher

    module = s.module.train()
    optimiser = torch.optim.SGD(module.parameters(), INNER_LR)
    phi = {name: t.clone().requires_grad_() for name, t in s.phi.items()}
    outer = torch.optim.Adam(phi.values(), OUTER_LR)

    def call(batches_tr: list[Any], batch_val: Any) -> None:
        outer.zero_grad()
        with higher.innerloop_ctx(module, optimiser, copy_initial_weights=True) as (fmodel, diffopt):
            for x, y in batches_tr:
                diffopt.step(s.loss_fn(phi, fmodel(x), y).mean())
            F.cross_entropy(fmodel(batch_val[0]), batch_val[1]).backward()
            outer.step()
            with torch.no_grad():
                for p, moved in zip(module.parameters(), fmodel.parameters(), strict=True):
                    p.copy_(moved)

    return call


def with_torchopt(s: Setup) -> Callable[..., None]:
    import torchopt

    module = s.module.train()
    optimiser = torchopt.MetaSGD(module, INNER_LR)
    phi = {name: t.clone().requires_grad_() for name, t in s.phi.items()}
    outer = torch.optim.Adam(phi.values(), OUTER_LR)

    def call(batches_tr: list[Any], batch_val: Any) -> None:
        outer.zero_grad()
        for x, y in batches_tr:
            optimiser.step(s.loss_fn(phi, module(x), y).mean())
        F.cross_entropy(module(batch_val[0]), batch_val[1]).backward()
        outer.step()
        torchopt.stop_gradient(module)
        torchopt.stop_gradient(optimiser)

    return call


FORMS: dict[str, Callable[[Setup], Callable[..., None]]] = {
    "plain": plain,
    "plain, compiled": partial(plain, compiled=True),
    "base": base,
    "base, compiled": partial(base, compiled=True),
    "higher": with_higher,
    "torchopt": with_torchopt,
    "unroll": partial(ours, form="unroll"),
    "unroll, compiled": partial(ours, form="unroll", compiled=True),
    "mixed": partial(ours, form="mixed"),
    "mixed, compiled": partial(ours, form="mixed", compiled=True),
    "mixed, in compiled pieces": mixed_in_pieces,
    "finite-difference": partial(ours, form="finite-difference"),
    "finite-difference, compiled": partial(ours, form="finite-difference", compiled=True),
}


def interleaved(
    calls: dict[str, Callable[[], None]], device: torch.device, seconds: float, least: int = 5
) -> dict[str, list[float]]:
    """Times calls in turns until the time is up, in milliseconds; the first turn warms up and is not counted.

    On a GPU, times lie between two events, so that earlier calls in its queue do not count.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    end = time.monotonic() + seconds
    while len(next(iter(times.values()))) < least or time.monotonic() < end:
        for name, call in calls.items():
            if device.type == "cuda":
                start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                call()
                stop.record()
                stop.synchronize()
                times[name].append(start.elapsed_time(stop))
            else:
                begin = time.perf_counter()
                call()
                times[name].append(1e3 * (time.perf_counter() - begin))
    return times


def summary(times: list[float]) -> dict[str, float]:
    """Returns median and quartiles."""
    low, median, high = statistics.quantiles(times, n=4)
    return {"median_ms": round(median, 3), "quartiles_ms": [round(low, 3), round(high, 3)], "repetitions": len(times)}
