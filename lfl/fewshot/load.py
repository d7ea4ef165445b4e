"""Reads back what a few-shot run has learned, and adapts it to new tasks."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import LflError, UserError, reason
from ..fewshot_settings import FewShot
from ..run.folder import check_plain
from ..run.trust import Named, allow
from ..trees import map_tree, named, refill
from ..types import Kind, Tree
from .build import Sizes
from .episode import Episode
from .evaluation import adapted, query_outputs
from .folder import About, FewShotEnded, asked_by, read_few_shot, read_few_shot_ended, read_tensors
from .method import FewShotMethod
from .stages import method_of


class Trained(NamedTuple):
    """What a few-shot run has learned, ready to adapt.

    Args:
        settings: of the run.
        about: what its episodes are.
        method: with the model.
        phi: what was learned.
        ended: how the run ended.
        device: where it computes.
    """

    settings: FewShot
    about: About
    method: FewShotMethod
    phi: Tree
    ended: FewShotEnded
    device: torch.device

    @property
    def kind(self) -> Kind:
        """The kind of the targets."""
        return self.about.kind


def load_trained(
    folder: Path, device: torch.device | str = "cpu", *, model: str | None = None, trust: bool = False
) -> Trained:
    """Loads what a few-shot run has learned, without its data.

    Args:
        folder: of the run.
        device: where to compute.
        model: the run's own `"module:function"`, whose code may run.
        trust: whether everything is allowed that the folder asks for.

    Raises:
        UserError: there is no such run, it has not ended, asks for code that was not named, or a file of it is damaged.
    """
    check_plain(folder)
    settings, facts, about = read_few_shot(folder)
    allow(folder, asked_by(settings, facts.data_dir), Named(model=model, trust=trust), ["model"])
    ended = read_few_shot_ended(folder)
    if ended is None:
        raise UserError(f"{folder} has no result.json: its run has not ended; lfl resume {folder} continues it.")
    where = torch.device(device)
    sizes = Sizes(about.kind, tuple(about.input_shape), about.num_outputs, where)
    try:
        method = method_of(settings, sizes, folder)
    except LflError:
        raise
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{folder} has sizes that no {settings.model} takes ({reason(error)}).") from error
    return Trained(settings, about, method, read_phi(folder, method.phi), ended, where)


def read_phi(folder: Path, like: Tree) -> Tree:
    """Reads what was learned, which must have the structure of `like`; it is returned on the device of `like`.

    Raises:
        UserError: the file is missing, damaged, or of another model or method.
    """
    return refill(like, read_tensors(folder / "phi.safetensors", named(like)))


def adapt_to(trained: Trained, episode: Episode, steps: int | None = None) -> Tree:
    """Adapts to one task; the query's targets are not read.

    Args:
        trained: of `load_trained`.
        episode: of one task, without an axis of tasks.
        steps: on the task; those of the run's evaluation when omitted.

    Returns:
        Theta after the last step.
    """
    with torch.no_grad():
        return adapted(trained.method, trained.phi, _prepared(trained, episode), _steps(trained, steps))[-1]


def answer(trained: Trained, episode: Episode, steps: int | None = None) -> Any:
    """Adapts to one task, as `adapt_to`, and returns outputs on its query set: `[queries, classes]` logits, or real
    values."""
    count = _steps(trained, steps)
    with torch.no_grad():
        task = _prepared(trained, episode)  # once: a frozen part of the model may have computed it
        theta = adapted(trained.method, trained.phi, task, count)[-1]
        return query_outputs(trained.method, theta, trained.phi, task, count)


def _prepared(trained: Trained, episode: Episode) -> Any:
    tasks = trained.method.prepare(Episode(*(t[None] for t in episode)))
    return map_tree(lambda t: t[0], tasks)


def _steps(trained: Trained, steps: int | None) -> int:
    return trained.settings.test_steps if steps is None else steps
