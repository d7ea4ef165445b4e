"""From the settings of a few-shot run to its episodes, its model and its method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import UserError
from ..fewshot_settings import FewShot
from ..model import build_model
from ..randomness import generator
from ..types import Kind
from .episode import Episodes
from .method import FewShotMethod
from .methods import METHODS
from .problem import FewShotProblem, few_shot_problem


class Sizes(NamedTuple):
    """What a model needs to know of episodes."""

    kind: Kind
    input_shape: tuple[int, ...]
    num_outputs: int
    device: torch.device

    @classmethod
    def of(cls, episodes: Episodes) -> Sizes:
        """The sizes of a source of episodes."""
        return cls(episodes.kind, tuple(episodes.input_shape), episodes.num_outputs, episodes.device)


def build_problem(settings: FewShot, sizes: Sizes) -> FewShotProblem:
    """Builds the model of a few-shot run; its parameters are drawn on the CPU, the same for every device."""
    seed = generator(settings.seed, "theta").initial_seed()
    module = build_model(settings.model, sizes.input_shape, sizes.num_outputs, seed=seed).to(sizes.device)
    return few_shot_problem(
        module,
        sizes.kind,
        sizes.num_outputs,
        input_shape=sizes.input_shape,
        inner_steps=settings.inner_steps,
        inner_lr=settings.inner_lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        batch_norm=settings.batch_norm,
        steps=settings.steps,
        seed=settings.seed,
    )


def build_method(settings: FewShot, sizes: Sizes) -> FewShotMethod:
    """Builds the method of a few-shot run.

    Raises:
        UserError: a model or method that does not fit the episodes.
    """
    return METHODS[settings.method](build_problem(settings, sizes))
