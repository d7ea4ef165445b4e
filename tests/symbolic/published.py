"""The published operators, from DEAP: what lfl's own are compared with."""

import random
from typing import Any

import pytest

from lfl.symbolic import FUNCTIONS, TERMINALS, Tree


class Published:
    """DEAP's operators over lfl's names. Whatever they draw comes from `rng`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gp = pytest.importorskip(
            "deap.gp", reason="deap is not installed (pip install 'lfl[dev]'): nothing to compare with"
        )
        from deap.tools import selection

        self.gp, self.selection, self.monkeypatch = gp, selection, monkeypatch
        self.names = gp.PrimitiveSet("formulas", 0)
        for name, function in FUNCTIONS.items():
            self.names.addPrimitive(function.form, function.arity, name=name)
        for name in TERMINALS:
            self.names.addTerminal(name, name=name)

    def draw_from(self, rng: random.Random) -> None:
        for module in (self.gp, self.selection):
            self.monkeypatch.setattr(module, "random", rng)

    def encode(self, tree: Tree) -> Any:
        names = {p.name: p for p in (*self.names.primitives[object], *self.names.terminals[object])}
        return self.gp.PrimitiveTree([names[node] for node in tree.nodes])

    def decode(self, nodes: Any) -> Tree:
        return Tree(tuple(node.name for node in nodes))

    def draw(self, how: str, low: int, high: int) -> Tree:
        return self.decode(getattr(self.gp, how)(self.names, low, high))

    def cross(self, first: Tree, second: Tree) -> tuple[Tree, Tree]:
        one, two = self.gp.cxOnePoint(self.encode(first), self.encode(second))
        return self.decode(one), self.decode(two)

    def mutate(self, tree: Tree, low: int, high: int) -> Tree:
        def expr(pset: Any, type_: Any) -> Any:
            return self.gp.genHalfAndHalf(pset, low, high, type_)

        (changed,) = self.gp.mutUniform(self.encode(tree), expr, self.names)
        return self.decode(changed)

    def select(self, trees: list[Tree], fitness: list[float], entrants: int, parsimony: float) -> int:
        class Individual(tuple[str, ...]):
            fitness: float

        individuals = [Individual(tree.nodes) for tree in trees]
        for individual, value in zip(individuals, fitness, strict=True):
            individual.fitness = -value  # DEAP's larger one wins
        (chosen,) = self.selection.selDoubleTournament(individuals, 1, entrants, parsimony, fitness_first=False)
        return next(i for i, individual in enumerate(individuals) if individual is chosen)


class OneChoice(random.Random):
    """A generator that draws nothing to choose among one: DEAP's crossover first chooses among the types, here one."""

    def _randbelow(self, n: int) -> int:
        return 0 if n == 1 else super()._randbelow(n)  # type: ignore[misc, no-any-return]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    return Published(monkeypatch)
