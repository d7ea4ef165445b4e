"""What a run folder says about the loss that was learned in it."""

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ..errors import UserError
from ..loss import REPRESENTATIONS, LearnedLoss
from ..run import learned_loss_of, load_history
from ..run.load import load_phi
from ..types import Kind, Tensors
from .schedule import Schedule


def read_loss(folder: Path) -> tuple[LearnedLoss, Tensors]:
    """The learned loss of a run, and its last phi.

    Raises:
        UserError: the run learned no loss, or a file of it is missing or damaged.
    """
    representation = learned_loss_of(folder)
    kind = _kind(folder / "loss_curves.npz")
    phi = load_phi(folder, representation, kind)
    _, loss_fn = REPRESENTATIONS[representation](kind, generator=torch.Generator())
    return loss_fn, phi


def read_schedule(folder: Path) -> Schedule:
    """The learned loss of a run over the steps in which its model trained.

    Raises:
        UserError: as `read_loss`; the run ended before its model trained.
    """
    loss_fn, last = read_loss(folder)
    history = load_history(folder)
    steps = [step for phase, step in zip(history.phases, history.steps, strict=True) if phase == "train"]
    phis = [
        {name: phi[name] for name in last if name in phi and phi[name].shape == last[name].shape}
        for phase, phi in zip(history.phases, history.phis, strict=True)
        if phase == "train"
    ]
    if len(steps) < 2:
        raise UserError(f"{folder} ended before its model trained, so its loss has no schedule; use lfl.load_loss.")
    if any(phi.keys() != last.keys() for phi in phis):
        raise UserError(f"{folder / 'phi_history.safetensors'} does not fit phi.safetensors; the run cannot be used.")
    return Schedule(loss_fn, steps, phis)


def _kind(curves: Path) -> Kind:
    """What a loss was learned for: its curves are two for classes, one for real values."""
    try:
        with np.load(io.BytesIO(curves.read_bytes())) as file:
            num_curves = file["curves"].shape[1]
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
        raise UserError(f"{curves} is corrupt ({error}); the run cannot be used.") from error
    return "classification" if num_curves == 2 else "regression"
