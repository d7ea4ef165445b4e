"""Builds what a method trains from a task and settings: model, optimiser, steps, batches."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import torch

from ..catalogue import METHODS
from ..data.augmentation import Augmentation, Draws, crop_and_flip, draw_crops
from ..data.splits import Split, draw_rows
from ..errors import UserError
from ..hypergradient import Hypergradient, finite_difference, mixed
from ..loss import each_label, error_rate, squared_error
from ..method import Problem, Programs, programs
from ..model import PureModule, build_model, draw_masks, functional, initial_theta, mask_specs, xavier_uniform
from ..model.dropout import MaskSpec
from ..model.noise import NoiseSpec
from ..optimiser import Optimiser, adam, adamw, clip, sgd
from ..randomness import generator
from ..schedules import outer_schedule_factor, schedule_factor
from ..settings import Settings
from ..task import Task
from ..task.corruption import Corrupted, corrupt
from ..trees import map_tree
from ..types import Batch, Group, Shape, TaskLoss, Tensors
from .check import check_reads, working_hypergradient
from .compilation import compile_program, compiled_pieces, compiler_is_there, forward_flops, vmap_pays, worth_compiling
from .losses import learned, objective_of, of_task
from .stored_inputs import stored_inputs

ERRORS: dict[str, TaskLoss] = {
    "classification": error_rate,
    "regression": squared_error,
    "multilabel": each_label(error_rate),
}
IN_PIECES: dict[str, Hypergradient] = {"auto": mixed, "mixed": mixed, "finite-difference": finite_difference}
"""Forms whose passes are compiled one by one where a horizon is long."""
AUTOCAST = {"float32": None, "tf32": None, "bfloat16": torch.bfloat16}


class Sizes(Protocol):
    """The sizes that a model must fit; a `Task` has them."""

    @property
    def input_shape(self) -> Shape: ...
    @property
    def num_outputs(self) -> int: ...
    @property
    def device(self) -> torch.device: ...


def build_functional(task: Sizes, settings: Settings) -> tuple[Tensors, PureModule]:
    """Returns theta without values, on the device `meta`, and the model as a function."""
    module = build_model(settings.model, task.input_shape, task.num_outputs).to(task.device)
    theta, _, apply_fn = functional(module, autocast=AUTOCAST[settings.precision], recompute=settings.recompute)
    return {name: t.to("meta") for name, t in theta.items()}, apply_fn


def compiles(task: Task, settings: Settings) -> bool:
    """Says whether the steps of a run are compiled.

    Raises:
        UserError: `compile` is `"on"`, and there is no compiler.
    """
    check_reads(task, settings)
    if settings.compile == "on" and not compiler_is_there(task.device):
        raise UserError("--compile on needs a C++ compiler (g++ or clang++), and none is found; choose --compile off.")
    if settings.compile != "auto":
        return settings.compile == "on"
    shapes, apply_fn = build_functional(task, settings)
    if apply_fn.custom_gradients.functions or apply_fn.recomputed:
        return False
    steps = settings.steps + (settings.offline_steps if METHODS[settings.method].offline else 0)
    theta = {name: torch.zeros(t.shape) for name, t in shapes.items()}
    buffers = {name: t.cpu() for name, t in apply_fn.buffers.items()}
    x = map_tree(lambda t: torch.zeros_like(t, device="cpu"), task.train.pick(slice(1)).x)
    flops = forward_flops(lambda: apply_fn(theta, buffers, x, training=False))
    return worth_compiling(steps, settings.batch_size * flops, task.device)


def trains_together(task: Task, settings: Settings) -> bool:
    """Says whether several seeds of a run train faster as one program."""
    shapes, _ = build_functional(task, settings)
    return vmap_pays(shapes, task.device) and not (in_pieces(settings) and compiles(task, settings))


def in_pieces(settings: Settings) -> bool:
    """Says whether compiled steps are compiled pass by pass: over a long horizon. Seeds cannot be vmapped then."""
    long = max(settings.inner_steps, settings.horizon) > 1
    return long and AUTOCAST[settings.precision] is None and settings.hypergradient in IN_PIECES


def inner_optimiser(settings: Settings) -> Optimiser:
    """Returns the optimiser of theta."""
    decay = settings.weight_decay
    if settings.optimizer == "sgd":
        inner = sgd(settings.inner_lr, momentum=settings.momentum, nesterov=settings.nesterov, weight_decay=decay)
    else:
        inner = {"adam": adam, "adamw": adamw}[settings.optimizer](settings.inner_lr, weight_decay=decay)
    return inner if settings.clip_norm is None else clip(inner, settings.clip_norm)


def build_programs(
    task: Task, settings: Settings, *, many_seeds: bool, compiled: bool, group: Group | None = None
) -> Programs:
    """Builds the steps of a run, which do not depend on the seed.

    Args:
        task, settings: of the run.
        many_seeds: whether tensors are stacked over seeds.
        compiled: whether the steps are compiled; with a group the passes of `mixed` are, and nothing else.
        group: as in `lfl.meta_step`.

    Raises:
        UserError: the model cannot be trained in this way (see `working_hypergradient`), or the objective does not fit
            the task.
    """
    _, apply_fn = build_functional(task, settings)
    of_run = learned(task, settings, settings.seed)
    inner, task_loss = inner_optimiser(settings), of_task(task, objective_of(task.kind, settings))
    name = working_hypergradient(task, settings, apply_fn, of_run, inner, task_loss, compiled=compiled)
    pieces = compiled and (group is not None or in_pieces(replace(settings, hypergradient=name)))
    if pieces and name not in IN_PIECES:
        raise UserError(f"hypergradient {name} cannot be compiled for several ranks; choose mixed, or --compile off.")
    whole = compiled and group is None
    form: Hypergradient | None = partial(mixed, stored=torch.bfloat16) if settings.stored == "bfloat16" else None
    return programs(
        apply_fn=apply_fn,
        loss_fn=of_run.loss_fn,
        task_loss=task_loss,
        inner=inner,
        outer=adam(settings.outer_lr),
        learned_rate=of_run.learned_rate,
        hypergradient=compiled_pieces(form or IN_PIECES[name], task.device) if pieces else form or name,
        meta_batch_size=settings.meta_batch_size,
        many_seeds=many_seeds,
        compile_program=partial(compile_program, device=task.device) if whole else None,
        compile_meta=not pieces,
        group=group,
    )


def build_problem(
    task: Task,
    settings: Settings,
    *,
    seeds: Sequence[int] | None = None,
    steps: Programs | None = None,
    phi: Tensors | None = None,
) -> Problem:
    """Builds the problem of a run: its steps, and everything that a step uses as a function of the step's number.

    Random draws are made on the CPU and moved, so that every device has the same numbers. For one seed every
    method has the same theta_0, phi_0 and batches.

    Args:
        task: data, on the device to train on.
        settings: of the run.
        seeds: what is drawn for each of them is stacked; without them the settings' own seed is used, unstacked.
        steps: from `build_programs`; built here, eager, when omitted.
        phi: the first phi, the same for every seed, in place of a random draw.
    """
    shapes, apply_fn = build_functional(task, settings)
    if steps is None:
        steps = build_programs(task, settings, many_seeds=seeds is not None, compiled=False)
    splits = {"train": task.train, "valid": task.valid}
    specs = _mask_specs(task, settings, shapes, apply_fn)

    def together(of_seeds: list[Any]) -> Any:
        """What there is for the one seed, or for all, stacked."""
        return of_seeds[0] if seeds is None else _stack(of_seeds)

    def each_seed(draw: Callable[[int], Any]) -> Any:
        """Draws for the one seed, or for each and stacks; moves to the task's device."""
        drawn = together([draw(seed) for seed in ([settings.seed] if seeds is None else seeds)])
        return map_tree(lambda t: t.to(task.device), drawn)

    def draw_theta(stream: str, step: int) -> Tensors:
        def draw_one(seed: int) -> Tensors:
            source = generator(seed, stream, step)
            if settings.theta_init == "xavier":
                return xavier_uniform(shapes, source)
            own = build_model(settings.model, task.input_shape, task.num_outputs, seed=source.initial_seed())
            return initial_theta(own)

        theta: Tensors = each_seed(draw_one)
        return theta

    def augmented(change: Augmentation, rows: torch.Tensor, stream: str, step: int) -> torch.Tensor:
        if "train" in stored:
            padded = together(stored["train"](stream, step))
            change = change._replace(padded=padded.flatten(0, rows.dim() - 1))
            rows = torch.arange(rows.numel(), device=rows.device).view(rows.shape)
        size = settings.batch_size
        draws = each_seed(lambda seed: draw_crops(change, size, generator(seed, f"{stream} crops", step)))
        cut = crop_and_flip(change, rows.flatten(), Draws(*(t.flatten() for t in draws)))
        return cut.view(*rows.shape, *task.input_shape)

    all_seeds = [settings.seed] if seeds is None else seeds
    of_seeds = [corrupted_train(task, settings, seed) for seed in all_seeds] if is_corrupted(settings) else None
    corrupted = None if of_seeds is None else map_tree(lambda t: t.to(task.device), together(of_seeds))
    stored = stored_inputs(task, settings, all_seeds, of_seeds)

    def of_seed(tensor: torch.Tensor, picked: torch.Tensor) -> torch.Tensor:
        """Picks entries from each seed's own tensor."""
        if seeds is None:
            return tensor[picked]
        return tensor[torch.arange(len(seeds), device=tensor.device)[:, None], picked]

    def batch(split: str, stream: str, step: int) -> Batch:
        data: Split = splits[split]
        changed = corrupted if split == "train" else None
        count = len(data.y) if changed is None else changed.rows.shape[-1]
        picked = each_seed(lambda seed: draw_rows(count, settings.batch_size, seed=seed, stream=stream, step=step))
        rows = picked if changed is None else of_seed(changed.rows, picked)
        y = data.y[rows] if changed is None else of_seed(changed.y, picked)
        change = task.augmentation if split == "train" else None
        if change is not None:
            x = augmented(change, rows, stream, step)
        else:
            x = together(stored[split](stream, step)) if split in stored else map_tree(lambda t: t[rows], data.x)
        if not specs:
            return x, y
        masks = each_seed(lambda seed: draw_masks(specs, generator(seed, f"{stream} masks", step)))
        return x, y, masks

    method = METHODS[settings.method]
    alpha = 1.0 if method.learns_rate else settings.inner_lr

    def inner_rate(step: int) -> torch.Tensor:
        return torch.tensor(alpha * schedule_factor(settings.schedule, step, settings.steps), device=task.device)

    def outer_rate(step: int) -> torch.Tensor:
        factor = outer_schedule_factor(settings.outer_schedule, settings.schedule, step, settings.steps)
        return torch.tensor(settings.outer_lr * factor, device=task.device)

    def draw_phi(seed: int) -> Tensors:
        drawn = learned(task, settings, seed).phi_0 if phi is None else phi
        return drawn or {}

    theta_0 = draw_theta("theta_0", 0)

    def init_theta(step: int) -> Tensors | None:
        every = settings.restart_every
        if step > 0 and (every == 0 or step % every):
            return None
        return draw_theta("offline theta_0", step) if settings.redraw_theta else theta_0

    return Problem(
        programs=steps,
        theta_0=theta_0,
        init_theta=init_theta,
        phi_0=each_seed(draw_phi) if method.learns_loss or method.learns_rate else None,
        inner_rate=inner_rate,
        batch=batch,
        offline_lr=torch.tensor(settings.offline_lr, device=task.device),
        outer_rate=outer_rate,
        steps=settings.steps,
        offline_steps=settings.offline_steps,
        inner_steps=settings.inner_steps,
        horizon=settings.horizon,
        meta_every=settings.meta_every,
        offline_objective=settings.offline_objective,
        meta_objective=settings.meta_objective,
    )


def is_corrupted(settings: Settings) -> bool:
    """Says whether a run corrupts its train split on purpose."""
    return any(value is not None for value in (settings.label_noise, settings.outliers, settings.imbalance))


def corrupted_train(task: Task, settings: Settings, seed: int) -> Corrupted:
    """Returns the corrupted train split of a seed, on the CPU."""
    return corrupt(
        task,
        label_noise=settings.label_noise,
        outliers=settings.outliers,
        imbalance=settings.imbalance,
        seed=seed,
    )


def _mask_specs(
    task: Task, settings: Settings, shapes: Tensors, apply_fn: PureModule
) -> tuple[MaskSpec | NoiseSpec, ...]:
    theta = {name: torch.zeros(t.shape, dtype=t.dtype, device=task.device) for name, t in shapes.items()}
    one = task.train.pick(slice(1)).x

    def specs(batch_size: int) -> tuple[MaskSpec | NoiseSpec, ...]:
        x = map_tree(lambda t: t.expand(batch_size, *t.shape[1:]), one)
        return mask_specs(apply_fn, theta, x)

    return specs(settings.batch_size) if apply_fn.dropouts or specs(2) else ()  # functions of dropout have no names


def _stack(trees: list[Any]) -> Any:
    return map_tree(lambda *leaves: torch.stack(leaves), *trees)
