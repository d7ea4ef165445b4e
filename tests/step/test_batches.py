"""The forms of a batch: each is taken for what it is, or refused in words."""

from collections import UserDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lfl
from lfl.trees import map_tree

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


class Towers(nn.Module):
    """Two inputs, each with a layer of its own, as `parts` takes them out of what the module is called with."""

    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.left, self.right = (nn.Linear(width, 4, dtype=torch.float64) for width in (3, 2))
        self.norm, self.drop, self.last = nn.BatchNorm1d(4).double(), nn.Dropout(0.3), nn.Linear(4, 2).double()
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=g, dtype=torch.float64))

    def after(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.last(self.drop(torch.tanh(self.norm(self.left(left) + self.right(right)))))


class One(Towers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(x[:, :3], x[:, 3:])


class Two(Towers):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.after(left, right)


class Nested(Towers):
    def forward(self, a: dict[str, list[torch.Tensor]], *, b: torch.Tensor) -> torch.Tensor:
        return self.after(a["parts"][0], b)


class Listed(Towers):
    def forward(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return self.after(*parts)


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


FORMS = {
    "dict": (Two, lambda a, b: {"right": b, "left": a}),
    "mapping": (Two, lambda a, b: UserDict(right=b, left=a)),
    "tuple": (Two, lambda a, b: (a, b)),
    "named tuple": (Two, Pair),
    "list": (Listed, lambda a, b: [a, b]),
    "nested": (Nested, lambda a, b: {"a": {"parts": [a]}, "b": b}),
}


def nested_step(module: nn.Module, form: Callable[[torch.Tensor, torch.Tensor], Any] | None) -> Any:
    """A step of the module as a function of x, y and masks of train and valid, and these arguments."""
    g = torch.Generator().manual_seed(1)
    theta, _, apply_fn = lfl.functional(module)
    phi, loss_fn = lfl.loss_network("classification", generator=g, dtype=torch.float64)

    def half() -> tuple[Any, ...]:
        x, y = torch.randn(6, 5, generator=g, dtype=torch.float64), torch.randint(2, (6,), generator=g)
        # contiguous, as a loader makes them; slicing would give other strides, and other kernels may add up otherwise
        given = x if form is None else form(x[:, :3].contiguous(), x[:, 3:].contiguous())
        return given, y, (torch.rand(6, 4, generator=g) > 0.3,)

    def step(
        theta: Any, train: Any, valid: Any, hypergradient: str = "auto", size: int | None = None, carry: Any = None
    ) -> Any:
        return lfl.meta_step(
            theta,
            phi,
            [train, train],
            valid,
            carry,
            apply_fn=apply_fn,
            loss_fn=loss_fn,
            task_loss=lfl.cross_entropy,
            inner=lfl.sgd(0.1, momentum=0.9),
            outer=lfl.adam(0.01),
            hypergradient=hypergradient,
            meta_batch_size=size,
        )

    return step, theta, half(), half()


@pytest.mark.parametrize("hypergradient", ["unroll", "mixed"])
@pytest.mark.parametrize("name", FORMS)
def test_several_inputs_equal_one_input_wired_the_same(name: str, hypergradient: str) -> None:
    build, form = FORMS[name]
    step, *arguments = nested_step(build(), form)
    wanted_step, *wanted_arguments = nested_step(One(), None)
    assert_same(step(*arguments, hypergradient), wanted_step(*wanted_arguments, hypergradient))


@pytest.mark.parametrize("name", FORMS)
def test_part_of_a_batch_is_cut_from_every_input(name: str) -> None:
    build, form = FORMS[name]
    step, *arguments = nested_step(build(), form)
    wanted_step, *wanted_arguments = nested_step(One(), None)
    assert_same(step(*arguments, "mixed", 4), wanted_step(*wanted_arguments, "mixed", 4))


@pytest.mark.parametrize("name", FORMS)
def test_several_inputs_are_vmapped(name: str) -> None:
    build, form = FORMS[name]

    def two_copies(module: nn.Module, form: Any) -> Any:
        step, theta, train, valid = nested_step(module, form)
        batches = map_tree(lambda t: dict(t) if isinstance(t, UserDict) else t, (train, valid))
        stacked = map_tree(lambda t: torch.stack([t, t.flip(0)]), (theta, *batches, step(theta, train, valid)[2]))
        return torch.func.vmap(lambda *arguments: step(*arguments[:3], carry=arguments[3]))(*stacked)

    assert_same(two_copies(build(), form), two_copies(One(), None))


@pytest.mark.slow
def test_several_inputs_are_compiled() -> None:
    build, form = FORMS["nested"]
    step, *arguments = nested_step(build(), form)
    wanted_step, *wanted_arguments = nested_step(One(), None)
    torch.compiler.reset()
    found = torch.compile(step, fullgraph=True, backend="eager")(*arguments)
    torch.compiler.reset()
    assert_same(found, torch.compile(wanted_step, fullgraph=True, backend="eager")(*wanted_arguments))


def test_y_may_be_a_tree_where_part_of_a_batch_is_taken() -> None:
    """How many examples a batch has, its targets' tensors say; a tree's own length is another number."""
    g = torch.Generator().manual_seed(0)
    theta, _, apply_fn = lfl.functional(nn.Linear(3, 2))
    phi, loss_fn = lfl.loss_network("regression", generator=g)
    x, y = torch.randn(5, 3, generator=g), torch.randn(5, 2, generator=g)
    batch = x, {"value": y}, 7
    with pytest.raises(lfl.UserError, match="draws other numbers from a seed"):
        lfl.meta_step(
            theta,
            phi,
            batch,
            batch,
            apply_fn=apply_fn,
            loss_fn=lambda phi, outputs, y: loss_fn(phi, outputs, y["value"]),
            task_loss=lambda outputs, y: lfl.squared_error(outputs, y["value"]),
            inner=lfl.sgd(0.1),
            outer=lfl.adam(0.1),
            meta_batch_size=3,
        )
