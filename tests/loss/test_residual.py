"""A residual loss is its base plus a correction, and starts at the base."""

import pytest
import torch

import lfl
from lfl.loss.residual import LAST, OF_KIND
from lfl.randomness import generator

from .steps import batches, check_hypergradient, default_base, double, first_step, task_loss

KINDS = ["classification", "regression"]


def outputs_of(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(3, "outputs")
    outputs = 2.0 * torch.randn(9, 3, generator=g, dtype=torch.float64)
    return outputs, batches(kind)[0][1][:9]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_steps", [1, 2])
@pytest.mark.parametrize("bound", [None, 0.3])
def test_the_hypergradient_is_exact(kind: str, num_steps: int, bound: float | None) -> None:
    phi, loss_fn = lfl.residual_loss(kind, gain=1.0, bound=bound, generator=generator(0, "phi"))
    check_hypergradient(phi, loss_fn, kind, num_steps)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_hypergradient_of_the_matrix_is_exact(num_steps: int) -> None:
    phi, loss_fn = lfl.residual_loss("classification", gain=1.0, num_outputs=3, generator=generator(0, "phi"))
    phi["cost"] = 0.3 * torch.randn(3, 3, generator=generator(1, "cost"))
    check_hypergradient(phi, loss_fn, "classification", num_steps)


def test_more_than_a_hundred_classes_have_no_matrix() -> None:
    sizes = [
        set(lfl.residual_loss("classification", num_outputs=n, generator=generator(0, "phi"))[0]) for n in (100, 101)
    ]
    assert sizes[0] - sizes[1] == {"cost"}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_base_plus_the_correction(kind: str) -> None:
    base = {"classification": "focal", "regression": "absolute-error"}[kind]
    pair = lfl.loss_network(kind, gain=1.0, generator=generator(0, "phi"))
    phi, loss_fn = lfl.residual_loss(kind, base=base, correction=pair, generator=generator(1, "phi"))
    assert phi is pair[0]
    f, y = outputs_of(kind)
    expected = lfl.loss.HANDCRAFTED[kind][base](f, y) + pair[1](phi, f, y)
    torch.testing.assert_close(loss_fn(phi, f, y), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "correction"), [(kind, name) for kind in KINDS for name in LAST if OF_KIND.get(name, kind) == kind]
)
def test_the_first_step_is_the_base_s_to_the_bit_where_the_correction_starts_at_zero(
    kind: str, correction: str
) -> None:
    phi, loss_fn = lfl.residual_loss(kind, correction=correction, exact=True, generator=generator(0, "phi"))
    before, learned, plain = first_step(phi, loss_fn, kind, default_base(kind))
    for name in before:
        assert not torch.equal(before[name], plain[name])
        assert torch.equal(learned[name], plain[name])


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_phi_moves_from_the_second_step_on(kind: str) -> None:
    phi, loss_fn = lfl.residual_loss(kind, exact=True, generator=generator(0, "phi"))
    theta, _, apply_fn = lfl.functional(torch.nn.Linear(4, 3).double())
    start, carry = double(phi), None
    phi, moved = start, []
    for batch in batches(kind):
        theta, phi, carry, _ = lfl.meta_step(
            theta,
            phi,
            batch,
            batch,
            carry,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=task_loss(kind),
            inner=lfl.sgd(0.1),
            outer=lfl.adam(1e-3),
        )
        moved.append({name for name in phi if not torch.equal(phi[name], start[name])})
    assert moved == [{"2.weight"}, set(phi), set(phi)]


@pytest.mark.parametrize(("kind", "most"), [("classification", 1e-3), ("regression", 1e-2)])
def test_as_drawn_the_first_step_is_nearly_the_base_s(kind: str, most: float) -> None:
    for seed in range(5):
        phi, loss_fn = lfl.residual_loss(kind, generator=generator(seed, "phi"))
        before, learned, plain = first_step(phi, loss_fn, kind, default_base(kind))
        whole = sum(float((plain[name] - before[name]).square().sum()) for name in plain) ** 0.5
        apart = sum(float((plain[name] - learned[name]).square().sum()) for name in plain) ** 0.5
        assert 0.0 < apart < most * whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_bounded_correction_stays_within_its_bound(kind: str) -> None:
    pair = lfl.loss_network(kind, gain=10.0, generator=generator(0, "phi"))
    f, y = outputs_of(kind)
    phi, free = lfl.residual_loss(kind, correction=pair, generator=generator(0, "phi"))
    _, bounded = lfl.residual_loss(kind, correction=pair, bound=0.25, generator=generator(0, "phi"))
    base = default_base(kind)(f, y)
    assert (free(phi, f, y) - base).abs().max() > 10
    assert (bounded(phi, f, y) - base).abs().max() <= 0.25


def test_what_does_not_count_leaves_both_parts() -> None:
    phi, loss_fn = lfl.residual_loss("classification", gain=1.0, generator=generator(0, "phi"))
    f, y = outputs_of("classification")
    y = y.clone()
    y[[1, 4, 5]] = -100
    kept = y != -100
    losses = loss_fn(phi, f, y)
    assert not losses[~kept].any()
    torch.testing.assert_close(losses.mean(), loss_fn(phi, f[kept], y[kept]).mean(), rtol=1e-12, atol=0.0)
    vmapped = torch.func.vmap(loss_fn, (None, 0, 0))(phi, f[None], y[None])[0]
    torch.testing.assert_close(vmapped, losses, rtol=1e-12, atol=0.0)


def test_one_logit_is_two() -> None:
    phi, loss_fn = lfl.residual_loss("classification", generator=generator(0, "phi"))
    z, y = torch.randn(6, generator=generator(0, "z")), torch.tensor([0, 1, 1, 0, 1, 0])
    two = torch.stack((torch.zeros(6), z), 1)
    for one in (z, z[:, None]):
        torch.testing.assert_close(loss_fn(phi, one, y), loss_fn(phi, two, y))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"base": "squared-error"}, "unknown hand-made loss for classification 'squared-error'"),
        (
            {"correction": "residual"},
            "unknown correction 'residual'; choose one of: example, error, network, relu-softplus",
        ),
        ({"correction": "relu-softplus", "exact": True}, "relu-softplus cannot start at 0"),
        ({"bound": 0.0}, "bound must be a finite number above 0"),
        ({"correction": "regression"}, "must be of that kind"),
    ],
)
def test_what_cannot_be_is_told(asked: dict[str, object], words: str) -> None:
    if asked.get("correction") == "regression":
        asked = {"correction": lfl.loss_network("regression", generator=generator(0, "phi"))}
    with pytest.raises(lfl.UserError, match=words):
        lfl.residual_loss("classification", **asked, generator=generator(0, "phi"))
