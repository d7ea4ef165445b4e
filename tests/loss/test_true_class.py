"""The loss of the true class's probability: its formula, its start, and its price."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import lfl
from lfl.randomness import generator

from .steps import check_hypergradient, first_step


def drawn(gain: float = 1.0) -> tuple[dict[str, torch.Tensor], lfl.ExampleLoss]:
    phi, loss_fn = lfl.true_class_loss("classification", gain=gain, generator=generator(0, "phi"))
    return phi | {"share": torch.tensor(0.3)}, loss_fn


@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_hypergradient_is_exact(num_steps: int) -> None:
    check_hypergradient(*drawn(), "classification", num_steps)


def test_without_a_network_it_is_label_smoothing() -> None:
    classes, xi = 6, 0.2
    phi, loss_fn = lfl.true_class_loss("classification", generator=generator(0, "phi"))
    phi = {name: torch.zeros_like(t) for name, t in phi.items()}
    phi["share"] = torch.tensor(-xi * (classes - 1) / classes)
    g = generator(0, "batch")
    f, y = torch.randn(8, classes, generator=g), torch.randint(classes, (8,), generator=g)

    def slope(loss) -> torch.Tensor:
        return torch.func.grad(lambda f: loss(f, y).sum())(f)

    # -(1 - xi) log p_t - xi/C sum_i log p_i, less the share of the true class that the base has in full
    extra = torch.func.grad(lambda f: (xi - xi / classes) * torch.log_softmax(f, 1).gather(1, y[:, None]).sum())(f)
    torch.testing.assert_close(
        slope(lambda f, y: loss_fn(phi, f, y)) + extra, slope(lambda f, y: lfl.label_smoothing(f, y, xi))
    )


def test_the_first_step_is_the_base_s_to_a_thousandth() -> None:
    for seed in range(5):
        phi, loss_fn = lfl.true_class_loss("classification", generator=generator(seed, "phi"))
        before, learned, plain = first_step(phi, loss_fn, "classification", lfl.cross_entropy)
        whole = sum(float((plain[name] - before[name]).square().sum()) for name in plain) ** 0.5
        apart = sum(float((plain[name] - learned[name]).square().sum()) for name in plain) ** 0.5
        assert 0.0 < apart < 1e-3 * whole


class Products(TorchDispatchMode):
    """Rows that go through the network: those of its matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in {torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default}:
            self.rows.append(args[-2].shape[:-1].numel())
        return func(*args, **kwargs or {})


def rows_of(phi, loss_fn, classes: int) -> list[int]:
    with Products() as seen:
        loss_fn(phi, torch.zeros(7, classes), torch.zeros(7, dtype=torch.long))
    return seen.rows


def test_one_evaluation_an_example_at_any_number_of_classes() -> None:
    phi, loss_fn = drawn()
    assert rows_of(phi, loss_fn, 3) == rows_of(phi, loss_fn, 3000) == [7, 7, 7]
    pointwise = lfl.residual_loss("classification", correction="network", generator=generator(0, "phi"))
    assert rows_of(*pointwise, 300) == [2100, 2100, 2100]


def test_the_gradient_stays_finite_where_a_probability_is_nothing() -> None:
    phi, loss_fn = drawn()
    outputs = torch.zeros(1, 50)
    outputs[0, 3] = 1e4
    assert torch.func.grad(lambda f: loss_fn(phi, f, torch.tensor([0])).sum())(outputs).isfinite().all()


def test_it_is_for_classes() -> None:
    with pytest.raises(lfl.UserError, match="true-class is for classes"):
        lfl.true_class_loss("regression", generator=generator(0, "phi"))
