"""Read back what a run has learned beside its model."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..boundary import MEBIBYTE, num_bytes, parse_tensors, read_bytes, read_json
from ..errors import UserError
from ..loss import POINTWISE, REPRESENTATIONS, AnyLearnedLoss, draw_loss
from ..task import Encoding
from ..training.losses import RATE
from ..types import Kind, Tensors
from ..user_code import is_own
from .curves import read_curves
from .history import MOST_LOOKS, History
from .schema import read_known
from .tensors import read_tensors, refuse_odd
from .trust import Named, allow, asked_for

MOST_HISTORY = 1024 * MEBIBYTE

MOST_OUTPUTS = 2**24
"""Of a loss that has numbers for each output."""


class Made(NamedTuple):
    """What the learned loss of a run is made of: settings of the run.

    Args:
        loss: the name of its representation, or a user's own, `"module:function"`.
        base: the handcrafted loss that it starts from, by name or a user's own; None where it has none.
    """

    loss: str
    base: str | None


def learned_loss_of(folder: Path) -> str:
    """What the learned loss of a run is made of: the name of its representation, or a user's own.

    Raises:
        UserError: not the folder of a run that learned a loss.
    """
    return _made(folder, read_known(folder / "config.json")).loss


def allowed_loss_of(folder: Path, *, loss: str | None = None, base: str | None = None, trust: bool = False) -> Made:
    """The same with its base, to be used: where it is code, only if that was named.

    Args:
        folder: of a run that learned a loss.
        loss, base: the run's own `"module:function"`, whose code may run.
        trust: whether all is allowed that the folder asks for.

    Raises:
        UserError: as `learned_loss_of`; it asks for code that was not named.
    """
    config = read_known(folder / "config.json")
    made = _made(folder, config)
    asked = asked_for(config, config.get("data_dir"))
    allow(folder, asked, Named(loss=loss, base=base, trust=trust), ["loss", "base"])
    return made


def _made(folder: Path, config: dict[str, Any]) -> Made:
    loss = config.get("loss")
    if not (folder / "loss_curves.npz").is_file() or not (loss in REPRESENTATIONS or is_own(loss)):
        raise UserError(f"{folder} learned no loss (method {config.get('method')}); name a run of ml3 or adalfl.")
    return Made(str(loss), config["base"])


def kind_of_loss(folder: Path) -> Kind:
    """What the learned loss of a run was learned for."""
    curves = read_curves(folder)
    if curves is None:
        raise UserError(f"{folder} learned no loss; name a run of ml3 or adalfl.")
    return curves.kind


def load_loss(folder: Path, made: Made) -> tuple[Tensors, AnyLearnedLoss]:
    """The learned loss of a run, which was allowed.

    Raises:
        UserError: a file of it is missing or damaged, or its code does not work.
    """
    kind = kind_of_loss(folder)
    num_outputs = _num_outputs(folder, made)
    like, loss_fn = draw_loss(made.loss, kind, num_outputs=num_outputs, base=made.base, generator=torch.Generator())
    return load_phi(folder, made, kind, like), loss_fn


def _num_outputs(folder: Path, made: Made) -> int:
    """Classes, or width of the targets, of the run; 1 for a loss of one output at a time, which fits any number."""
    if made.loss in POINTWISE:
        return 1
    path = folder / "encoding.json"
    num_outputs = Encoding.of(read_json(path, dict[str, object]), str(path)).num_outputs
    if num_outputs > MOST_OUTPUTS:
        raise UserError(f"{path} has {num_outputs:,} outputs, more than a loss can have; the run cannot be used.")
    return num_outputs


def load_phi(folder: Path, made: Made, kind: Kind, like: Tensors) -> Tensors:
    """phi of the learned loss of a run, without a learning rate that it may have learned beside it.

    Args:
        folder: of the run.
        made: what the loss is to be made of.
        kind: of the targets that it is to be for.
        like: tensors of the names, shapes and types that it is to have.

    Raises:
        UserError: not the folder of a run that learned such a loss for such targets.
    """
    found = _made(folder, read_known(folder / "config.json"))
    for name, has in found._asdict().items():
        wanted = getattr(made, name)
        if has != wanted:
            raise UserError(f"the {name} of {folder} is {has}, but got --{name} {wanted}; leave --{name} out.")
    learned_for = kind_of_loss(folder)
    if learned_for != kind:
        raise UserError(
            f"the loss of {folder} was learned for {learned_for}, but this task is {kind}; choose another run."
        )
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
