"""Reads from a run folder what the run learned beside its model: the loss, and phi by step."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..boundary import MEBIBYTE, num_bytes, parse_tensors, read_bytes, read_json
from ..catalogue import METHODS
from ..errors import UserError
from ..loss import POINTWISE, REPRESENTATIONS, AnyLearnedLoss, draw_loss, is_formula
from ..settings import TYPES
from ..task import Encoding
from ..training.losses import RATE
from ..types import Kind, Tensors
from ..user_code import is_own
from .folder import check_plain
from .history import MOST_KEPT, History, read_curves
from .load import check_tensors, read_tensors, require_ended
from .schema import read_ended, read_facts, read_known, read_settings
from .shared import MOST_OUTPUTS, PHI, is_shared, read_shared
from .trust import Named, allow, asked_for

MOST_HISTORY = 1024 * MEBIBYTE

OWN_PATHS = ("task", "valid", "loss_from")
"""Settings that may be paths on the user's own disk, of which others are told the last part alone."""


class Made(NamedTuple):
    """The settings that say what the learned loss of a run is made of.

    Args:
        loss: the name of its representation, a formula, or a user's own, `"module:function"`.
        base: the handcrafted loss that it starts from, by name, a formula or a user's own; None where it has none.
    """

    loss: str
    base: str | None


def learned_loss_of(folder: Path) -> str:
    """Returns the representation of a run's learned loss, by name, a formula, or a user's own `"module:function"`.

    Raises:
        UserError: not the folder of a run that learned a loss.
    """
    return _made(folder, read_known(folder / "config.json")).loss


def allowed_loss_of(folder: Path, *, loss: str | None = None, base: str | None = None, trust: bool = False) -> Made:
    """Returns the representation and the base of a run's learned loss; refuses code that was not named.

    Args:
        folder: the folder of a run that learned a loss.
        loss, base: the run's own `"module:function"`, whose code may run.
        trust: whether everything is allowed that the folder asks for.

    Raises:
        UserError: as `learned_loss_of`; it asks for code that was not named.
    """
    config = read_known(folder / "config.json")
    made = _made(folder, config)
    asked = asked_for(config, config.get("data_dir"))
    allow(folder, asked, Named(loss=loss, base=base, trust=trust), ["loss", "base"])
    return made


def _made(folder: Path, config: dict[str, Any]) -> Made:
    loss, learned = config.get("loss"), is_shared(folder) or (folder / "loss_curves.npz").is_file()
    if not learned or not (loss in REPRESENTATIONS or is_own(loss) or is_formula(loss)):
        raise UserError(f"{folder} learned no loss (method {config.get('method')}); name a run of ml3 or adalfl.")
    return Made(str(loss), config.get("base"))


def kind_of_loss(folder: Path) -> Kind:
    """Returns the kind of target that the loss of a run was learned for."""
    if is_shared(folder):
        return read_shared(folder).kind
    curves = read_curves(folder)
    if curves is None:
        raise UserError(f"{folder} learned no loss; name a run of ml3 or adalfl.")
    ended = read_ended(folder)
    recorded = None if ended is None else ended.kind  # curves of classes and of labels look alike
    return recorded or curves.kind


def load_learned_loss(
    folder: Path, *, loss: str | None = None, base: str | None = None, trust: bool = False
) -> tuple[Tensors, AnyLearnedLoss]:
    """Loads the learned loss of a run: phi after the last step, and the loss as a function of phi.

    Args:
        folder, loss, base, trust: as in `allowed_loss_of`.

    Raises:
        UserError: the run learned no loss, a file of it is missing or damaged, its code does not work, or it asks for
            code that was not named.
    """
    check_plain(folder)
    made = allowed_loss_of(folder, loss=loss, base=base, trust=trust)
    kind = kind_of_loss(folder)
    num_outputs = _num_outputs(folder, made)
    like, loss_fn = draw_loss(made.loss, kind, num_outputs=num_outputs, base=made.base, generator=torch.Generator())
    return load_phi(folder, made, kind, like), loss_fn


def _num_outputs(folder: Path, made: Made) -> int:
    """Returns the number of outputs that a loss is for; 1 for a loss of one output at a time, which takes any."""
    if made.loss in POINTWISE or is_formula(made.loss):
        return 1
    if is_shared(folder):
        return read_shared(folder).num_outputs
    path = folder / "encoding.json"
    num_outputs = Encoding.of(read_json(path, dict[str, object]), str(path)).num_outputs
    if num_outputs > MOST_OUTPUTS:
        raise UserError(f"{path} has {num_outputs:,} outputs, more than a loss can have; the run cannot be used.")
    return num_outputs


def load_phi(folder: Path, made: Made, kind: Kind, like: Tensors) -> Tensors:
    """Loads phi of the learned loss of a run, without a learning rate that was learned beside it.

    Args:
        folder: the run folder.
        made: what the loss must be made of.
        kind: of the targets that it must be for.
        like: tensors of the names, shapes and types that it must have.

    Raises:
        UserError: the run learned no such loss for such targets.
    """
    found = _made(folder, read_known(folder / "config.json"))
    for name, has in found._asdict().items():
        wanted = getattr(made, name)
        if has != wanted:
            raise UserError(f"the {name} of {folder} is {has}, got --{name} {wanted}; leave --{name} out.")
    learned_for = kind_of_loss(folder)
    if learned_for != kind:
        raise UserError(
            f"the loss of {folder} was learned for {learned_for}, got a task of {kind}; choose another run."
        )
    path = folder / (PHI if is_shared(folder) else "phi.safetensors")
    return read_tensors(path, like, ignored={RATE}, finite=True)


def about_loss(folder: Path) -> dict[str, Any]:
    """Reads what a learned loss is made of and how it was learned: what is written where it is shared.

    Args:
        folder: of a run, or of a shared loss.

    Returns:
        `loss`, `base` and `num_outputs`, as in `SharedLoss`, and `learned`: settings, errors and versions. Of paths in
        the settings only the last part is told.

    Raises:
        UserError: as `load_learned_loss`.
    """
    if is_shared(folder):
        shared = read_shared(folder)
        return {"loss": shared.loss, "base": shared.base, "num_outputs": shared.num_outputs, "learned": shared.learned}
    config = read_known(folder / "config.json")
    made = _made(folder, config)
    settings = {name: config[name] for name in TYPES if config.get(name) is not None}
    told = {name: settings[name].rpartition("/")[2] for name in OWN_PATHS if "/" in settings.get(name, "")}
    learned: dict[str, Any] = {"settings": settings | told, "versions": read_facts(folder).versions}
    ended = read_ended(folder)
    if ended is not None:
        learned |= {name: getattr(ended, name) for name in ("step", "completed", "valid_error", "test_error")}
    return {"loss": made.loss, "base": made.base, "num_outputs": _num_outputs(folder, made), "learned": learned}


def load_all_phi(folder: Path) -> Tensors | None:
    """Loads everything that a run learned beside its model: its loss's phi, and the learning rate as `inner_lr`.

    No code of the run is used, so that shapes are not compared with its loss.

    Returns:
        Tensors by name; None where its method learns nothing.

    Raises:
        UserError: the run has not ended, or the file is missing or damaged.
    """
    check_plain(folder)
    method = METHODS[read_settings(folder).method]
    if not (method.learns_loss or method.learns_rate):
        return None
    require_ended(folder)
    path = folder / "phi.safetensors"
    phi = parse_tensors(read_bytes(path, MOST_HISTORY), path)
    check_tensors(phi, phi, path, finite=True)
    return dict(sorted(phi.items()))


def load_history(folder: Path, like: Tensors | None = None) -> History:
    """Loads phi at the steps at which a run kept it.

    Args:
        folder: the run folder.
        like: phi of the learned loss: other shapes are refused, and a learning rate beside it is left out; all of phi,
            unchecked, when omitted.

    Raises:
        UserError: the run learned nothing beside its model, or the file is damaged.
    """
    path = folder / "phi_history.safetensors"
    most = MOST_HISTORY if like is None else (num_bytes(like) + MEBIBYTE) * MOST_KEPT
    history = History.of(parse_tensors(read_bytes(path, most), path), str(path))
    if like is None:
        return history
    kept = [{name: phi[name] for name in like if name in phi} for phi in history.phis]
    for phi in kept:
        check_tensors(phi, like, path, finite=True)
    return History(history.phases, history.steps, kept)
