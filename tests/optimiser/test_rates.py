"""Trees of rates: each parameter as with a rate of its own alone."""

from typing import Any

import pytest
import torch

import lfl

from .test_optimisers import PAIRS, draw

SEPARATE = {**{name: lambda rate, o=o, k=k: o(rate, **k) for name, (o, _, k) in PAIRS.items()}} | {
    "lion": lambda rate: lfl.lion(rate, weight_decay=0.1),
    "muon": lambda rate: lfl.muon(rate, weight_decay=0.1),
    "muon, others": lambda rate: lfl.muon(rate, others_lr=0.5 * rate),
}


@pytest.mark.parametrize("name", SEPARATE)
def test_a_rate_for_each_tensor_is_each_tensor_alone(name: str) -> None:
    make, rates = SEPARATE[name], {"w": torch.tensor(0.03, dtype=torch.float64), "b": 0.2}
    init, update = make(0.1)
    theta = draw(0)
    state, alone = init(theta), {key: ({key: value}, init({key: value})) for key, value in theta.items()}
    for step in range(3):
        grads = draw(1 + step)
        theta, state = update(grads, state, theta, rates)
        for key, (value, slots) in alone.items():
            alone[key] = update({key: grads[key]}, slots, value, rates[key])
            torch.testing.assert_close(theta[key], alone[key][0][key], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ["nesterov, decay", "adam, all", "adamw, all", "rmsprop, all", "lion"])
def test_a_rate_for_each_element_is_each_element_alone(name: str) -> None:
    init, update = SEPARATE[name](0.1)
    theta, grads = {"b": draw(0)["b"]}, {"b": draw(1)["b"]}
    rates = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    moved, _ = update(grads, init(theta), theta, {"b": rates})
    for i in range(4):
        alone, _ = update({"b": grads["b"][i]}, init({"b": theta["b"][i]}), {"b": theta["b"][i]}, float(rates[i]))
        torch.testing.assert_close(moved["b"][i], alone["b"], rtol=1e-13, atol=1e-13)


def test_a_prefix_covers_what_is_below_it() -> None:
    theta = {"body": [torch.ones(2), torch.ones(1)], "head": (torch.ones(1), torch.ones(1))}
    moved, _ = lfl.sgd(1.0).update(theta, {}, theta, {"body": 0.5, "head": (0.25, torch.tensor(0.0))})  # type: ignore[arg-type]
    assert moved == {
        "body": [pytest.approx(torch.full((2,), 0.5)), pytest.approx(torch.full((1,), 0.5))],
        "head": (pytest.approx(torch.full((1,), 0.75)), pytest.approx(torch.ones(1))),
    }


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"w": 0.1}, "got a dict of 'w' where theta is a dict of 'w', 'b'"),
        ([0.1, 0.1], "got a list of 2 where theta is a dict of 'w', 'b'"),
        ({"w": {"x": 0.1}, "b": 0.1}, r"got a dict of 'x' where theta\['w'\] is a tensor of shape \(3, 2\)"),
    ],
)
def test_trees_that_do_not_fit_are_named(rates: Any, message: str) -> None:
    with pytest.raises(lfl.UserError, match=message):
        lfl.sgd(0.1).update(draw(0), {}, draw(0), rates)
