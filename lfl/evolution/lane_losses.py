"""The slopes of many losses at once, a loss a lane: each as an ordinary function, or all by the interpreter."""

from __future__ import annotations  # the compiler cannot trace the annotations of inner functions

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from ..hypergradient.bilevel import mean_loss
from ..loss.symbolic import WEIGHTS
from ..symbolic import Tree
from ..types import Kind, LossFn
from .interpreter import Program, from_slots, interpreted_loss, program_of, to_slots
from .slopes import slopes_of

Compile = Callable[[Callable[..., torch.Tensor]], Callable[..., torch.Tensor]]


@dataclass(frozen=True)
class LaneSlopes:
    """As `Slopes`, with a leading dimension of lanes: `value` is `[P]`; `pull(u)` gives `[P, W]`."""

    value: torch.Tensor
    slopes: torch.Tensor
    pull: Callable[[torch.Tensor], torch.Tensor]


class LaneLosses(Protocol):
    """The losses of the lanes, whose weights are one tensor `[P, W]`."""

    def first(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns each tree's weights `[size - 1]` as one tensor `[P, W]`."""

    def read(self, weights: torch.Tensor) -> list[tuple[float, ...]]:
        """The inverse of `first`."""

    def slopes(
        self, weights: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor, *, of_phi: bool = False
    ) -> LaneSlopes:
        """Computes the slopes of each lane's loss; arguments as of `slopes_of`, outputs `[P, batch, ...]`."""


@dataclass(frozen=True)
class OwnFunctions:
    """A function for each lane, called one after the other: the losses are small, and none computes another's.

    Args:
        trees, losses: of each lane.
    """

    trees: Sequence[Tree]
    losses: Sequence[LossFn]

    def first(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """Pads at the end."""
        return torch.nn.utils.rnn.pad_sequence(list(weights), batch_first=True, padding_value=1.0)

    def read(self, weights: torch.Tensor) -> list[tuple[float, ...]]:
        """Returns each lane's own numbers."""
        return [tuple(row[: tree.size - 1].double().tolist()) for tree, row in zip(self.trees, weights, strict=True)]

    def slopes(
        self, weights: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor, *, of_phi: bool = False
    ) -> LaneSlopes:
        """Computes the slopes lane by lane."""
        found = [
            slopes_of(loss, {WEIGHTS: row[: tree.size - 1]}, out, targets, of_phi=of_phi)
            for tree, loss, row, out in zip(self.trees, self.losses, weights, outputs, strict=True)
        ]

        def pull(u: torch.Tensor) -> torch.Tensor:
            grads = torch.zeros_like(weights)
            for lane, (each, along) in enumerate(zip(found, u, strict=True)):
                grad = each.pull(along)[WEIGHTS]
                grads[lane, : len(grad)] = grad
            return grads

        return LaneSlopes(torch.stack([each.value for each in found]), torch.stack([e.slopes for e in found]), pull)


@dataclass(frozen=True)
class Interpreted:
    """All lanes by one program of tensors.

    Args:
        trees: of each lane.
        programs: theirs, stacked.
        value_and_slopes, pull: `lane_slopes` and `lane_pull` of the task's kind, perhaps compiled.
    """

    trees: Sequence[Tree]
    programs: Program
    value_and_slopes: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    pull: Callable[..., torch.Tensor]

    def first(self, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """Puts them in the order of the slots."""
        length = self.programs.opcodes.shape[1]
        return torch.stack([to_slots(tree, row, length) for tree, row in zip(self.trees, weights, strict=True)])

    def read(self, weights: torch.Tensor) -> list[tuple[float, ...]]:
        """Returns each lane's own numbers in the tree's order."""
        found = [from_slots(tree, row) for tree, row in zip(self.trees, weights, strict=True)]
        return [tuple(row.double().tolist()) for row in found]

    def slopes(
        self, weights: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor, *, of_phi: bool = False
    ) -> LaneSlopes:
        """Computes the slopes of all lanes together."""
        del of_phi  # a pass of its own, where it is called
        value, slopes = self.value_and_slopes(self.programs, weights, outputs, targets)
        return LaneSlopes(value, slopes, partial(self.pull, self.programs, weights, outputs, targets))


def stacked_programs(trees: Sequence[Tree], length: int, device: torch.device) -> Program:
    """Returns the programs of trees, `[P, length]`."""
    programs = [program_of(tree, length) for tree in trees]
    return Program(*(torch.stack(each).to(device) for each in zip(*programs, strict=True)))


def lane_slopes(
    kind: Kind, programs: Program, weights: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean loss of each lane, `[P]`, and its slopes by the outputs."""

    def of_lane(program: Program, weights: torch.Tensor, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss = partial(interpreted_loss(program, kind), {WEIGHTS: weights})

        def value(outputs: torch.Tensor) -> torch.Tensor:
            return mean_loss(loss, outputs, targets)

        slopes, found = torch.func.grad_and_value(value)(outputs)
        return found, slopes

    return torch.func.vmap(of_lane)(programs, weights, outputs)


def lane_pull(
    kind: Kind,
    programs: Program,
    weights: torch.Tensor,
    outputs: torch.Tensor,
    targets: torch.Tensor,
    u: torch.Tensor,
) -> torch.Tensor:
    """The gradient of each lane's weights of < s, u >, reverse over forward mode: `[P, length]`."""

    def of_lane(program: Program, weights: torch.Tensor, outputs: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        loss_fn = interpreted_loss(program, kind)

        def along_u(weights: torch.Tensor) -> torch.Tensor:
            loss = partial(loss_fn, {WEIGHTS: weights})
            tangent: torch.Tensor = torch.func.jvp(lambda out: mean_loss(loss, out, targets), (outputs,), (u,))[1]
            return tangent

        grads: torch.Tensor = torch.func.grad(along_u)(weights)
        return grads

    return torch.func.vmap(of_lane)(programs, weights, outputs, u)
