"""The forms of a batch: each is taken for what it is, or refused in words."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lfl

from ..hypergradient.cases import Case, make_case
from .test_meta import assert_same


def case_of(kind: str = "classification", model: str = "plain") -> Case:
    return make_case(model, "sgd", kind, torch.float64)


def loaded(batch: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """The same batch as a `DataLoader` gives it."""
    return next(iter(DataLoader(TensorDataset(*batch), batch_size=len(batch[1]))))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_batch_of_a_data_loader_is_one_batch(kind: str) -> None:
    case = case_of(kind)
    train, valid = loaded(case.batch_tr), loaded(case.batch_val)
    assert isinstance(train, list)
    kwargs = case.kwargs
    expected = lfl.meta_step(*case[1:6], **kwargs)
    assert_same(lfl.meta_step(case.theta, case.phi, train, valid, case.carry, **kwargs), expected)
    assert_same(lfl.meta_step(case.theta, case.phi, [train], valid, case.carry, **kwargs), expected)
    two = lfl.meta_step(case.theta, case.phi, [case.batch_tr, case.batch_val], valid, case.carry, **kwargs)
    assert_same(lfl.meta_step(case.theta, case.phi, [train, valid], valid, case.carry, **kwargs), two)

    offline = partial(lfl.offline_step, case.theta, case.phi, **kwargs)
    once = offline([case.batch_tr], case.batch_val)
    for given in (train, case.batch_tr, [train], (case.batch_tr,)):
        assert_same(offline(given, valid), once)
    assert_same(offline((case.batch_tr, case.batch_val), valid), offline([train, valid], case.batch_val))

    base = partial(
        lfl.base_step,
        apply_fn=kwargs["apply_fn"],
        loss=kwargs["task_loss"],
        task_loss=kwargs["task_loss"],
        inner=kwargs["inner"],
    )
    assert_same(base(case.theta, train), base(case.theta, case.batch_tr))


def test_x_and_y_of_one_shape_are_one_batch() -> None:
    """As two batches they would run."""
    g = torch.Generator().manual_seed(0)
    theta, _, apply_fn = lfl.functional(nn.Linear(3, 3))
    phi, loss_fn = lfl.loss_network("regression", generator=g)
    x, y = torch.randn(3, 3, generator=g), torch.randn(3, 3, generator=g)
    step = partial(
        lfl.meta_step,
        theta,
        phi,
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        task_loss=lfl.squared_error,
        inner=lfl.sgd(0.1),
        outer=lfl.adam(1e-3),
    )
    assert_same(step([x, y], [x, y]), step((x, y), (x, y)))


X, Y = torch.zeros(4, 5, dtype=torch.float64), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ([], r"batch_tr must hold at least one train batch"),
        ([[X, X], Y], r"batch_tr is a list of a list and a Tensor \(entry 1\).*give one as a tuple"),
        ([(X, Y), X], r"batch_tr is a list of a tuple and a Tensor \(entry 1\)"),
        ([(X, Y), (X,)], r"batch_tr\[1\] must be \(x, y\), .* got 1 entries"),
        ((X,), r"batch_tr must be \(x, y\), \(x, y, masks\) or \(x, y, seed\), got 1 entries"),
        ((X, Y, (), 3), r"got 4 entries"),
        (X, r"batch_tr must be .* got a Tensor"),
        ({"input_ids": X, "labels": Y}, r"got a dict of input_ids, labels"),
        ((X, Y, Y), r"third entry of a batch must be dropout masks .* got Tensor"),
        ((X, Y, -1), r"from 0 to 2\*\*63 - 1, got -1"),
    ],
)
def test_other_forms_are_refused_in_words(train: Any, words: str) -> None:
    case = case_of()
    with pytest.raises(lfl.UserError, match=words):
        lfl.meta_step(case.theta, case.phi, train, case.batch_val, case.carry, **case.kwargs)


def test_several_validation_batches_are_refused() -> None:
    case = case_of()
    with pytest.raises(lfl.UserError, match=r"batch_val must be one batch.*starts with a tuple"):
        lfl.meta_step(case.theta, case.phi, case.batch_tr, [case.batch_val, case.batch_val], case.carry, **case.kwargs)


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(5, 4).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x * torch.rand(x.shape[0], 1))


def seeded() -> tuple[Case, Any, Any]:
    case = make_case("plain", "sgd", "classification", torch.float64, module=nn.Linear(5, 4).double())
    _, _, apply_fn = lfl.functional(Noisy())
    theta = {f"line.{name}": t for name, t in case.theta.items()}
    case = case._replace(theta=theta, kwargs=case.kwargs | {"apply_fn": apply_fn})
    case = case._replace(carry=lfl.fresh_carry(theta, case.phi, apply_fn=apply_fn, inner=case.kwargs["inner"]))
    return case, (*case.batch_tr, 1), (*case.batch_val, 2)


@pytest.mark.parametrize("fullgraph", [True, False])
def test_a_seed_in_a_compiled_step_is_refused(fullgraph: bool) -> None:
    case, train, valid = seeded()
    step = partial(lfl.meta_step, **(case.kwargs | {"outer": lfl.sgd(0.1)}))
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=fullgraph, backend="eager")
    with pytest.raises(Exception, match=r"\(x, y, seed\) is for eager steps") as caught:
        compiled(case.theta, case.phi, train, valid, case.carry)
    assert fullgraph or isinstance(caught.value, lfl.UserError)


def test_a_seed_in_a_vmapped_step_is_refused() -> None:
    case, train, valid = seeded()

    def step(theta: Any) -> Any:
        return lfl.meta_step(theta, case.phi, train, valid, case.carry, **case.kwargs)[0]

    stacked = {name: torch.stack([t, t]) for name, t in case.theta.items()}
    with pytest.raises(lfl.UserError, match=r"\(x, y, seed\) is for eager steps"):
        torch.func.vmap(step, randomness="different")(stacked)


def test_part_of_a_batch_with_a_seed_is_refused_and_the_validation_batch_is_cut() -> None:
    case, train, valid = seeded()
    step = partial(lfl.meta_step, case.theta, case.phi, **case.kwargs, hypergradient="mixed")
    with pytest.raises(lfl.UserError, match="other numbers from a seed than the whole batch"):
        step(train, valid, case.carry, meta_batch_size=5)
    x, y, seed = valid
    short = tuple(t[:5] for t in train[:2])
    train = (*short, train[2])
    assert_same(step(train, valid, case.carry, meta_batch_size=5), step(train, (x[:5], y[:5], seed), case.carry))
