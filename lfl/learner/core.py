"""The working parts of a learner: its state, and the steps that change it."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import UserError
from ..hypergradient import Bilevel, Hypergradient
from ..method import Programs, programs
from ..optimiser import Optimiser
from ..randomness import seeded
from ..step import Carry, Info, Ranks, meta_step
from ..step.ranks import parts
from ..types import Batch, Kind, LossFn, Rate, TaskLoss, Tensors, Tree
from .accumulation import Gathered
from .agreement import Agreement
from .chosen_loss import ChosenLoss, outputs_of
from .compiled import form_to_compile
from .draws import Draws
from .micro_steps import MicroSteps
from .offline import learn_offline, redrawn
from .own_module import OwnModule
from .saved import FORMAT, checked, filled, flat, gathered_of, gathered_state

Rates = tuple[Rate | None, Rate | None]
"""Theta's and phi's rates of a step; None for the optimisers' own."""


class Core:
    """Steps of a module and its loss, and what they leave for the next ones.

    Args:
        own: the module.
        loss, task_loss, kind, num_outputs: the learned loss that was asked for, and the task's own.
        inner, outer: optimisers of theta and of phi.
        hypergradient, meta_batch_size: as in `lfl.meta_step`.
        compiler: compiles a pure function; None for eager steps.
        accumulate: micro-batches of a step.
        seed: of masks and other draws.
        ranks: the processes that step together; None for one.
    """

    def __init__(
        self,
        own: OwnModule,
        loss: ChosenLoss,
        task_loss: TaskLoss,
        *,
        kind: Kind,
        num_outputs: int | None,
        inner: Optimiser,
        outer: Optimiser,
        hypergradient: str | Hypergradient,
        meta_batch_size: int | None,
        compiler: Callable[[Callable[..., Any]], Callable[..., Any]] | None,
        accumulate: int,
        seed: int,
        ranks: Ranks | None,
    ) -> None:
        self._ranks, self._agreement = ranks, Agreement(ranks)
        self.own, self.kind, self.num_outputs, self.seed = own, kind, num_outputs, seed
        self._loss, self._task_loss, self._inner, self._outer = loss, task_loss, inner, outer
        self._hypergradient, self._meta_batch_size = hypergradient, meta_batch_size
        self._compiler, self._accumulate = compiler, accumulate
        self._draws = Draws(own.apply_fn, own.device)
        self._programs: Programs | None = None
        self._micro_steps: MicroSteps | None = None
        theta, _ = own.read()
        self.steps = self.calls = self.offline_steps = 0
        self.warned = False
        self.phi: Tree = None
        self.loss_fn: LossFn | None = None
        self._inner_state: Tree = own.kept_apart(inner.init(theta))
        self._outer_state: Tree = None
        self.gathered: Gathered | None = None
        if num_outputs is not None or not loss.needs_num_outputs:
            self.draw_loss()

    def draw_loss(self) -> None:
        """Draws the first phi."""
        theta, _ = self.own.read()
        self.phi, self.loss_fn = self._loss.draw(self.num_outputs, next(iter(theta.values())))
        self._outer_state = self._outer.init(self.phi)

    def step(self, batch: Batch, batch_val: Batch | None, rates: Rates, *, learns: bool, ends: bool) -> Info:
        """Takes a step, or adds a micro-batch to one that does not end yet.

        Args:
            batch, batch_val: the batches; without masks.
            rates: of the step.
            learns: whether phi takes a step in it.
            ends: whether it ends with this batch.
        """
        theta, buffers = self.own.read()
        self._begin(batch, theta, buffers)
        batch = self._complete(batch, "train", self.calls, theta, buffers)
        if batch_val is not None:
            batch_val = self._complete(batch_val, "valid", self.calls, theta, buffers)
        held = {"theta": theta, "buffers": buffers, "phi": self.phi, "the optimiser's state": self._inner_state}
        self._agreement.check(self.calls, batch, batch_val, **held)
        if self._accumulate > 1:
            info = self._micro_step(theta, buffers, batch, batch_val, rates, learns=learns, ends=ends)
        else:
            info = self._whole_step(theta, buffers, batch, batch_val, rates)
        self.calls += 1
        self.steps += ends
        return info

    def offline(
        self,
        train: Iterable[Any],
        valid: Iterable[Any] | None,
        *,
        steps: int,
        inner_steps: int,
        restart_every: int,
        redraw: Callable[[], nn.Module] | None,
        outer: Optimiser | None,
    ) -> Info:
        """Takes offline steps of phi; as `Learner.offline`."""
        theta, buffers = self.own.read()
        outer = self._outer if outer is None else outer

        def steps_of(batch: Batch) -> tuple[Programs, Tree, Tree]:
            self._begin(batch, theta, buffers)
            same = outer is self._outer and self._programs is not None and inner_steps == 1
            made = self._programs if same else self._make_programs(outer, compiled=inner_steps == 1)
            assert made is not None
            return made, self.phi, outer.init(self.phi)

        def start(step: int) -> tuple[Tensors, Tensors]:
            return (theta, buffers) if redraw is None else redrawn(redraw, (theta, buffers), self.seed, step)

        def complete(batch: Batch, stream: str, step: int) -> Batch:
            return self._complete(batch, f"offline {stream}", step, theta, buffers)

        self.phi, info = learn_offline(
            steps_of,
            start,
            train,
            valid,
            complete=complete,
            first=self.offline_steps,
            steps=steps,
            inner_steps=inner_steps,
            restart_every=restart_every,
        )
        self.offline_steps += steps
        return info

    def state(self) -> dict[str, Any]:
        """All that the next step needs besides the module, in plain dicts."""
        if self.loss_fn is None:
            raise UserError("there is no state before the first step, where num_outputs is not given.")
        if self._ranks is not None and self.gathered is not None:
            raise UserError(
                "within an accumulated step each rank holds micro-batches of its own; save the state after a call that "
                "ends a step."
            )
        return {
            **{"format": FORMAT, "steps": self.steps, "calls": self.calls, "offline_steps": self.offline_steps},
            **{"seed": self.seed, "num_outputs": self.num_outputs, "warned": self.warned, "phi": flat(self.phi)},
            **{"inner": flat(self._inner_state), "outer": flat(self._outer_state)},
            "gathered": gathered_state(self.gathered),
        }

    def load(self, given: Any) -> None:
        """Continues from a state; nothing is changed where it does not fit."""
        state = checked(given)
        if self.loss_fn is None:
            self.num_outputs = state["num_outputs"]
            self.draw_loss()
        phi = filled(self.phi, state["phi"], "phi")
        inner, outer = (
            filled(self._inner_state, state["inner"], "inner"),
            filled(self._outer_state, state["outer"], "outer"),
        )
        self._agreement.checked = False
        self.gathered = gathered_of(state["gathered"], self.own.device)
        self.phi, self._inner_state, self._outer_state = phi, inner, outer
        self.steps, self.calls, self.offline_steps = state["steps"], state["calls"], state["offline_steps"]
        self.seed, self.num_outputs, self.warned = state["seed"], state["num_outputs"], state["warned"]

    def _begin(self, batch: Batch, theta: Tensors, buffers: Tensors) -> None:
        """Draws the loss and makes the steps, where that is still to do."""
        if self.loss_fn is None:
            with torch.no_grad(), seeded(0, theta.values()):
                outputs, _ = self.own.apply_fn(theta, buffers, batch[0], training=False)
            self.num_outputs = outputs_of(outputs, self.kind)
            self.draw_loss()
        if self._programs is not None or self._micro_steps is not None:
            return
        assert self.loss_fn is not None
        if self._compiler is not None:
            batch = self._complete(batch, "check", 0, theta, buffers)
            self._hypergradient = form_to_compile(
                partial(self._try_step, theta, buffers, batch), self._hypergradient, self.own.apply_fn, theta, batch,
                free=self._meta_batch_size is None and self.own.apply_fn.autocast is None,
            )  # fmt: skip
        if self._accumulate > 1:
            problem = Bilevel(self.own.apply_fn, self.loss_fn, self._task_loss, self._inner)
            if self._ranks is not None:
                shared: Any = self._ranks.model(self.own.apply_fn)
                problem = problem._replace(apply_fn=shared, average=self._ranks.average)
            self._micro_steps = MicroSteps(problem, self._outer, self._hypergradient, theta, self._compiler)
        else:
            self._programs = self._make_programs(self._outer, compiled=True)

    def _make_programs(self, outer: Optimiser, *, compiled: bool) -> Programs:
        assert self.loss_fn is not None
        return programs(
            apply_fn=self.own.apply_fn,
            loss_fn=self.loss_fn,
            task_loss=self._task_loss,
            inner=self._inner,
            outer=outer,
            hypergradient=self._hypergradient,
            meta_batch_size=self._meta_batch_size,
            compile_program=self._compiler if compiled else None,
            group=self._ranks,
        )

    def _try_step(self, theta: Tensors, buffers: Tensors, batch: Batch, hypergradient: str | Hypergradient) -> None:
        assert self.loss_fn is not None
        meta_step(
            theta,
            self.phi,
            batch,
            batch,
            Carry(self._inner_state, self._outer_state, buffers),
            apply_fn=self.own.apply_fn,
            loss_fn=self.loss_fn,
            task_loss=self._task_loss,
            inner=self._inner,
            outer=self._outer,
            hypergradient=hypergradient,
            meta_batch_size=self._meta_batch_size,
        )

    def _complete(self, batch: Batch, stream: str, step: int, theta: Tensors, buffers: Tensors) -> Batch:
        stream = f"learner {stream}"
        if self._ranks is not None and self._ranks.batches == "own":
            stream = f"{stream} {self._ranks.rank}"
        return self._draws.complete(batch, theta, buffers, seed=self.seed, stream=stream, step=step)

    def _whole_step(
        self, theta: Tensors, buffers: Tensors, batch: Batch, batch_val: Batch | None, rates: Rates
    ) -> Info:
        assert self._programs is not None
        carry = Carry(self._inner_state, self._outer_state, buffers)
        if batch_val is None:
            theta, carry, info = self._programs.base(theta, self.phi, batch, carry, rates[0])  # type: ignore[arg-type]
        else:
            theta, self.phi, carry, info = self._programs.meta(
                theta, self.phi, [batch], batch_val, carry, *rates  # type: ignore[arg-type]
            )  # fmt: skip
        self._inner_state, self._outer_state = self.own.kept_apart(carry.inner), carry.outer
        self.own.write(theta, carry.buffers)
        return info

    def _micro_step(
        self,
        theta: Tensors,
        buffers: Tensors,
        batch: Batch,
        batch_val: Batch | None,
        rates: Rates,
        *,
        learns: bool,
        ends: bool,
    ) -> Info:
        steps = self._micro_steps
        assert steps is not None
        if self._ranks is not None:
            (batch,), batch_val = parts(self._ranks, [batch], batch_val, check=False)
        gathered, after, info = steps.add(self.gathered, theta, self.phi, buffers, batch, batch_val, learns=learns)
        if not ends:
            self.gathered = gathered
            self.own.write_buffers(after)
            return info
        moved = steps.finish(
            gathered, theta, self.phi, after, self._inner_state, self._outer_state, rates, learns=learns
        )
        self.gathered, self.phi, self._outer_state = None, moved.phi, moved.outer
        self._inner_state = self.own.kept_apart(moved.inner)
        self.own.write(moved.theta, after)
        return moved.info
