"""From a task and settings to a problem that a method can train."""

from typing import Any

import torch

from ..data.batches import draw_batch
from ..loss import cross_entropy, error_rate, loss_network, squared_error
from ..method import Problem
from ..model import PureModule, build_model, draw_masks, functional, mask_specs, xavier_uniform
from ..optimiser import adam, sgd
from ..randomness import generator
from ..task import Task
from ..types import Batch, TaskLoss, Tensors
from .settings import Settings

TASK_LOSSES: dict[str, TaskLoss] = {"classification": cross_entropy, "regression": squared_error}
ERRORS: dict[str, TaskLoss] = {"classification": error_rate, "regression": squared_error}


def build_functional(task: Task, model: str, seed: int) -> tuple[Tensors, PureModule]:
    """The named model for a task, with the theta_0 of a seed, on the task's device."""
    device = task.train.x.device
    shapes, _, apply_fn = functional(build_model(model, task.input_shape, task.num_outputs).to_empty(device="cpu"))
    return _draw_theta(shapes, seed, "theta_0", 0, device), apply_fn


def build_problem(task: Task, settings: Settings) -> Problem:
    """A task, a model and a loss as functions of the step.

    Draws are made on the CPU and carried over, so that every device sees the same numbers. For one seed every
    method has the same theta_0, phi_0 and batches.
    """
    seed, device = settings.seed, task.train.x.device
    theta_0, apply_fn = build_functional(task, settings.model, seed)
    phi_0, loss_fn = loss_network(task.kind, generator=generator(seed, "phi_0"))
    splits = {"train": task.train, "valid": task.valid}
    example = task.train.x[:1].expand(settings.batch_size, *task.input_shape)
    specs = mask_specs(apply_fn, theta_0, example)

    def batch(split: str, stream: str, step: int) -> Batch:
        drawn = draw_batch(splits[split], settings.batch_size, seed=seed, stream=stream, step=step)
        if not specs:
            return tuple(drawn)
        masks = draw_masks(specs, generator(seed, f"{stream} masks", step))
        return (*drawn, tuple(mask.to(device) for mask in masks))

    def redraw_theta(step: int) -> Tensors:
        if not settings.redraw_theta:
            return theta_0
        return _draw_theta(theta_0, seed, "offline theta_0", step, device)

    return Problem(
        apply_fn=apply_fn,
        theta_0=theta_0,
        redraw_theta=redraw_theta,
        phi_0=_to(phi_0, device),
        loss_fn=loss_fn,
        task_loss=TASK_LOSSES[task.kind],
        inner=sgd(settings.inner_lr),
        init_outer=adam(settings.init_lr),
        outer=adam(settings.outer_lr),
        batch=batch,
        steps=settings.steps,
        init_steps=settings.init_steps,
        inner_steps=settings.inner_steps,
        init_objective=settings.init_objective,
    )


def _draw_theta(shapes: Tensors, seed: int, stream: str, step: int, device: torch.device) -> Tensors:
    return _to(xavier_uniform(shapes, generator(seed, stream, step)), device)


def _to(tree: dict[str, Any], device: torch.device) -> dict[str, Any]:
    return {name: tensor.to(device) for name, tensor in tree.items()}
