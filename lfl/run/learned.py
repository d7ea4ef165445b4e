"""Read back what a run has learned beside its model."""

from pathlib import Path

import torch

from ..boundary import MEBIBYTE, num_bytes, parse_tensors, read_bytes
from ..errors import UserError
from ..loss import REPRESENTATIONS
from ..training.learned import RATE
from ..types import Kind, Tensors
from .curves import read_curves
from .history import MOST_LOOKS, History
from .schema import read_known
from .tensors import read_tensors, refuse_odd

MOST_HISTORY = 1024 * MEBIBYTE


def learned_loss_of(folder: Path) -> str:
    """What the learned loss of a run is made of: the name of its representation.

    Raises:
        UserError: not the folder of a run that learned a loss.
    """
    config = read_known(folder / "config.json")
    if not (folder / "loss_curves.npz").is_file() or config.get("loss") not in REPRESENTATIONS:
        raise UserError(f"{folder} learned no loss (method {config.get('method')}); name a run of ml3 or adalfl.")
    return str(config["loss"])


def kind_of_loss(folder: Path) -> Kind:
    """What the learned loss of a run was learned for."""
    curves = read_curves(folder)
    if curves is None:
        raise UserError(f"{folder} learned no loss; name a run of ml3 or adalfl.")
    return curves.kind


def load_phi(folder: Path, representation: str, kind: Kind) -> Tensors:
    """The learned loss of a run, without a learning rate that it may have learned beside it.

    Raises:
        UserError: not the folder of a run that learned such a loss for such targets.
    """
    found = learned_loss_of(folder)
    if found != representation:
        raise UserError(f"the loss of {folder} is {found}, but got --loss {representation}; leave --loss out.")
    learned_for = kind_of_loss(folder)
    if learned_for != kind:
        raise UserError(
            f"the loss of {folder} was learned for {learned_for}, but this task is {kind}; choose another run."
        )
    like, _ = REPRESENTATIONS[representation](kind, generator=torch.Generator())
    return read_tensors(folder / "phi.safetensors", like, ignored={RATE}, finite=True)


def load_history(folder: Path, like: Tensors | None = None) -> History:
    """What a run learned beside its model, by step.

    Args:
        folder: the run folder.
        like: phi as it was learned: others are refused, and what was learned beside it is left out; all when omitted.

    Raises:
        UserError: the run learned nothing, or the file is corrupt.
    """
    path = folder / "phi_history.safetensors"
    most = MOST_HISTORY if like is None else (num_bytes(like) + MEBIBYTE) * MOST_LOOKS
    history = History.of(parse_tensors(read_bytes(path, most), path), str(path))
    if like is None:
        return history
    kept = [{name: phi[name] for name in like if name in phi} for phi in history.phis]
    for phi in kept:
        refuse_odd(phi, like, path, finite=True)
    return History(history.phases, history.steps, kept)
