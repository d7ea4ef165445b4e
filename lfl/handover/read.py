"""What a run folder says about the loss that was learned in it."""

from pathlib import Path

import torch

from ..errors import UserError
from ..loss import REPRESENTATIONS, LearnedLoss
from ..run import learned_loss_of, load_history
from ..run.folder import check_plain
from ..run.learned import kind_of_loss, load_phi
from ..types import Tensors
from .schedule import Schedule


def read_loss(folder: Path) -> tuple[LearnedLoss, Tensors]:
    """The learned loss of a run, and its last phi.

    Raises:
        UserError: the run learned no loss, or a file of it is missing or damaged.
    """
    check_plain(folder)
    representation, kind = learned_loss_of(folder), kind_of_loss(folder)
    phi = load_phi(folder, representation, kind)
    _, loss_fn = REPRESENTATIONS[representation](kind, generator=torch.Generator())
    return loss_fn, phi


def read_schedule(folder: Path) -> Schedule:
    """The learned loss of a run over the steps in which its model trained.

    Raises:
        UserError: as `read_loss`; the run ended before its model trained.
    """
    loss_fn, last = read_loss(folder)
    history = load_history(folder, last)
    steps = [step for phase, step in zip(history.phases, history.steps, strict=True) if phase == "train"]
    phis = [phi for phase, phi in zip(history.phases, history.phis, strict=True) if phase == "train"]
    if len(steps) < 2:
        raise UserError(f"{folder} ended before its model trained, so its loss has no schedule; use lfl.load_loss.")
    return Schedule(loss_fn, steps, phis)
