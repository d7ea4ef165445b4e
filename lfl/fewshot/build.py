"""From the settings of a few-shot run to its episodes, its model and its method."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch

from ..fewshot_catalogue import EPISODES
from ..fewshot_settings import FewShot
from ..model import build_model
from ..places import own_cache
from ..randomness import generator
from ..types import Kind
from .class_images import Rotations
from .episode import Episodes
from .method import FewShotMethod
from .methods import METHODS
from .methods.npbml import PARTS
from .npbml import Pretrained
from .problem import FewShotProblem, few_shot_problem
from .sources import load_episodes

LEAST_COMPILED = 5000
"""Steps from which on compiling pays, of models without convolutions."""


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


def build_episodes(
    settings: FewShot, data_dir: Path | None, device: torch.device | str, *, task: str | None = None
) -> Episodes:
    """Loads the episodes of a few-shot run.

    Args:
        settings: of the run.
        data_dir: folder of downloaded data; lfl's own cache when omitted.
        device: holds the images, and draws.
        task: where the user's own pictures are now.

    Raises:
        UserError: data that cannot be used, or too few classes or examples.
        Failure: a download failed.
    """
    named = settings.task in EPISODES
    options: dict[str, Any] = {} if named else {"split_seed": settings.split_seed}
    if settings.task == "omniglot":
        options["split"] = settings.split
    return load_episodes(
        settings.task if named else f"{(task or settings.task).rstrip('/')}/",
        ways=settings.ways,
        shots=settings.shots,
        queries=settings.queries,
        seed=settings.seed,
        device=device,
        data_dir=downloads_of(settings, data_dir) or Path(),
        rotations=cast(Rotations, settings.rotations),
        **options,
    )


def downloads_of(settings: FewShot, given: Path | None) -> Path | None:
    """The folder of downloaded data: as given, or lfl's own cache; None where nothing is downloaded.

    Raises:
        UserError: it needs the cache, and the user has no home directory.
    """
    if settings.task not in EPISODES or settings.task == "sinusoid":
        return None
    return own_cache() if given is None else Path(os.path.expanduser(given))


def compiles_few_shot(settings: FewShot) -> bool:
    """Whether the steps of a run are compiled: a minute, which small models of many steps win back."""
    if settings.compile != "auto":
        return settings.compile == "on"
    small = settings.model.partition("-")[0] in ("mlp", "logistic")
    return small and settings.method != "npbml" and settings.steps >= LEAST_COMPILED


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


def build_method(settings: FewShot, sizes: Sizes, pretrained: Pretrained | None = None) -> FewShotMethod:
    """Builds the method of a few-shot run.

    Args:
        settings: of the run.
        sizes: of its episodes.
        pretrained: the networks of `npbml`.

    Raises:
        UserError: a model or method that does not fit the episodes.
    """
    if pretrained is None:
        options = {"proximal": settings.proximal} if settings.method == "imaml" else {}
        return METHODS[settings.method](build_problem(settings, sizes), **options)
    chosen = StagedProblem(sizes.kind, sizes.num_outputs, settings.inner_steps, settings.inner_lr, settings.seed)
    return METHODS[settings.method](chosen, pretrained=pretrained, as_=settings.as_, parts=parts_of(settings))


class StagedProblem(NamedTuple):
    """What NPBML needs to know beside its pre-trained networks."""

    kind: Kind
    num_outputs: int
    inner_steps: int
    inner_lr: float
    seed: int


def parts_of(settings: FewShot) -> tuple[str, ...]:
    """What NPBML learns beside the start."""
    return {"all": PARTS, "none": ()}.get(settings.parts, tuple(settings.parts.split(",")))
