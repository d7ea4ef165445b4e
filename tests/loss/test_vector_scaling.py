"""Vector scaling starts at cross-entropy to the bit, and is Li et al.'s formula everywhere."""

import pytest
import torch

import lfl
from lfl.randomness import generator

from .steps import check_hypergradient, first_step


def drawn(classes: int = 3) -> tuple[dict[str, torch.Tensor], lfl.ExampleLoss]:
    """phi away from its start."""
    phi, loss_fn = lfl.vector_scaling("classification", num_outputs=classes, generator=generator(0, "phi"))
    g = generator(1, "phi")
    return {name: 0.5 * torch.randn(t.shape, generator=g) for name, t in phi.items()}, loss_fn


@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_hypergradient_is_exact(num_steps: int) -> None:
    check_hypergradient(*drawn(), "classification", num_steps)


def test_the_first_step_is_cross_entropy_s_to_the_bit() -> None:
    phi, loss_fn = lfl.vector_scaling("classification", num_outputs=3, generator=generator(0, "phi"))
    before, learned, plain = first_step(phi, loss_fn, "classification", lfl.cross_entropy)
    for name in before:
        assert not torch.equal(before[name], plain[name])
        assert torch.equal(learned[name], plain[name])


def test_it_is_the_published_formula() -> None:
    phi, loss_fn = drawn(4)
    g = generator(0, "batch")
    f, y = torch.randn(8, 4, generator=g), torch.randint(4, (8,), generator=g)
    w, delta, iota = phi["log_weight"].exp(), phi["log_temperature"].exp(), phi["offset"]
    for k in range(8):
        t = int(y[k])
        others = sum(
            torch.exp(iota[j] - iota[t]) * torch.exp(delta[j] * f[k, j] - delta[t] * f[k, t])
            for j in range(4)
            if j != t
        )
        torch.testing.assert_close(loss_fn(phi, f, y)[k], w[t] * torch.log1p(others))


def test_of_one_logit_there_are_two_classes() -> None:
    phi, loss_fn = lfl.vector_scaling("classification", num_outputs=1, generator=generator(0, "phi"))
    assert phi["offset"].shape == (2,)
    z, y = torch.tensor([0.5, -2.0]), torch.tensor([1, 0])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(z, y.float(), reduction="none")
    torch.testing.assert_close(loss_fn(phi, z, y), expected)


def test_it_is_for_so_many_classes() -> None:
    phi, loss_fn = drawn(4)
    with pytest.raises(lfl.UserError, match=r"made for 4 outputs, got \[2, 5\]"):
        loss_fn(phi, torch.zeros(2, 5), torch.tensor([0, 1]))
    with pytest.raises(lfl.UserError, match="vector-scaling is for classes"):
        lfl.vector_scaling("regression", num_outputs=1, generator=generator(0, "phi"))
