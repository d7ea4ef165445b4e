"""What a run folder says about the loss that was learned in it."""

from pathlib import Path

from ..errors import UserError
from ..loss import AnyLearnedLoss
from ..run import allowed_loss_of, load_history
from ..run.folder import check_plain
from ..run.learned import load_loss
from ..types import Tensors
from .schedule import Schedule


def read_loss(
    folder: Path, *, loss: str | None = None, base: str | None = None, trust: bool = False
) -> tuple[AnyLearnedLoss, Tensors]:
    """The learned loss of a run, and its last phi.

    Args:
        folder: the run folder.
        loss, base: the run's own `"module:function"`, whose code may run.
        trust: whether all is allowed that the folder asks for.

    Raises:
        UserError: the run learned no loss, a file of it is missing or damaged, or it asks for code that was not named.
    """
    check_plain(folder)
    phi, loss_fn = load_loss(folder, allowed_loss_of(folder, loss=loss, base=base, trust=trust))
    return loss_fn, phi


def read_schedule(folder: Path, *, loss: str | None = None, base: str | None = None, trust: bool = False) -> Schedule:
    """The learned loss of a run over the steps in which its model trained.

    Args:
        folder, loss, base, trust: as in `read_loss`.

    Raises:
        UserError: as `read_loss`; the run ended before its model trained.
    """
    loss_fn, last = read_loss(folder, loss=loss, base=base, trust=trust)
    history = load_history(folder, last)
    steps = [step for phase, step in zip(history.phases, history.steps, strict=True) if phase == "train"]
    phis = [phi for phase, phi in zip(history.phases, history.phis, strict=True) if phase == "train"]
    if len(steps) < 2:
        raise UserError(f"{folder} ended before its model trained, so its loss has no schedule; use lfl.load_loss.")
    return Schedule(loss_fn, steps, phis)
