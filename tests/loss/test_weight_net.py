"""Meta-Weight-Net: the weight is a constant to the model, and learned."""

import pytest
import torch

import lfl
from lfl.loss.weight_net import example_weight
from lfl.randomness import generator

from .steps import check_hypergradient, default_base, first_step, hypergradient

KINDS = ["classification", "regression"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"scale": 1.0, "gain": 1.0}])
def test_the_hypergradient_of_one_step_is_exact(kind: str, options: dict[str, float]) -> None:
    phi, loss_fn = lfl.weight_net(kind, **options, generator=generator(0, "phi"))
    check_hypergradient(phi, loss_fn, kind)


def test_through_several_steps_both_exact_forms_leave_out_the_same() -> None:
    phi, loss_fn = lfl.weight_net("classification", gain=1.0, generator=generator(0, "phi"))
    phi = {name: t.double() for name, t in phi.items()}
    one, other = (hypergradient(form, phi, loss_fn, "classification", 2) for form in ("unroll", "mixed"))
    for name in phi:
        torch.testing.assert_close(one[name], other[name], rtol=1e-7, atol=1e-12)


def test_a_finite_difference_through_several_steps_refuses_the_constant() -> None:
    phi, loss_fn = lfl.weight_net("classification", generator=generator(0, "phi"))
    phi = {name: t.double() for name, t in phi.items()}
    with pytest.raises(lfl.UserError, match="the model or the loss treats values as constants"):
        hypergradient("finite-difference", phi, loss_fn, "classification", 2)
    one, other = (hypergradient(form, phi, loss_fn, "classification") for form in ("finite-difference", "mixed"))
    for name in phi:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_its_gradient_is_that_of_a_hand_weighted_loss(kind: str) -> None:
    phi, loss_fn = lfl.weight_net(kind, scale=1.0, gain=1.0, generator=generator(0, "phi"))
    g = generator(0, "batch")
    f = torch.randn(7, 3, generator=g)
    y = torch.randint(3, (7,), generator=g) if kind == "classification" else torch.randn(7, 3, generator=g)
    net = torch.nn.Sequential(torch.nn.Linear(1, 100), torch.nn.ReLU(), torch.nn.Linear(100, 1), torch.nn.Sigmoid())
    net.load_state_dict({f"{2 * int(name[0])}{name[1:]}": t for name, t in phi.items()})
    leaf = f.clone().requires_grad_()
    if kind == "classification":
        each = torch.nn.functional.cross_entropy(leaf, y, reduction="none")
    else:
        each = torch.nn.functional.l1_loss(leaf, y, reduction="none").mean(1)
    with torch.no_grad():
        weights = net(each[:, None])[:, 0]
    (expected,) = torch.autograd.grad((weights * each).mean(), leaf)
    found = torch.func.grad(lambda f: loss_fn(phi, f, y).mean())(f)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(loss_fn(phi, f, y), (weights * each).detach())


def test_weights_start_about_one_or_as_published_about_a_half() -> None:
    losses = torch.linspace(0.0, 3.0, 31)
    published = []
    for seed in range(50):
        phi, _ = lfl.weight_net("classification", generator=generator(seed, "phi"))
        scaled = 2.0 * example_weight(phi, losses)
        assert 0.85 < scaled.min() < scaled.max() < 1.15
        phi, _ = lfl.weight_net("classification", scale=1.0, gain=1.0, generator=generator(seed, "phi"))
        published.append(example_weight(phi, torch.tensor(1.0)))
    drawn = torch.stack(published)
    assert abs(drawn.mean() - 0.5) < 0.03
    assert abs(drawn.std() - 0.08) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_step_is_the_base_s_to_a_fifth(kind: str) -> None:
    phi, loss_fn = lfl.weight_net(kind, generator=generator(0, "phi"))
    before, learned, plain = first_step(phi, loss_fn, kind, default_base(kind))
    whole = sum(float((plain[name] - before[name]).square().sum()) for name in plain) ** 0.5
    apart = sum(float((plain[name] - learned[name]).square().sum()) for name in plain) ** 0.5
    assert 0.0 < apart < 0.2 * whole
