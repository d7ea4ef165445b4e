"""Against torch's own forward mode."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lfl.hypergradient.directional import FastBatchNorm

C = 5
SHAPES = [(7, C), (4, C, 3), (4, C, 3, 2), (2, C, 3, 2, 2)]


def drawn(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [3.0 + torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes]


def both_ways(function, primals, tangents):
    with FastBatchNorm():
        ours = torch.func.jvp(function, primals, tangents)
    torchs = torch.func.jvp(function, primals, tangents)
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("along", ["x", "x weight bias", "weight bias", "weight", "bias"])
def test_value_and_tangent_are_torchs(shape: tuple[int, ...], along: str) -> None:
    x, weight, bias, *moves = drawn(shape, (C,), (C,), shape, (C,), (C,))
    values = {"x": x, "weight": weight, "bias": bias}
    tangents = dict(zip(values, moves, strict=True))
    names = along.split()

    def function(*moved: torch.Tensor) -> torch.Tensor:
        given = values | dict(zip(names, moved, strict=True))
        return F.batch_norm(given["x"], None, None, given["weight"], given["bias"], True, eps=0.1)

    both_ways(function, tuple(values[name] for name in names), tuple(tangents[name] for name in names))


@pytest.mark.parametrize("layer", [torch.nn.BatchNorm2d(C), torch.nn.BatchNorm2d(C, affine=False)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_layers_and_their_running_statistics(layer: torch.nn.Module, training: bool) -> None:
    x, dx = drawn((4, C, 3, 2), (4, C, 3, 2))
    layer = layer.double().train(training)

    def function(x: torch.Tensor):
        buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}
        out = torch.func.functional_call(layer, (dict(layer.named_parameters()), buffers), (x * x,))
        return out, buffers["running_mean"], buffers["running_var"]

    with FastBatchNorm():
        ours = torch.func.jvp(function, (x,), (dx,))
    torchs = torch.func.jvp(function, (x,), (dx,))
    torch.testing.assert_close(ours[0], torchs[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours[1][0], torchs[1][0], rtol=1e-12, atol=1e-12)


def test_it_maps_over_seeds() -> None:
    x, weight, dx, dweight = drawn((3, 4, C, 2), (3, C), (3, 4, C, 2), (3, C))

    def one(x, weight, dx, dweight):
        return torch.func.jvp(lambda x, w: F.batch_norm(x, None, None, w, None, True), (x, weight), (dx, dweight))

    with FastBatchNorm():
        ours = torch.func.vmap(one)(x, weight, dx, dweight)
    for i in range(3):
        for a, b in zip(ours, one(x[i], weight[i], dx[i], dweight[i]), strict=True):
            torch.testing.assert_close(a[i], b, rtol=1e-12, atol=1e-12)


def test_reverse_mode_within_and_around_it_is_left_to_torch() -> None:
    x, dx = drawn((4, C, 2), (4, C, 2))

    def loss(x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, None, None, None, None, True).pow(3).sum()

    both_ways(torch.func.grad(loss), (x,), (dx,))
    slope = torch.func.grad(lambda x: torch.func.jvp(loss, (x,), (dx,))[1])
    with FastBatchNorm():
        ours = slope(x)
    torch.testing.assert_close(ours, slope(x), rtol=1e-12, atol=1e-12)


def test_one_value_a_channel_is_torchs_error() -> None:
    x = torch.ones(1, C)
    with FastBatchNorm(), pytest.raises(ValueError, match="more than 1 value per channel"):
        torch.func.jvp(lambda x: F.batch_norm(x, None, None, None, None, True), (x,), (x,))


NO_DATA = {"alias", "detach", "expand", "view", "is_same_size", "_has_same_storage_numel"}


class Passes(TorchDispatchMode):
    """Counts operations that write or read a tensor of a size or more."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.count = size, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        large = any(isinstance(t, torch.Tensor) and t.numel() >= self.size for t in (*args, out))
        self.count += large and func.__name__.split(".")[0] not in NO_DATA
        return out


def test_it_takes_a_third_of_the_passes() -> None:
    x, weight, bias = drawn((8, C, 4, 4), (C,), (C,))

    def passes() -> int:
        with Passes(x.numel()) as counter:
            args = x, weight, bias
            torch.func.jvp(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), args, args)
        return counter.count

    with FastBatchNorm():
        ours = passes()
    assert ours == 7
    assert passes() >= 2.5 * ours
