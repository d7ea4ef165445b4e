"""Evaluates many candidates at once, a candidate a lane: their models are stacked, and step as one program."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import torch

from ..errors import UserError, one_of
from ..optimiser import adam
from ..run.searched import Verdict
from ..symbolic import Tree
from ..task import Task
from ..training import Settings, outputs_on
from ..training.compilation import compile_program
from ..trees import map_tree
from ..types import Tensors
from .closures import closures_of, first_loss, outer_optimiser, validation_error, why_unusable
from .gates import PASSED, Tested, grid_gate, judged, not_finite
from .interpreter import length_for
from .lane_losses import Interpreted, LaneLosses, OwnFunctions, lane_pull, lane_slopes, stacked_programs
from .outcome import Outcome
from .protocol import Protocol
from .shared import Shared, share
from .steps import outputs_on_batch, search_direction, training_step

Losses = Literal["functions", "programs"]


@dataclass(frozen=True)
class Candidate:
    """A tree on its way: its weights now, and the verdict once there is one."""

    tree: Tree
    weights: torch.Tensor
    verdict: Verdict | None = None
    reason: str = ""
    fitness: float = math.inf
    improvement: float | None = None

    def ended(self, verdict: Verdict, reason: str = "", fitness: float = math.inf) -> "Candidate":
        return replace(self, verdict=verdict, reason=reason, fitness=fitness)


Stage = Callable[[Sequence[Candidate]], list[Candidate]]


@dataclass(frozen=True)
class Lanes:
    """An evaluator of trees in lanes: `evaluator(trees) -> outcomes`.

    Args:
        shared: what all candidates share.
        num_lanes: P; trees beyond are evaluated in further chunks of P lanes.
        losses: as in `lanes`.
        direction, outputs, training: the model's part of the steps, over lanes.
        interpreter: `lane_slopes` and `lane_pull` of the task's kind, for programs of any length.
    """

    shared: Shared
    num_lanes: int
    losses: Losses
    direction: Callable[..., Any]
    outputs: Callable[..., Any]
    training: Callable[..., Any]
    interpreter: tuple[Callable[..., Any], Callable[..., Any]]

    def __call__(self, trees: Sequence[Tree]) -> list[Outcome]:
        """Evaluates trees; their weights start at 1 with the protocol's noise."""
        started = time.perf_counter()
        outcomes = [why_unusable(tree) for tree in trees]
        usable = [i for i, outcome in enumerate(outcomes) if outcome is None]
        small = [i for i in usable if self.losses == "functions" or length_for(trees[i].size)]
        candidates = [self._first(trees[i]) for i in small]
        for stage in self._stages():
            going = [i for i, candidate in enumerate(candidates) if candidate.verdict is None]
            for i, candidate in zip(going, self._in_chunks(stage, [candidates[i] for i in going]), strict=True):
                candidates[i] = candidate
        seconds = (time.perf_counter() - started) / max(len(small), 1)
        for i, each in zip(small, candidates, strict=True):
            assert each.verdict is not None
            weights = tuple(each.weights.double().tolist())
            outcomes[i] = Outcome(
                each.tree, weights, each.verdict, each.reason, each.fitness, each.improvement, seconds
            )
        large = [i for i, outcome in enumerate(outcomes) if outcome is None]
        for i, outcome in zip(large, closures_of(self.shared)([trees[i] for i in large]), strict=True):
            outcomes[i] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _first(self, tree: Tree) -> Candidate:
        return Candidate(tree, first_loss(self.shared, tree)[0]["weights"])

    def _stages(self) -> list[Stage]:
        protocol = self.shared.protocol
        search: list[Stage] = [self._local_search] if protocol.local_steps else []
        gate: list[Stage] = [self._grid_gate] if protocol.order == "gate first" or protocol.wide_gate else []
        test: list[Stage] = [] if protocol.rejection == "off" else [self._rejection_test]
        if protocol.order == "gate first":
            return [*gate, *test, *search, self._fitness]
        return [*search, *gate, *test, self._fitness]

    def _in_chunks(self, stage: Stage, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Runs a stage on P candidates at a time, those of like size together; spare lanes repeat the last one."""
        order = sorted(range(len(candidates)), key=lambda i: candidates[i].tree.size)
        found: dict[int, Candidate] = {}
        for first in range(0, len(order), self.num_lanes):
            chunk = order[first : first + self.num_lanes]
            lanes = [candidates[i] for i in chunk]
            lanes += [lanes[-1]] * (self.num_lanes - len(lanes))
            found |= dict(zip(chunk, stage(lanes), strict=False))
        return [found[i] for i in range(len(candidates))]

    def _losses(self, lanes: Sequence[Candidate]) -> LaneLosses:
        trees = [lane.tree for lane in lanes]
        if self.losses == "functions":
            return OwnFunctions(trees, [first_loss(self.shared, tree)[1] for tree in trees])
        length = length_for(max(tree.size for tree in trees))
        assert length is not None
        return Interpreted(trees, stacked_programs(trees, length, self.shared.task.device), *self.interpreter)

    def _grid_gate(self, lanes: Sequence[Candidate]) -> list[Candidate]:
        found = []
        for lane in lanes:
            tested = grid_gate(self.shared, {"weights": lane.weights}, first_loss(self.shared, lane.tree)[1])
            found.append(_after_test(lane, tested))
        return found

    def _rejection_test(self, lanes: Sequence[Candidate]) -> list[Candidate]:
        shared, steps = self.shared, self.shared.protocol.filter_steps
        losses = self._losses(lanes)
        weights = losses.first([lane.weights for lane in lanes])
        optimiser = adam(shared.settings.inner_lr)
        outputs = torch.stack([shared.logits] * len(lanes))
        state, sums = optimiser.init(outputs), []
        for _ in range(steps):
            slopes = losses.slopes(weights, outputs, shared.targets).slopes
            outputs, state = optimiser.update(slopes, state, outputs)
            sums.append(slopes.flatten(1).sum(1))
        found = []
        for lane, bad, out in zip(lanes, _first_bad(sums), outputs, strict=True):
            reason = "" if bad is None else not_finite("the rejection test", bad, steps)
            found.append(_after_test(lane, Tested(reason) if reason else judged(shared, out)))
        return found

    def _local_search(self, lanes: Sequence[Candidate]) -> list[Candidate]:
        shared, steps = self.shared, self.shared.protocol.local_steps
        losses, outer = self._losses(lanes), outer_optimiser(shared.protocol)
        weights = losses.first([lane.weights for lane in lanes])
        state = torch.func.vmap(outer.init)(weights)
        update = torch.func.vmap(outer.update)
        buffers = self._copies(shared.buffers)
        alive, values = torch.ones(len(lanes), dtype=torch.bool, device=weights.device), []
        for step in range(steps):
            start, outputs = shared.start(step), shared.first_outputs(step)
            outputs = outputs.expand(len(lanes), *outputs.shape)
            found = losses.slopes(weights, outputs, start.train[0][1], of_phi=True)
            u, value = self.direction(start.theta, buffers, start.train[0], start.valid, found.slopes)
            grads = found.pull(u)
            values.append(value + grads.square().sum(1).sqrt())
            alive = alive & torch.isfinite(values[-1])
            moved, state = update(grads, state, weights)
            weights = torch.where(alive[:, None], moved, weights)  # a lane that diverged keeps its last weights
        ended = []
        for lane, bad, row in zip(lanes, _first_bad(values), losses.read(weights), strict=True):
            lane = replace(lane, weights=torch.tensor(row, dtype=torch.float64).to(lane.weights))
            ended.append(lane if bad is None else lane.ended("not finite", not_finite("local search", bad, steps)))
        return ended

    def _fitness(self, lanes: Sequence[Candidate]) -> list[Candidate]:
        shared, steps = self.shared, self.shared.protocol.fitness_steps
        losses = self._losses(lanes)
        weights = losses.first([lane.weights for lane in lanes])
        theta, buffers = self._copies(shared.theta_0), self._copies(shared.buffers)
        state, values = torch.func.vmap(shared.inner.init)(theta), []
        for step in range(steps):
            batch = shared.batch(step)
            found = losses.slopes(weights, self.outputs(theta, buffers, batch), batch[1])
            values.append(found.value)
            theta, buffers, state = self.training(theta, buffers, state, batch, found.slopes)
        outputs, targets = outputs_on(self._evaluated, theta, buffers, shared.valid)
        ended = []
        for lane, bad, out in zip(lanes, _first_bad(values), outputs.unbind(1), strict=True):
            error, reason = validation_error(shared, out, targets)
            reason = reason if bad is None else not_finite("training", bad, steps)
            ended.append(lane.ended("not finite", reason) if reason else lane.ended("accepted", "", error))
        return ended

    def _copies(self, tree: Tensors) -> Tensors:
        return map_tree(lambda t: torch.stack([t] * self.num_lanes), tree)  # type: ignore[no-any-return]

    def _evaluated(self, theta: Tensors, buffers: Tensors, x: Any, **how: Any) -> tuple[torch.Tensor, Tensors]:
        """The model of each lane in evaluation mode: outputs `[n, P, ...]`."""

        def of_lane(theta: Tensors, buffers: Tensors) -> torch.Tensor:
            outputs: torch.Tensor = self.shared.apply_fn(theta, buffers, x, **how)[0]
            return outputs

        return torch.func.vmap(of_lane, out_dims=1)(theta, buffers), buffers


def lanes(
    task: Task,
    settings: Settings,
    protocol: Protocol | None = None,
    num_lanes: int = 8,
    *,
    losses: Losses | None = None,
) -> Lanes:
    """Makes an evaluator of many candidates at once. Outcomes are those of `closures`, to rounding.

    Args:
        task, settings, protocol: as of `closures`; with `compile` of `"on"` the steps are compiled, once for all trees.
        num_lanes: how many models are in memory and step together.
        losses: `"functions"` computes each lane's loss as an ordinary function; `"programs"` all of them by an
            interpreter, and trees of more than 96 nodes one by one. Without it functions on a CPU, programs on a GPU.

    Raises:
        UserError: no lane, an unknown form of losses, or more than one inner step, for which there are closures.
    """
    return lanes_of(share(task, settings, protocol or Protocol()), num_lanes, losses=losses)


def lanes_of(shared: Shared, num_lanes: int, *, losses: Losses | None = None) -> Lanes:
    """Makes that evaluator from what candidates share."""
    losses = losses or ("functions" if shared.task.device.type == "cpu" else "programs")
    one_of("losses", losses, ["functions", "programs"])
    if num_lanes < 1:
        raise UserError(f"num_lanes is at least 1, got {num_lanes}.")
    if shared.protocol.inner_steps > 1:
        raise UserError(f"lanes take one inner step, got inner_steps={shared.protocol.inner_steps}; use closures.")
    apply_fn, inner = shared.apply_fn, shared.inner
    compiled = shared.settings.compile == "on"

    def program(function: Callable[..., Any], in_dims: tuple[int | None, ...] | None = None) -> Callable[..., Any]:
        whole = function if in_dims is None else torch.func.vmap(function, in_dims)
        return compile_program(whole, shared.task.device) if compiled else whole

    @cache
    def of_length(length: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
        return program(partial(lane_slopes, shared.task.kind)), program(partial(lane_pull, shared.task.kind))

    def interpreted(which: int, programs: Any, *args: Any) -> Any:
        return of_length(programs.opcodes.shape[1])[which](programs, *args)

    direction = partial(search_direction, apply_fn, inner, shared.task_loss)
    return Lanes(
        shared=shared,
        num_lanes=num_lanes,
        losses=losses,
        direction=program(direction, (None, 0, None, None, 0)),
        outputs=program(partial(outputs_on_batch, apply_fn), (0, 0, None)),
        training=program(partial(training_step, apply_fn, inner), (0, 0, 0, None, 0)),
        interpreter=(partial(interpreted, 0), partial(interpreted, 1)),
    )


def _after_test(lane: Candidate, tested: Tested) -> Candidate:
    lane = lane if tested is PASSED else replace(lane, improvement=tested.improvement)
    return lane.ended("rejected", tested.reason) if tested.reason else lane


def _first_bad(values: Sequence[torch.Tensor]) -> list[int | None]:
    """The first step at which a lane's value, one of `[P]` for each step, was not finite; None where there is none."""
    bad = ~torch.isfinite(torch.stack(list(values)))
    return [int(step) if any_bad else None for any_bad, step in zip(bad.any(0), bad.int().argmax(0), strict=True)]
