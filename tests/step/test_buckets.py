"""Buckets on one process, whose sum over ranks is itself; `test_ranks.py` has several."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lfl.hypergradient.bilevel import gradient
from lfl.step.buckets import MEGABYTE, Buckets, averaged_gradient

KINDS = st.sampled_from([torch.float32, torch.float64])
SHAPES = st.lists(st.tuples(KINDS, st.lists(st.integers(0, 4), max_size=3)), max_size=8)


def doubled(events: list[Any], flat: torch.Tensor) -> Callable[[], None]:
    """The sum over two ranks that have the same, once it is waited for."""
    events.append(("sum", flat.numel()))

    def wait() -> None:
        flat.mul_(2.0)

    return wait


@given(SHAPES, SHAPES, st.floats(1e-6, 1e-4), st.randoms(use_true_random=False))
def test_every_tensor_comes_back_in_whatever_order_it_came(
    like: Any, beside: Any, megabytes: float, order: Any
) -> None:
    tensors = [[torch.randn(shape, dtype=kind) for kind, shape in part] for part in (like, beside)]
    events: list[Any] = []
    buckets = Buckets(*tensors, size=2, megabytes=megabytes, start=partial(doubled, events))
    everything = [*tensors[0], *tensors[1]]
    places = list(range(len(everything)))
    order.shuffle(places)
    for i in places:
        buckets.take(i, everything[i])
    for mean, tensor in zip(buckets.finish(), everything, strict=True):
        assert mean.dtype == tensor.dtype
        assert torch.equal(mean, tensor)
    assert sum(numel for _, numel in events) == sum(t.numel() for t in everything)


def test_sums_start_in_one_order_whatever_comes_first() -> None:
    """Else ranks whose gradients come in another order would add up what does not belong together."""
    tensors = [torch.ones(n) for n in (10, 20, 30)]
    seen = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        events: list[Any] = []
        buckets = Buckets(tensors, [], size=2, megabytes=4 * 5 / MEGABYTE, start=partial(doubled, events))
        for i in order:
            buckets.take(i, tensors[i])
        buckets.finish()
        seen.append(events)
    assert seen == [[("sum", 10), ("sum", 20), ("sum", 30)]] * 3


def deep(events: list[Any], theta: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Three layers, of which the last one's gradient comes first."""
    x = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64)
    for name in ("first", "second", "third"):
        x = (theta[name] @ x).tanh()
        x.register_hook(lambda slope, name=name: events.append((name, None)))  # type: ignore[no-untyped-call]
    return x.square().sum(), x


def test_sums_are_on_their_way_before_earlier_layers_have_their_gradients() -> None:
    theta = {name: torch.randn(5, 5, dtype=torch.float64) for name in ("first", "second", "third", "unused")}
    events: list[Any] = []
    made = partial(Buckets, size=2, megabytes=8 * 20 / MEGABYTE, start=partial(doubled, events))
    grads, aux, rest = averaged_gradient(
        partial(deep, events), theta, lambda x: (x, "a word"), buckets=made, average=lambda tree: tree
    )
    expected, x = gradient(partial(deep, []), theta)
    assert all(torch.equal(grads[name], expected[name]) for name in theta)
    assert torch.equal(aux, x)
    assert torch.equal(rest[0], x)
    assert rest[1] == "a word"
    assert events == [
        ("third", None),
        ("second", None),
        ("first", None),
        ("sum", 25),  # unused: not before the pass has ended
        *[("sum", 25)] * 2,
        ("sum", 30),
    ]
    del theta["unused"]
    events.clear()
    averaged_gradient(partial(deep, events), theta, lambda x: x, buckets=made, average=lambda tree: tree)
    assert events == [("third", None), ("sum", 25), ("second", None), ("sum", 25), ("first", None), ("sum", 30)]


def test_the_callers_autograd_goes_through() -> None:
    theta = {name: torch.randn(5, 5, dtype=torch.float64, requires_grad=True) for name in ("first", "second", "third")}

    def length(moved: Callable[[Any], Any]) -> torch.Tensor:
        return torch.stack([g.square().sum() for g in moved(theta).values()]).sum()

    def ours(theta: Any) -> Any:
        made = partial(Buckets, size=2, megabytes=25.0, start=pytest.fail)
        return averaged_gradient(partial(deep, []), theta, lambda x: x, buckets=made, average=lambda tree: tree)[0]

    found = torch.autograd.grad(length(ours), [*theta.values()])
    expected = torch.autograd.grad(length(lambda theta: gradient(partial(deep, []), theta)[0]), [*theta.values()])
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
