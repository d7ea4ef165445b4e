"""Optimisers of a user's own: any state of tensors, numbers and None; and what is none is refused in words."""

from typing import Any

import pytest
import torch
from torch import nn

import lfl
from lfl.optimiser.optimiser import as_optimiser

from ..hypergradient.cases import RECORDER, assert_close, make_case


def counting(lr: float) -> tuple[Any, Any]:
    """Momentum whose rate falls with the steps: a bare pair, its state a number, a word, None and a tensor for each."""

    def init(theta: Any) -> Any:
        return {
            "count": 0,
            "decay": 0.5,
            "kind": "heavy ball",
            "nothing": None,
            "m": {n: 0.0 * p for n, p in theta.items()},
        }

    def update(grads: Any, state: Any, theta: Any) -> Any:
        assert isinstance(state["count"], int)
        assert state["nothing"] is None
        m = {n: 0.9 * state["m"][n] + g for n, g in grads.items()}
        rate = lr / (1.0 + state["decay"] * state["count"])
        return {n: p - rate * m[n] for n, p in theta.items()}, state | {"count": state["count"] + 1, "m": m}

    return init, update


def in_tensors(lr: float) -> lfl.Optimiser:
    """The same with a tensor as counter."""

    def init(theta: Any) -> Any:
        return torch.tensor(0), {n: 0.0 * p for n, p in theta.items()}

    def update(grads: Any, state: Any, theta: Any, lr_: Any = None) -> Any:
        count, m = state
        m = {n: 0.9 * m[n] + g for n, g in grads.items()}
        rate = lr / (1.0 + 0.5 * count.double())
        return {n: p - rate * m[n] for n, p in theta.items()}, (count + 1, m)

    return lfl.Optimiser(init, update)


@pytest.mark.parametrize("form", ["unroll", "mixed", "finite-difference"])
def test_numbers_and_none_in_a_state(form: str) -> None:
    """Two calls of two steps each, against the same optimiser with tensors alone."""
    case = make_case("plain", "sgd", "classification", torch.float64)
    batches = [case.batch_tr, case.batch_val]
    found = {}
    for name, inner in (("numbers", counting(0.3)), ("tensors", in_tensors(0.3))):
        theta, carry = case.theta, None
        for _ in range(2):
            theta, _, carry, _ = lfl.meta_step(
                theta, case.phi, batches, case.batch_val, carry, **(case.kwargs | {"inner": inner}), hypergradient=form
            )
        found[name] = theta, carry.outer
    assert carry.inner[0] == 4
    assert_close(found["numbers"], found["tensors"], 1e-12 if form != "finite-difference" else 1e-6)
    alone = lfl.base_step(
        case.theta,
        case.batch_tr,
        apply_fn=case.kwargs["apply_fn"],
        loss=lfl.cross_entropy,
        task_loss=lfl.cross_entropy,
        inner=counting(0.3),
    )
    assert alone[1].inner["count"] == 1


def test_numbers_as_phis_optimisers_state_and_clipped() -> None:
    case = make_case("plain", "sgd", "classification", torch.float64)
    outer = lfl.clip(counting(0.1), 1.0)
    _, phi, carry, _ = lfl.meta_step(*case[1:5], **(case.kwargs | {"outer": outer}))
    grads = lfl.meta_step(*case[1:5], **case.kwargs)[2].outer
    assert carry.outer["count"] == 1
    size = float(torch.cat([g.flatten() for g in grads.values()]).norm())
    assert_close(phi, {n: p - 0.1 * min(1.0, 1.0 / size) * grads[n] for n, p in case.phi.items()})


class Slots:
    """State that is no tree."""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.optim.SGD([torch.zeros(1)], 0.1), r"inner must be an lfl\.Optimiser.*got SGD.*own-optimiser"),
        (torch.optim.Adam, "got Adam"),
        (lfl.sgd, "got sgd"),
        ((lfl.sgd(0.1),), "got tuple"),
        (0.1, "got float"),
        (lfl.Optimiser(lambda theta: Slots(), lambda g, s, theta: (theta, s)), "got a Slots in it"),
        (lfl.Optimiser(lambda theta: {}, lambda g, s, theta: theta), r"must return \(theta, state\), got dict"),
        (lfl.Optimiser(lambda theta: {}, lambda g, s, theta: ([], s)), "must return theta first"),
    ],
)
def test_what_is_no_optimiser_is_refused(given: Any, words: str) -> None:
    case = make_case("plain", "sgd", "classification", torch.float64)
    with pytest.raises(lfl.UserError, match=words):
        lfl.meta_step(*case[1:5], **(case.kwargs | {"inner": given}))


def test_every_entrance_looks_at_the_optimiser() -> None:
    case = make_case("plain", "sgd", "classification", torch.float64)
    wrong = {"inner": torch.optim.SGD}
    kwargs = case.kwargs | wrong
    with pytest.raises(lfl.UserError, match="got SGD"):
        lfl.offline_step(case.theta, case.phi, [case.batch_tr], case.batch_val, **kwargs)
    with pytest.raises(lfl.UserError, match="outer must be"):
        lfl.meta_step(*case[1:5], **(case.kwargs | {"outer": torch.optim.Adam}))
    with pytest.raises(lfl.UserError, match="got SGD"):
        lfl.fresh_carry(case.theta, case.phi, apply_fn=case.kwargs["apply_fn"], **wrong)
    with pytest.raises(lfl.UserError, match="got SGD"):
        lfl.clip(torch.optim.SGD, 1.0)
    loss = {"loss": lfl.cross_entropy, "task_loss": lfl.cross_entropy}
    with pytest.raises(lfl.UserError, match="got SGD"):
        lfl.base_step(case.theta, case.batch_tr, apply_fn=case.kwargs["apply_fn"], **loss, **wrong)


def test_a_rate_for_an_update_that_takes_none_is_refused() -> None:
    case = make_case("plain", "sgd", "classification", torch.float64)
    with pytest.raises(lfl.UserError, match="inner_lr is given, but the update of inner takes no rate"):
        lfl.meta_step(*case[1:5], **(case.kwargs | {"inner": counting(0.1)}), inner_lr=0.1)
    assert as_optimiser("inner", lfl.sgd(0.1), 0.1).update is not None


def test_nothing_to_learn_is_refused() -> None:
    case = make_case("plain", "sgd", "classification", torch.float64)
    frozen = nn.Linear(5, 4).double().requires_grad_(False)
    theta, _, apply_fn = lfl.functional(frozen)
    assert theta == {}
    batches = case.batch_tr, case.batch_val
    with pytest.raises(lfl.UserError, match="no trainable parameter"):
        lfl.meta_step(theta, case.phi, *batches, **(case.kwargs | {"apply_fn": apply_fn}))
    loss = {"loss": lfl.cross_entropy, "task_loss": lfl.cross_entropy}
    with pytest.raises(lfl.UserError, match="no trainable parameter"):
        lfl.base_step(theta, case.batch_tr, apply_fn=apply_fn, inner=lfl.sgd(0.1), **loss)
    for phi in ({}, None, {"a": 1.0}):
        with pytest.raises(lfl.UserError, match="at least one tensor"):
            lfl.meta_step(case.theta, phi, *batches, **(case.kwargs | {"outer": RECORDER}))
