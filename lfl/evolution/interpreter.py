"""Formulas as programs in numbers: one function of tensors computes them all, so that it is vmapped and compiled once.

A program is a tree in postfix order, padded to one of a few lengths. Its stack is a row of registers that shift: a
terminal shifts them down, a function of two arguments up. There is no pointer into it and no branch.
"""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from functools import partial
from typing import Any, NamedTuple

import torch

from ..errors import UserError
from ..loss import LearnedLoss
from ..loss.symbolic import WEIGHTS
from ..symbolic import Tree, arity
from ..symbolic.functions import SMALLEST
from ..types import Kind

LENGTHS = (16, 32, 64, 96)
"""The lengths that programs are padded to; longer trees have none."""

NOTHING = 0
CODES = {
    **{"y": 1, "f": 2, "1": 3, "-1": 4},
    **{"add": 5, "sub": 6, "sub reversed": 7, "mul": 8, "div": 9, "div reversed": 10, "min": 11, "max": 12},
    **{"sign": 13, "square": 14, "abs": 15, "log": 16, "sqrt": 17, "tanh": 18},
}
"""Terminals, then functions of two arguments, then of one. Of a reversed one the second argument was computed first."""


class Program(NamedTuple):
    """A tree as numbers.

    Args:
        opcodes: int8 `[length]`, in the order of computation; `NOTHING` after the end.
        weighted: booleans `[length]`, which slots have a weight: all nodes but the root.
    """

    opcodes: torch.Tensor
    weighted: torch.Tensor


def length_for(size: int) -> int | None:
    """Returns the shortest length that holds a tree of this size; None where none does."""
    return next((length for length in LENGTHS if size <= length), None)


def registers(length: int) -> int:
    """Returns how many registers suffice for any tree of up to `length` nodes: its Strahler number (Ershov 1958)."""
    return ((length + 1) // 2).bit_length()


def slot_order(tree: Tree) -> list[int]:
    """Returns the nodes, as indices in prefix order, in the order in which their values are computed.

    Of two arguments, the one that needs more registers is computed first, so that the fewest are needed.
    """
    return _ordered(tree)[0]


def _ordered(tree: Tree) -> tuple[list[int], set[int]]:
    """The order of computation, and the nodes whose second argument is computed first."""
    reversed_nodes = set()
    stack: list[tuple[list[int], int]] = []  # order and need of each finished subtree
    for i in reversed(range(tree.size)):
        args = [stack.pop() for _ in range(arity(tree.nodes[i]))]
        if len(args) < 2:
            order, need = args[0] if args else ([], 1)
        else:
            if args[1][1] > args[0][1]:
                reversed_nodes.add(i)
                args.reverse()
            need = args[0][1] + (args[0][1] == args[1][1])
            order = args[0][0] + args[1][0]
        stack.append(([*order, i], need))
    return stack[0][0], reversed_nodes


def program_of(tree: Tree, length: int) -> Program:
    """Returns a tree as a program.

    Raises:
        UserError: the tree has more nodes than the program's length.
    """
    if tree.size > length:
        raise UserError(f"a program of length {length} holds a tree of as many nodes, got one of {tree.size}.")
    order, reversed_nodes = _ordered(tree)
    names = [tree.nodes[i] for i in order]
    for slot, i in enumerate(order):
        if i in reversed_nodes and names[slot] in ("sub", "div"):
            names[slot] += " reversed"
    padding = [NOTHING] * (length - tree.size)
    weighted = [i != 0 for i in order] + [False] * len(padding)
    return Program(torch.tensor([CODES[name] for name in names] + padding, dtype=torch.int8), torch.tensor(weighted))


def to_slots(tree: Tree, weights: torch.Tensor, length: int) -> torch.Tensor:
    """Returns a tree's weights `[size - 1]` in the order of its slots, `[length]`; 1 where there is none."""
    order = torch.tensor(slot_order(tree), device=weights.device)
    padding = weights.new_ones(length - tree.size)
    return torch.cat([torch.cat([weights.new_ones(1), weights])[order], padding])


def from_slots(tree: Tree, slots: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_slots`."""
    order = torch.tensor(slot_order(tree), device=slots.device)
    return slots[: tree.size][order.argsort()][1:]


def interpret(program: Program, weights: torch.Tensor, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """Computes a program elementwise; the inputs of a function that is not selected are replaced before it.

    Args:
        program: of one tree; programs of many are vmapped.
        weights: `[length]`, in the order of the slots.
        y, f: targets and predictions of one shape.

    Returns:
        Values of the shape of `f`. They and their derivatives are those of `lfl.symbolic.evaluate`, to rounding.
    """
    stack = [torch.zeros_like(f)] * registers(len(weights))
    weights = torch.where(program.weighted, weights, 1.0)
    for op, weight in zip(program.opcodes.unbind(), weights.unbind(), strict=True):
        value = weight * _value(op, stack[0], stack[1], y, f)
        push, binary = (op >= 1) & (op <= 4), (op >= 5) & (op <= 12)
        above, below = [value, *stack[:-1]], [*stack[1:], torch.zeros_like(f)]
        moved = [
            torch.where(push, up, torch.where(binary, down, same))
            for up, down, same in zip(above[1:], below[1:], stack[1:], strict=True)
        ]
        stack = [torch.where(op == NOTHING, stack[0], value), *moved]
    return stack[0]


def _value(op: torch.Tensor, top: torch.Tensor, second: torch.Tensor, y: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """The value of one slot, without its weight."""

    def is_(*names: str) -> torch.Tensor:
        found = op == CODES[names[0]]
        for name in names[1:]:
            found = found | (op == CODES[name])
        return found

    turned = is_("sub reversed", "div reversed")
    first = torch.where((op >= CODES["sign"]) | turned, top, second)
    other = torch.where(turned, second, top)

    def given(mask: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return torch.where(mask, value, 1.0)

    linear, product, quotient = is_("add", "sub", "sub reversed"), is_("mul", "square"), is_("div", "div reversed")
    least, most, size, root = is_("min"), is_("max"), is_("abs"), is_("log", "sqrt")
    sign_of_other = torch.where(is_("add"), 1.0, -1.0).to(f.dtype)
    divisor = given(quotient, other)
    clamped = torch.clamp(torch.abs(given(root, first)), min=SMALLEST)
    value = torch.where(is_("1"), 1.0, -1.0).to(f.dtype) + torch.zeros_like(f)
    for mask, result in (
        (is_("y"), y),
        (is_("f"), f),
        (linear, given(linear, first) + sign_of_other * given(linear, other)),
        (product, given(product, first) * given(product, torch.where(is_("square"), first, other))),
        (quotient, given(quotient, first) / torch.sqrt(1 + divisor * divisor)),
        (least, torch.minimum(given(least, first), given(least, other))),
        (most, torch.maximum(given(most, first), given(most, other))),
        (is_("sign"), torch.sign(given(is_("sign"), first))),
        (size, torch.abs(given(size, first))),
        (is_("log"), torch.log(clamped)),
        (is_("sqrt"), torch.sqrt(clamped)),
        (is_("tanh"), torch.tanh(given(is_("tanh"), first))),
    ):
        value = torch.where(mask, result, value)
    return value


def interpreted_loss(program: Program, kind: Kind) -> LearnedLoss:
    """A program as a learned loss, the sum over the outputs; phi holds the weights in the order of the slots."""
    return LearnedLoss(partial(_pointwise, program), kind, "sum", elementwise_only=True)


def _pointwise(program: Program, phi: Any, target: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return interpret(program, phi[WEIGHTS], target, output)
