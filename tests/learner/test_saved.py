"""A saved learner continues bit for bit, through a file that torch reads without trusting it."""

import io
from typing import Any

import pytest
import torch

import lfl

from .cases import OPTIMISERS, batch, made


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("saved_after", [1, 2, 3])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("name", ["batch norm", "dropout"])
def test_continues_bit_for_bit(name: str, accumulate: int, saved_after: int) -> None:
    settings: dict[str, Any] = {"optimizer": OPTIMISERS["nesterov, decay"], "meta_every": 2, "accumulate": accumulate}
    settings |= {"steps": 6, "schedule": "cosine"}
    first, second = made(name), made(name, seed=1)
    learner = lfl.Learner(first, seed=3, **settings)
    calls = [(batch(call), batch(call, 1)) for call in range(6)]
    for call in calls[:saved_after]:
        learner.step(*call)
    kept = through_a_file({"module": first.state_dict(), "learner": learner.state_dict()})
    wanted = [learner.step(*call) for call in calls[saved_after:]]
    other = lfl.Learner(second, **settings)
    second.load_state_dict(kept["module"])
    other.load_state_dict(kept["learner"])
    found = [other.step(*call) for call in calls[saved_after:]]
    assert all(torch.equal(a, b) for x, y in zip(found, wanted, strict=True) for a, b in zip(x, y, strict=True))
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(other.phi[n], learner.phi[n]) for n in learner.phi)
    assert other.steps_done == learner.steps_done


def test_a_state_is_kept_apart_from_later_steps() -> None:
    learner = lfl.Learner(made("plain"), optimizer=lfl.adam(0.01), num_outputs=3)
    learner.step(batch(0), batch(0, 1))
    state = learner.state_dict()
    copy = through_a_file(state)
    learner.step(batch(1), batch(1, 1))
    torch.testing.assert_close(state, copy, rtol=0.0, atol=0.0)


def test_numbers_in_an_optimisers_state_are_kept() -> None:
    def counting() -> lfl.Optimiser:
        def update(grads: Any, count: int, theta: Any) -> Any:
            return {n: p - 0.1 / (1 + count) * grads[n] for n, p in theta.items()}, count + 1

        return lfl.Optimiser(lambda theta: 0, update)

    learner = lfl.Learner(made("plain"), optimizer=counting())
    for step in range(3):
        learner.step(batch(step), batch(step, 1))
    other = lfl.Learner(made("plain"), optimizer=counting())
    other.load_state_dict(through_a_file(learner.state_dict()))
    assert other.state_dict()["inner"] == {"": 3}


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    learner = lfl.Learner(made("plain"), optimizer=lfl.adam(0.01), num_outputs=3)
    with pytest.raises(lfl.UserError, match="no state before the first step"):
        lfl.Learner(made("plain")).state_dict()
    with pytest.raises(lfl.UserError, match=r"takes what Learner\.state_dict returned"):
        learner.load_state_dict(made("plain").state_dict())
    of_sgd = lfl.Learner(made("plain"), num_outputs=3).state_dict()
    before = learner.state_dict()
    with pytest.raises(lfl.UserError, match="inner is of a learner with other settings"):
        learner.load_state_dict(of_sgd)
    wrong = lfl.Learner(made("batch norm"), optimizer=lfl.adam(0.01), loss="network", num_outputs=3).state_dict()
    with pytest.raises(lfl.UserError, match="phi"):
        learner.load_state_dict(wrong)
    bent = before | {"phi": {name: t[..., :1] for name, t in before["phi"].items()}}
    with pytest.raises(lfl.UserError, match=r"phi.* must be a tensor .* got"):
        learner.load_state_dict(bent)
    torch.testing.assert_close(learner.state_dict(), before, rtol=0.0, atol=0.0)
