"""One table: every form of the hypergradient, however it is run, equals the reference run eagerly."""

from functools import cache, partial
from itertools import pairwise, product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._pytree import tree_map

import lfl
from lfl.hypergradient import Stages, finite_difference, mixed, resolve, unroll
from lfl.randomness import generator

from .cases import HELD, KINDS, MODELS, OPTIMISERS, Case, assert_close, form, make_case, phi_gradient

FORMS = {"unroll": unroll, "mixed": mixed, "finite-difference": finite_difference}
RTOL = {"unroll": 1e-9, "mixed": 1e-9, "finite-difference": 1e-4}
ROWS = [(model, optimiser, num_steps) for model in MODELS for optimiser in OPTIMISERS for num_steps in (1, 3)]
COMPILED = [
    *[("plain", "nesterov", 1), ("batch norm", "adam", 1), ("dropout", "sgd", 1)],
    *[("plain", "adam", 2), ("batch norm", "sgd", 2), ("dropout", "nesterov", 2)],
]
"""Each model and each optimiser with one step and with several; compiling takes long, and eager runs hold all pairs."""


def kind_of(model: str, optimiser: str) -> str:
    """Class and real targets in turn, so that each meets every form, model and optimiser."""
    return list(KINDS)[(list(MODELS).index(model) + list(OPTIMISERS).index(optimiser)) % 2]


def eager(function: Any, case: Case, num_steps: int) -> Any:
    return form(function, case, num_steps)(case.theta, case.phi, case.carry)


def vmapped(function: Any, case: Case, num_steps: int) -> Any:
    inputs = case.theta, case.phi, case.carry
    stacked = tree_map(lambda t: torch.stack([torch.zeros_like(t) + t.new_ones(()), t]), inputs)
    return tree_map(lambda t: t[1], torch.func.vmap(form(function, case, num_steps))(*stacked))


@cache
def case_and_reference(model: str, optimiser: str, num_steps: int, held: str) -> tuple[Case, Any]:
    case = make_case(model, optimiser, kind_of(model, optimiser), torch.float64, held=held)
    return case, eager(unroll, case, num_steps)


@pytest.mark.parametrize(
    ("held", "run", "name"),
    [
        *product(HELD, [eager], ["mixed", "finite-difference"]),
        *product(["both"], [vmapped], FORMS),  # the gradients of a loss and of a rate are parts of it
    ],
)
@pytest.mark.parametrize(("model", "optimiser", "num_steps"), ROWS)
def test_every_form_equals_the_reference(
    model: str, optimiser: str, num_steps: int, held: str, run: Any, name: str
) -> None:
    case, reference = case_and_reference(model, optimiser, num_steps, held)
    assert_close(run(FORMS[name], case, num_steps), reference, RTOL[name])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "optimiser", "num_steps"), COMPILED)
def test_every_form_compiled_equals_the_reference(model: str, optimiser: str, num_steps: int) -> None:
    """Whole; over several steps the passes of what has passes each for itself, as `lfl train` compiles them.

    phi holds both here, too. The forms share what is compiled.
    """
    case, reference = case_and_reference(model, optimiser, num_steps, "both")
    torch._dynamo.reset()
    whole = partial(torch.compile, fullgraph=True, backend="eager")
    stages = Stages(*map(whole, Stages()))
    for name, function in FORMS.items():
        if function is unroll or num_steps == 1:
            found = whole(form(function, case, num_steps))(case.theta, case.phi, case.carry)
        else:
            found = eager(partial(function, stages=stages), case, num_steps)
        assert_close(found, reference, RTOL[name])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=0, max_size=3),
    st.sampled_from([nn.Tanh, nn.Softplus, nn.GELU, nn.Sigmoid]),
    st.sampled_from(["none", "batch", "layer"]),
    st.sampled_from(list(KINDS)),
    st.integers(1, 3),
    st.sampled_from(HELD),
)
def test_mixed_equals_unroll_on_any_architecture(
    widths: list[int], activation: type[nn.Module], norm: str, kind: str, num_steps: int, held: str
) -> None:
    norms = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    layers: list[nn.Module] = []
    sizes = [5, *widths]
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), norms[norm](fan_out), activation()]
    module = nn.Sequential(*layers, nn.Linear(sizes[-1], KINDS[kind][0])).double()
    g = generator(sum(widths), "weights")
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    case = make_case("", "sgd", kind, torch.float64, held=held, module=module)
    assert_close(eager(mixed, case, num_steps), eager(unroll, case, num_steps), 1e-7)


def test_auto_tries_the_faster_exact_form_first() -> None:
    flat, deep = {"w": torch.zeros(2, 2)}, {"w": torch.zeros(2, 2, 3, 3)}
    assert resolve("auto", flat, num_steps=1) == [unroll, mixed]
    assert resolve("auto", deep, num_steps=1) == [mixed, unroll]
    assert resolve("auto", flat, num_steps=2) == [mixed, unroll]


def test_auto_tells_a_compiled_program_from_an_eager_one() -> None:
    deep = {"w": torch.zeros(2, 2, 3, 3)}

    def is_unroll(t: torch.Tensor) -> torch.Tensor:
        return t + float(resolve("auto", deep, num_steps=1)[0] is unroll)

    assert torch.compile(is_unroll, backend="eager")(torch.zeros(())) == 1.0


def test_a_form_of_ones_own() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    assert_close(phi_gradient(case, mixed), phi_gradient(case))


def test_unknown_forms_are_named() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    with pytest.raises(lfl.UserError, match="choose one of: auto, unroll, mixed"):
        phi_gradient(case, "magic")


GIVEN = {
    "unroll": unroll,
    "mixed": mixed,
    "finite-difference": finite_difference,
    "implicit": lfl.implicit("cg", num_terms=3),
}
"""The forms as functions, which are checked like their names."""


@pytest.mark.parametrize("given", [*GIVEN, *GIVEN.values(), partial(mixed, stages=Stages()), partial(partial(unroll))])
def test_what_forms_cannot_do_is_refused_by_name_and_as_functions(given: Any) -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    name = given if isinstance(given, str) else resolved_name(given)
    step = partial(lfl.meta_step, *case[1:6], **case.kwargs, hypergradient=given, meta_batch_size=3)
    if name in ("mixed", "finite-difference"):
        step()
    else:
        with pytest.raises(
            lfl.UserError, match=f"'{name}' does not work on part of a batch .* choose 'mixed' or 'finite-difference'"
        ):
            step()
    if name == "unroll":
        assert resolve(given, {}, num_steps=1, lowered=True)[0] in (unroll, given)
    else:
        with pytest.raises(lfl.UserError, match=f"'{name}' does not work in lowered precision; choose 'unroll'"):
            resolve(given, {}, num_steps=1, lowered=True)


def resolved_name(given: Any) -> str:
    function = given
    while isinstance(function, partial) and function not in GIVEN.values():
        function = function.func
    return next(name for name, form in GIVEN.items() if form is function)


def test_auto_in_lowered_precision_and_on_part_of_a_batch() -> None:
    assert resolve("auto", {}, num_steps=3, lowered=True) == [unroll]
    (form,) = resolve("auto", {}, num_steps=1, meta_batch_size=3)
    assert (form.func, form.keywords) == (mixed, {"meta_batch_size": 3})


@pytest.mark.parametrize("given", ["mixed", mixed, partial(mixed, stages=Stages()), lfl.implicit()])
def test_a_compiled_custom_function_is_refused_where_forward_mode_loses_its_derivative(given: Any) -> None:
    def refused(t: torch.Tensor) -> torch.Tensor:
        try:
            resolve(given, {}, num_steps=1, custom=True)
        except lfl.UserError:
            return t + 1
        return t

    torch._dynamo.reset()
    assert torch.compile(refused, fullgraph=True, backend="eager")(torch.zeros(())) == 1.0
    assert refused(torch.zeros(())) == 0.0  # eagerly it is right


def test_part_of_a_batch_for_a_form_of_ones_own() -> None:
    """Given to a form that has the argument, else refused in words."""
    case = make_case("plain", "sgd", "regression", torch.float64)
    step = partial(lfl.meta_step, *case[1:6], **case.kwargs, meta_batch_size=3)

    def whole(problem: Any, theta: Any, phi: Any, tr: Any, val: Any, state: Any, buffers: Any) -> Any:
        return mixed(problem, theta, phi, tr, val, state, buffers)

    def part(*args: Any, meta_batch_size: int | None = None) -> Any:
        return mixed(*args, meta_batch_size=meta_batch_size)

    with pytest.raises(lfl.UserError, match="takes whole batches: give it a keyword argument meta_batch_size"):
        step(hypergradient=whole)
    assert_close(step(hypergradient=part)[2].outer, step(hypergradient="mixed")[2].outer)


@pytest.mark.slow
def test_forms_as_functions_compile() -> None:
    case = make_case("plain", "sgd", "regression", torch.float64)
    torch._dynamo.reset()
    for function in (mixed, finite_difference, lfl.implicit(num_terms=2)):
        step = partial(phi_gradient, hypergradient=function)
        compiled = torch.compile(step, fullgraph=True, backend="eager")
        assert_close(compiled(case), step(case))
