"""Programs compute what their trees compute: values, gradients and second derivatives, for any tree."""

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.evolution.interpreter import (
    CODES,
    LENGTHS,
    Program,
    from_slots,
    interpret,
    length_for,
    program_of,
    registers,
    slot_order,
    to_slots,
)
from lfl.symbolic import FUNCTIONS, TERMINALS, Tree, arity, evaluate, full, grow, read_formula

Y = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.3, -1.2], dtype=torch.float64)
F = torch.tensor([0.2, 0.7, 0.999, 1e-3, -2.1, 0.4], dtype=torch.float64)


def drawn(seed: int, height: int) -> Tree:
    rng = random.Random(seed)
    return (full if rng.random() < 0.5 else grow)(rng, height, height)


def weights_of(tree: Tree, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1 + 0.3 * torch.randn(tree.size - 1, generator=generator, dtype=torch.float64)


def by_tree(tree: Tree, weights: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    return evaluate(tree, weights, Y, f)


def by_program(program: Program, slots: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    return interpret(program, slots, Y, f)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_values_gradients_and_second_derivatives_are_those_of_the_tree(seed: int, height: int) -> None:
    tree = drawn(seed, height)
    length = length_for(tree.size)
    assert length is not None
    weights, program = weights_of(tree, seed), program_of(tree, length)
    slots = to_slots(tree, weights, length)
    torch.testing.assert_close(
        by_program(program, slots, F), by_tree(tree, weights, F), rtol=1e-12, atol=1e-12, equal_nan=True
    )

    def slope(value: Any, f: torch.Tensor, w: torch.Tensor) -> Any:
        return torch.func.grad(lambda f: value(w, f).sum())(f)

    u = torch.linspace(-1, 2, len(F), dtype=torch.float64)
    of_tree, of_program = (lambda w, f: by_tree(tree, w, f)), (lambda s, f: by_program(program, s, f))
    torch.testing.assert_close(
        slope(of_program, F, slots), slope(of_tree, F, weights), rtol=1e-9, atol=1e-9, equal_nan=True
    )
    mixed = torch.func.grad(lambda s: (slope(of_program, F, s) * u).sum())(slots)
    expected = torch.func.grad(lambda w: (slope(of_tree, F, w) * u).sum())(weights)
    torch.testing.assert_close(from_slots(tree, mixed), expected, rtol=1e-8, atol=1e-8, equal_nan=True)
    root_and_padding = torch.ones(length, dtype=torch.bool)
    root_and_padding[: tree.size - 1] = False
    assert bool((mixed[root_and_padding] == 0).all())


def test_no_nan_comes_from_functions_that_were_not_selected() -> None:
    """At 0 the root's second derivative, the logarithm's and a quotient's by 0 would be infinite."""
    tree = read_formula("f + y").tree
    program, zeros = program_of(tree, 16), torch.zeros(6, dtype=torch.float64)
    slots = torch.ones(16, dtype=torch.float64)

    def slope(s: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(lambda f: interpret(program, s, zeros, f).sum())(zeros).sum()  # type: ignore[no-any-return]

    found = torch.func.grad(slope)(slots)
    assert found.tolist() == [6.0 if slot == slot_order(tree).index(1) else 0.0 for slot in range(16)]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5))
def test_a_program_needs_no_more_registers_than_it_has(seed: int, height: int) -> None:
    """Counted by running the opcodes, without their values."""
    tree = drawn(seed, height)
    length = length_for(tree.size)
    if length is None:
        assert tree.size > LENGTHS[-1]
        return
    depth = deepest = 0
    for code in program_of(tree, length).opcodes.tolist():
        depth += 1 if 1 <= code <= 4 else -1 if 5 <= code <= 12 else 0
        deepest = max(deepest, depth)
    assert depth == 1
    assert deepest <= registers(length)


def test_the_deepest_programs_fit() -> None:
    """A full tree of 63 nodes needs 6 registers, the most that the lengths have."""
    nodes: tuple[str, ...] = ("f",)
    for _ in range(5):
        nodes = ("mul", *nodes, *nodes)
    tree = Tree(nodes)
    assert (tree.size, registers(64), registers(96), registers(16)) == (63, 6, 6, 4)
    weights = weights_of(tree, 0)
    torch.testing.assert_close(
        by_program(program_of(tree, 64), to_slots(tree, weights, 64), F), by_tree(tree, weights, F)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_weights_return_from_their_slots(seed: int, height: int) -> None:
    tree = drawn(seed, height)
    weights = weights_of(tree, seed)
    assert torch.equal(from_slots(tree, to_slots(tree, weights, 96)), weights)


def test_every_function_and_terminal_has_a_code() -> None:
    assert {name.removesuffix(" reversed") for name in CODES} == {*FUNCTIONS, *TERMINALS}
    assert len(set(CODES.values())) == len(CODES)
    for name, code in CODES.items():
        assert (1 <= code <= 4, 5 <= code <= 12, code >= 13) == tuple(
            arity(name.removesuffix(" reversed")) == n for n in (0, 2, 1)
        )


def test_programs_of_many_trees_are_vmapped() -> None:
    trees = [read_formula(text).tree for text in ("abs(log(y*f))", "square(y-f)", "max(f, tanh(div(y, sqrt(f))))")]
    weights = [weights_of(tree, i) for i, tree in enumerate(trees)]
    programs = Program(*(torch.stack(each) for each in zip(*(program_of(tree, 16) for tree in trees), strict=True)))
    slots = torch.stack([to_slots(tree, w, 16) for tree, w in zip(trees, weights, strict=True)])
    found = torch.func.vmap(interpret, (0, 0, None, None))(programs, slots, Y, F)
    for tree, w, row in zip(trees, weights, found, strict=True):
        torch.testing.assert_close(row, by_tree(tree, w, F))


def test_a_tree_that_does_not_fit_is_refused() -> None:
    with pytest.raises(lfl.UserError, match="got one of 5"):
        program_of(read_formula("abs(log(y*f))").tree, 4)
    assert length_for(97) is None
