"""`Learner`: the one object of lfl with a state, for loops that train a module in place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..errors import UserError, one_of
from ..hypergradient import Hypergradient
from ..loss import IGNORE_INDEX
from ..optimiser import Optimiser, adam, clip, sgd
from ..step import Info, warn_of_zero_gradient
from ..step.batches import as_batch
from ..step.ranks import ranks_of
from ..types import Group, Kind, LossFn, TaskLoss, Tree
from .chosen_loss import ChosenLoss, chosen_task_loss, drop_in
from .compiled import AUTOCAST, compiler_for, refuse_coarse_batch_norm
from .core import Core
from .own_module import OwnModule
from .rates import Rates, Schedule
from .torch_optim import given_optimiser

SGD, ADAM = sgd(0.1, momentum=0.9), adam(1e-3)
"""The optimisers where none are given."""


class Learner:
    """Trains a module of yours in place, while the loss that it trains on is learned.

        theta' = theta - alpha grad_theta M_phi(y, f_theta(x))         train batch
        phi'   = phi   - eta   grad_phi   L_T(y, f_theta'(x))          validation batch, through theta'(phi)

    Each step is `lfl.meta_step`, or `lfl.base_step` where the loss does not learn; the results are then copied into the
    module's own parameters and buffers. A step treats the module as `lfl.functional` does, in training mode, whatever
    `module.train()` and `module.eval()` say; what was in evaluation mode within a module in training mode when the
    learner was made stays so. `docs/learner.md` has a loop, checkpoints and accumulation.

    Args:
        module: the model, on its device; parameters in float32 or float64. Changed by `step` alone.
        loss: the learned loss: a name (`lfl list`), `"module:function"`, or a pair `(phi, loss_fn)` with
            `loss_fn(phi, outputs, targets) -> [batch]`.
        kind: of the targets, `"classification"` or `"regression"`; it says which losses a name stands for.
        num_outputs: classes, or width of the targets; found from the model's outputs at the first step when omitted.
        base: the hand-made loss that some learned ones start from.
        optimizer: of the module: a pair such as `lfl.sgd(0.1)`; or an instance of torch's SGD, Adam, AdamW or RMSprop,
            whose settings are taken over, and whose rate is read at each step, so that torch's schedulers work on it.
        loss_optimizer: of phi; likewise.
        task_loss: L_T: a name of `lfl list` (objectives), `"module:function"`, or `task_loss(outputs, targets) ->
            [batch]`; cross-entropy or squared error when omitted.
        meta_every: steps of the module for each step of phi; None for a loss that no longer changes.
        steps: of the training, for schedules by name.
        schedule: of the module's rate: `"constant"`, `"cosine"`, `"step"`, or a function `factor(step)`.
        outer_schedule: of phi's rate: `"model"`, the same as the module's; or as `schedule`.
        clip_norm: the greatest norm of the module's gradient.
        accumulate: calls of `step` with micro-batches for each step, which is then that of all of them together.
        hypergradient, meta_batch_size: as in `lfl.meta_step`.
        compile: whether steps are compiled; batches of each further shape compile again.
        precision: of matrix products and convolutions, `"float32"` or `"bfloat16"`; the latter not with batch norm.
        recompute: blocks whose activations are computed again in a backward pass instead of being kept, `"auto"` or
            names, as in `lfl.functional`. Without `compile`.
        seed: of the first phi, and of dropout masks and other draws.
        group: the processes that take each step together, as in `lfl.meta_step`; every one makes the same learner, of a
            module with the same first parameters. Without `compile` (docs/distributed.md).

    Raises:
        UserError: whatever of this cannot be used.

    Example:
        >>> import lfl
        >>> module = nn.Linear(3, 2)
        >>> learner = lfl.Learner(module, optimizer=lfl.sgd(0.1))
        >>> info = learner.step((torch.ones(4, 3), torch.zeros(4).long()), (torch.ones(4, 3), torch.zeros(4).long()))
        >>> bool(info.phi_grad_norm > 0), learner.steps_done
        (True, 1)

    Source: Raymond et al. (2025), Algorithms 1 and 2.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: str | tuple[Tree, LossFn] = "residual",
        kind: Kind = "classification",
        *,
        num_outputs: int | None = None,
        base: str | TaskLoss | None = None,
        optimizer: Optimiser | torch.optim.Optimizer = SGD,
        loss_optimizer: Optimiser | torch.optim.Optimizer = ADAM,
        task_loss: str | TaskLoss | None = None,
        meta_every: int | None = 1,
        steps: int | None = None,
        schedule: Schedule = "constant",
        outer_schedule: Schedule = "model",
        clip_norm: float | None = None,
        accumulate: int = 1,
        hypergradient: str | Hypergradient = "auto",
        meta_batch_size: int | None = None,
        compile: bool = False,
        precision: str = "float32",
        recompute: str | Sequence[str] | None = None,
        seed: int = 0,
        group: Group | None = None,
    ) -> None:
        _at_least_one(num_outputs=num_outputs, meta_every=meta_every, steps=steps, meta_batch_size=meta_batch_size)
        _at_least_one(accumulate=accumulate)
        one_of("precision", precision, list(AUTOCAST))
        if accumulate > 1 and meta_batch_size is not None:
            raise UserError("meta_batch_size takes part of whole batches; with accumulate above 1 leave it out.")
        ranks = ranks_of(group)
        if ranks is not None and compile:
            raise UserError("steps of several ranks are eager, got compile=True with a group; leave one of them out.")
        if recompute is not None and compile:
            raise UserError("recompute saves nothing in compiled steps; leave compile=True out, or recompute.")
        own = OwnModule(module, AUTOCAST[precision], recompute)
        if precision == "bfloat16":
            refuse_coarse_batch_norm(module)
        inner = given_optimiser("optimizer", optimizer, [p for p in module.parameters() if p.requires_grad])
        outer = given_optimiser("loss_optimizer", loss_optimizer)
        like = next(iter(own.read()[0].values()))
        self._rates = Rates(inner, outer, schedule, outer_schedule, steps, like)
        self._meta_every, self._accumulate = meta_every, accumulate
        self._core = Core(
            own,
            ChosenLoss(loss, kind, base, seed),
            chosen_task_loss(kind, task_loss),
            kind=kind,
            num_outputs=num_outputs,
            inner=inner.pair if clip_norm is None else clip(inner.pair, clip_norm),
            outer=outer.pair,
            hypergradient=hypergradient,
            meta_batch_size=meta_batch_size,
            compiler=compiler_for(own.device) if compile else None,
            accumulate=accumulate,
            seed=seed,
            ranks=ranks,
        )

    @property
    def phi(self) -> Tree:
        """The loss's present parameters; later steps do not write to them.

        Raises:
            UserError: before the first step, where the number of outputs was not given.
        """
        if self._core.loss_fn is None:
            raise UserError("the loss is drawn at the first step, which shows the number of outputs; give num_outputs.")
        return self._core.phi

    @property
    def steps_done(self) -> int:
        """Steps that the module has taken."""
        return self._core.steps

    @property
    def needs_validation(self) -> bool:
        """Whether the next step learns the loss, and so needs a validation batch."""
        return self._meta_every is not None and self._core.steps % self._meta_every == self._meta_every - 1

    def step(self, train: Any, valid: Any = None) -> Info:
        """Takes a step: the module moves, and the loss where `needs_validation` says so.

        Args:
            train: batch `(x, y)`, or the `[x, y]` of a `DataLoader`, on the module's device. x is a tensor, a tuple of
                inputs or a dict of named ones. Dropout masks and seeds for other draws are added; a third entry, as in
                `lfl.meta_step`, is used as it is.
            valid: validation batch; not used in steps where the loss does not learn, which may leave it out.

        Returns:
            Losses and gradient norms. With `accumulate` above 1: of this micro-batch alone; at the call that ends a
            step, of all together.

        Raises:
            UserError: no validation batch where one is needed, a changed module, and as `lfl.meta_step`.

        Warns:
            ZeroGradientWarning: the gradient of phi is exactly 0 at its first step.
        """
        core = self._core
        batch = as_batch("train", train)
        learns, ends = self.needs_validation, (core.calls + 1) % self._accumulate == 0
        batch_val = as_batch("valid", valid) if learns and valid is not None else None
        if learns and ends and batch_val is None and not (core.gathered and core.gathered.valid):
            raise UserError(
                f"step {core.steps + 1} learns the loss and needs a validation batch: step((x, y), (x_val, y_val)). "
                "learner.needs_validation says which steps do."
            )
        rates = (self._rates.inner(core.steps), self._rates.outer(core.steps)) if ends else (None, None)
        info = core.step(batch, batch_val, rates, learns=learns, ends=ends)
        if learns and ends and not core.warned:
            core.warned = True
            warn_of_zero_gradient(info)
        return info

    def offline(
        self,
        train_batches: Iterable[Any],
        valid_batches: Iterable[Any] | None = None,
        *,
        steps: int = 500,
        inner_steps: int = 1,
        restart_every: int = 1,
        redraw: Callable[[], nn.Module] | None = None,
        loss_optimizer: Optimiser | None = None,
    ) -> Info:
        """Learns the loss before the training, from short trainings that are thrown away; the module stays as it is.

        Args:
            train_batches: batches as in `step`: a list, a `DataLoader`, or whatever can be gone through again.
            valid_batches: likewise; when omitted the loss is measured on the train batch of each step.
            steps: of phi.
            inner_steps: train batches, and steps of theta, for each of them.
            restart_every: steps of phi after which theta starts again; 0 for one start.
            redraw: `redraw() -> module`, which makes a module like the learner's with other first parameters for each
                start; without it each one starts at the module's present parameters.
            loss_optimizer: of phi, such as `lfl.adam(1e-3)`; the learner's own when omitted. Its state ends with the
                phase, and rates are those of the optimisers, without schedule.

        Returns:
            Losses and gradient norms of the last step.

        Raises:
            UserError: batches that have ended, a module of another form from `redraw`, and as `lfl.meta_step`.

        Source: Raymond et al. (2025), Algorithm 1; Bechtle et al. (2021).
        """
        _at_least_one(steps=steps, inner_steps=inner_steps)
        if restart_every < 0:
            raise UserError(f"restart_every must be at least 0, got {restart_every}; 0 is for one start.")
        return self._core.offline(
            train_batches,
            valid_batches,
            steps=steps,
            inner_steps=inner_steps,
            restart_every=restart_every,
            redraw=redraw,
            outer=None if loss_optimizer is None else given_optimiser("loss_optimizer", loss_optimizer).pair,
        )

    def loss(self, *, reduction: str = "mean", ignore_index: int = IGNORE_INDEX) -> nn.Module:
        """Returns the loss as it is now, in place of `nn.CrossEntropyLoss` or `nn.MSELoss`; later steps leave it alone.

        Args:
            reduction, ignore_index: as in `lfl.FixedLoss`.

        Returns:
            An `lfl.FixedLoss`.

        Raises:
            UserError: phi is not a flat dict of tensors; as `phi`.
        """
        from ..export import FixedLoss  # needs packages that steps do not

        phi, core = self.phi, self._core
        if not isinstance(phi, dict) or not all(isinstance(t, torch.Tensor) for t in phi.values()):
            raise UserError(f"a loss as a module needs phi as a flat dict of tensors, got a {type(phi).__name__}.")
        assert core.loss_fn is not None
        loss_fn = drop_in(core.loss_fn, core.kind, core.num_outputs)
        return FixedLoss(loss_fn, phi, reduction=reduction, ignore_index=ignore_index)

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the next step needs besides the module, in plain dicts of tensors and numbers.

        With the module's own `state_dict` a learner with the same settings continues bit for bit from it. It is safe to
        `torch.save`, and `torch.load` reads it with `weights_only=True`.

        Raises:
            UserError: before the first step, where `num_outputs` is not given.
        """
        return self._core.state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` returned; the module's own state is loaded into the module.

        Raises:
            UserError: something else, or the state of a learner with other settings.
        """
        self._core.load(state)

    def __repr__(self) -> str:
        return f"Learner({type(self._core.own.module).__name__}, {self._core.kind}, steps_done={self.steps_done})"


def _at_least_one(**counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UserError(f"{name} must be a whole number of at least 1, got {value!r}.")
