"""What formulas are made of: twelve functions, protected so that they have a value everywhere, and four terminals."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

SMALLEST = 1e-7
"""What `log` and `sqrt` take in place of a smaller size: log is at least -16.118, sqrt at least 3.16e-4."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a formula may use: its name, its number of arguments, and its form in torch."""

    name: str
    arity: int
    form: Callable[..., torch.Tensor]


def add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Returns a + b."""
    return a + b


def sub(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Returns a - b."""
    return a - b


def mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Returns a b."""
    return a * b


def div(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Returns the analytic quotient a / sqrt(1 + b^2), which has no pole; it is not a division."""
    return a / torch.sqrt(1 + b * b)


def sign(a: torch.Tensor) -> torch.Tensor:
    """Returns -1, 0 or 1; its derivative is 0 everywhere."""
    return torch.sign(a)


def square(a: torch.Tensor) -> torch.Tensor:
    """Returns a^2."""
    return a * a


def log(a: torch.Tensor) -> torch.Tensor:
    """Returns log(max(|a|, 1e-7)); its derivative is 0 where |a| is smaller than that."""
    return torch.log(torch.clamp(torch.abs(a), min=SMALLEST))


def sqrt(a: torch.Tensor) -> torch.Tensor:
    """Returns sqrt(max(|a|, 1e-7)); its derivative is 0 where |a| is smaller than that."""
    return torch.sqrt(torch.clamp(torch.abs(a), min=SMALLEST))


FUNCTIONS = {
    each.name: each
    for each in (
        *(Function("add", 2, add), Function("sub", 2, sub), Function("mul", 2, mul), Function("div", 2, div)),
        *(Function("sign", 1, sign), Function("square", 1, square), Function("abs", 1, torch.abs)),
        *(Function("log", 1, log), Function("sqrt", 1, sqrt), Function("tanh", 1, torch.tanh)),
        *(Function("min", 2, torch.minimum), Function("max", 2, torch.maximum)),
    )
}
"""The functions in the published order. Inputs are made safe before a function, never its result after it: so there is
no NaN in first or second derivatives. abs has derivative 0 at 0; min and max of equal numbers pass half to each."""

ARITHMETIC = tuple(FUNCTIONS)[:4]
"""What the correction joins y and f with."""

TERMINALS = ("y", "f", "1", "-1")
"""The target, the prediction and two constants."""


def arity(name: str) -> int:
    """Returns how many arguments a function takes; a terminal takes 0."""
    return FUNCTIONS[name].arity if name in FUNCTIONS else 0
