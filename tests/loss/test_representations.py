"""Every representation is a loss that a step can learn."""

from importlib import import_module
from pathlib import Path

import pytest
import torch

import lfl
from lfl.loss import POINTWISE, REPRESENTATIONS, draw_loss
from lfl.loss.curve import sample_curves

OF_CLASSES = {"true-class", "vector-scaling"}
CASES = [(name, kind) for name in REPRESENTATIONS for kind in ("classification", "regression")]


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, k in CASES if k == "classification" or n not in OF_CLASSES])
def test_phi_moves_theta_and_is_moved(name: str, kind: str) -> None:
    g = torch.Generator().manual_seed(0)
    phi, loss_fn = REPRESENTATIONS[name](kind, num_outputs=4, generator=g)
    theta, _, apply_fn = lfl.functional(torch.nn.Linear(3, 4))
    y = torch.randint(4, (8,), generator=g) if kind == "classification" else torch.randn(8, 4, generator=g)
    batch = torch.randn(8, 3, generator=g), y
    moved, new_phi, _, info = lfl.meta_step(
        theta,
        phi,
        batch,
        batch,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.cross_entropy if kind == "classification" else lfl.squared_error,
        inner=lfl.sgd(0.1),
        outer=lfl.sgd(0.1),
    )
    assert info.phi_grad_norm > 0
    assert not torch.equal(moved["weight"], theta["weight"])
    assert any(not torch.equal(new_phi[name], phi[name]) for name in phi)
    curves = sample_curves(loss_fn, phi)
    assert curves.shape == (2 if kind == "classification" and name in POINTWISE else 1, 101)
    assert curves.isfinite().all()


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_all_are_drawn_in_one_way(name: str) -> None:
    """By the name of a module and of one function in it, with the same arguments."""
    draw = REPRESENTATIONS[name]
    assert getattr(import_module(draw.__module__), draw.__name__) is draw
    g = torch.Generator().manual_seed(0)
    phi, loss_fn = draw("classification", num_outputs=4, base=None, generator=g)
    assert loss_fn(phi, torch.zeros(3, 4), torch.tensor([0, 1, 2])).shape == (3,)


def test_the_network_of_ml3_is_never_negative() -> None:
    phi, loss_fn = REPRESENTATIONS["relu-softplus"]("regression", generator=torch.Generator().manual_seed(0))
    f, y = torch.randn(2, 500, generator=torch.Generator().manual_seed(1))
    losses = loss_fn(phi, f, y)
    assert losses.min() > 0
    hidden = torch.relu(torch.relu(torch.stack([y, f], 1) @ phi["0.weight"].T) @ phi["1.weight"].T)
    torch.testing.assert_close(losses, torch.nn.functional.softplus(hidden @ phi["2.weight"].T)[:, 0])


def test_the_network_of_ml3_is_drawn_kaiming_normal() -> None:
    phi, _ = REPRESENTATIONS["relu-softplus"]("regression", generator=torch.Generator().manual_seed(0))
    draws = torch.Generator().manual_seed(0)
    for weight in phi.values():
        expected = torch.nn.init.kaiming_normal_(torch.empty_like(weight), generator=draws)
        torch.testing.assert_close(weight, expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("name", POINTWISE)
def test_what_a_loss_does_not_need_changes_nothing(name: str, kind: str) -> None:
    plain, _ = POINTWISE[name](kind, generator=torch.Generator().manual_seed(0))
    phi, _ = draw_loss(name, kind, num_outputs=7, base="focal", generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(phi[key], plain[key]) for key in plain)


OWN = """
import torch
import lfl
def temperature(kind, num_outputs, generator):
    def loss_fn(phi, outputs, targets):
        return torch.nn.functional.cross_entropy(outputs * phi["t"], targets, reduction="none")
    return {"t": torch.ones(())}, loss_fn
def network(kind, num_outputs, generator):
    return lfl.loss_network(kind, width=num_outputs, generator=generator)
def alone(kind, num_outputs, generator):
    return {"t": torch.ones(())}
def nested(kind, num_outputs, generator):
    return {"t": {"a": torch.ones(())}}, len
def infinite(kind, num_outputs, generator):
    return {"t": torch.full((), float("inf"))}, len
def taken(kind, num_outputs, generator):
    return {"inner_lr": torch.ones(())}, len
def no_function(kind, num_outputs, generator):
    return {"t": torch.ones(())}, 3
def mean(kind, num_outputs, generator):
    return {"t": torch.ones(())}, lambda phi, f, y: f.mean()
def fails(kind, num_outputs, generator):
    raise KeyError("no such thing")
def other(kind, num_outputs, generator):
    return lfl.loss_network("regression", generator=generator)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_losses.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def draw_own(name: str):
    return draw_loss(f"own_losses:{name}", "classification", num_outputs=3, generator=torch.Generator().manual_seed(0))


def test_a_user_s_own(own: None) -> None:
    f, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, -100, 2, 1])
    phi, loss_fn = draw_own("temperature")
    torch.testing.assert_close(loss_fn(phi, f, y), lfl.cross_entropy(f, y))
    phi, loss_fn = draw_own("network")
    assert isinstance(loss_fn, lfl.LearnedLoss)
    assert phi["0.weight"].shape == (3, 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "cannot be imported"),
        ("alone", r"must return a pair \(phi, loss_fn\), got {'t': Tensor}"),
        ("nested", "a flat dict of floating-point tensors"),
        ("infinite", "all finite"),
        ("taken", "none called inner_lr"),
        ("no_function", "must return a function as loss_fn, got int"),
        ("mean", r"must return a loss for each example, \[2\]"),
        ("fails", "raised KeyError: 'no such thing'"),
        ("other", "must return a loss for classification, got one for regression"),
    ],
)
def test_what_an_own_loss_cannot_be_is_told(name: str, words: str, own: None) -> None:
    with pytest.raises(lfl.UserError, match=words):
        draw_own(name)
