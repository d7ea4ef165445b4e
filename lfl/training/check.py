"""Checks a model before a run begins, in an eager step: a compiled or stacked one would not notice its faults."""

import torch

from ..catalogue import METHODS, MODELS
from ..errors import UserError
from ..hypergradient import forward
from ..model import PureModule, build_model, draw_masks, initial_theta, mask_specs
from ..optimiser import Optimiser, adam
from ..randomness import generator
from ..settings import Settings
from ..step import fresh_carry, meta_step
from ..step.guard import no_random_draws, no_writes
from ..step.trial import refuse_custom_functions, working_form
from ..task import Task
from ..trees import map_tree
from ..types import Batch, TaskLoss, Tensors
from ..user_code import is_own
from .losses import Learned

EXAMPLES = 8


def working_hypergradient(
    task: Task,
    settings: Settings,
    apply_fn: PureModule,
    learned: Learned,
    inner: Optimiser,
    task_loss: TaskLoss,
    *,
    compiled: bool,
) -> str:
    """Returns the hypergradient of a run: the one in its settings, or the exact one of two that works for the model.

    An eager step is taken on a few examples and thrown away; a model that the step refuses, the run refuses.

    Args:
        task, settings: of the run.
        apply_fn, learned, inner, task_loss: of its steps.
        compiled: whether they are compiled.

    Returns:
        `"auto"` where the first choice of `"auto"` works, else a name.

    Raises:
        UserError: the model has other outputs than the task's, draws random numbers, writes to its parameters or
            inputs, or cannot be differentiated.
    """
    check_reads(task, settings)
    own = build_model(settings.model, task.input_shape, task.num_outputs, seed=settings.seed)
    theta = map_tree(lambda t: t.to(task.device), initial_theta(own))
    _check_outputs(task, settings, apply_fn, theta)
    batch = _few_examples(task, settings, apply_fn, theta)
    if learned.phi_0 is None:
        with no_random_draws(), no_writes(theta, [batch]):
            forward(apply_fn, theta, apply_fn.buffers, batch)
        return settings.hypergradient
    if compiled:
        refuse_custom_functions(apply_fn, theta, batch, "choose --compile off")
    phi = map_tree(lambda t: t.to(task.device), learned.phi_0)
    outer = adam(settings.outer_lr)
    carry = fresh_carry(theta, phi, apply_fn=apply_fn, inner=inner, outer=outer)

    def try_step(name: str, num_steps: int) -> None:
        meta_step(
            theta,
            phi,
            [batch] * num_steps,
            batch,
            carry,
            apply_fn=apply_fn,
            loss_fn=learned.loss_fn,
            task_loss=task_loss,
            inner=inner,
            outer=outer,
            inner_lr=learned.learned_rate,
            hypergradient=name,
            meta_batch_size=settings.meta_batch_size,
        )

    free = settings.meta_batch_size is None and apply_fn.autocast is None
    form: str = working_form(try_step, settings.hypergradient, theta, _horizons(settings), compiled=compiled, free=free)
    return form


def check_reads(task: Task, settings: Settings) -> None:
    """Raises `UserError` where a task is a text, and the model is one of lfl's that reads none."""
    name = settings.model
    if not task.tokens or is_own(name) or (name in MODELS and MODELS[name].tokens):
        return
    known = ", ".join(each for each, entry in MODELS.items() if entry.tokens)
    raise UserError(f"{task.name} is a text, which --model {name} cannot read; choose {known}, or a model of your own.")


@torch.no_grad()
def _check_outputs(task: Task, settings: Settings, apply_fn: PureModule, theta: Tensors) -> None:
    """Raises `UserError` unless the model has an output for each class or target column, or one for two classes."""
    outputs, _ = apply_fn(theta, apply_fn.buffers, task.train.pick(slice(1)).x, training=False)
    places = task.input_shape if task.tokens else ()
    got, wanted = getattr(outputs, "shape", None), (1, *places, task.num_outputs)
    one_logit = task.kind == "classification" and task.num_outputs == 2
    if got is not None and tuple(got) != wanted and not (one_logit and tuple(got) == (1, 1)):
        of = {"classification": "class", "regression": "target column", "multilabel": "label"}[task.kind]
        remedy = "build it with the num_outputs that it is given."
        if task.tokens:
            of, remedy = "class at each character", "choose --model gpt-mini, or a model of your own with such outputs."
        raise UserError(
            f"model {settings.model} gives outputs {list(got)} for one example, but {task.name} needs {list(wanted)}, "
            f"one for each {of}; {remedy}"
        )


def _few_examples(task: Task, settings: Settings, apply_fn: PureModule, theta: Tensors) -> Batch:
    x, y = task.train.pick(slice(min(EXAMPLES, settings.batch_size)))
    specs = mask_specs(apply_fn, theta, x)
    if not specs:
        return x, y
    return x, y, map_tree(lambda t: t.to(task.device), draw_masks(specs, generator(settings.seed, "check")))


def _horizons(settings: Settings) -> list[int]:
    """Returns 1, 2 or both: whether steps of phi go through one step of theta, or through several."""
    method = METHODS[settings.method]
    lengths = [settings.inner_steps] if method.offline and settings.offline_steps else []
    return sorted({min(length, 2) for length in [*lengths, settings.horizon]})
