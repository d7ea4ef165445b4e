"""The picture of a learned loss, from its first step to its last."""

from pathlib import Path

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..loss.curve import REGRESSION_TARGET
from ..method import METHODS, offline_only
from ..run import read_settings
from ..run.folder import write_bytes
from ..run.history import Curves, read_curves
from ..text import for_picture
from .style import STEP_COLOURS, new_figure, rendered

TITLES = {"init": "offline initialisation", "train": "training"}


def draw_losses(folder: Path) -> Path | None:
    """Draw `losses.png` of a run: the learned loss against the output, coloured by step.

    One row a phase in which phi was learned; classification has a column for y = 1 and one for y = 0, or one column
    where the loss is that of a whole example.

    Args:
        folder: a run folder.

    Returns:
        The picture's path; None where no loss was learned.

    Source: the manner of Raymond et al. (2025), Fig. 4.
    """
    curves = read_curves(folder)
    if curves is None:
        return None
    run = read_settings(folder)
    title = f"{run.task}, {run.model}, {run.method}, seed {run.seed}"
    write_bytes(folder / "losses.png", rendered(losses_figure(curves, run.method, title), "png"))
    return folder / "losses.png"


def learned_phases(curves: Curves, method: str) -> list[str]:
    """The phases in which the loss changes; `train` for a loss that was given."""
    stands_still = METHODS[method].phases is offline_only
    return [name for name in dict.fromkeys(curves.phase.tolist()) if name == "init" or not stands_still]


def losses_figure(curves: Curves, method: str, title: str) -> Figure:
    """The figure that `draw_losses` saves."""
    phases = learned_phases(curves, method)
    columns = curves.curves.shape[1]
    figure = new_figure(1.0 + 4.2 * columns, 0.6 + 3.0 * len(phases))
    panels = figure.subplots(len(phases), columns, squeeze=False)
    for row, phase in zip(panels, phases, strict=True):
        inside = curves.phase == phase
        colour = ScalarMappable(Normalize(0, max(1, int(curves.step[inside].max()))), STEP_COLOURS)
        for column, panel in enumerate(row):
            for step, curve in zip(curves.step[inside], curves.curves[inside], strict=True):
                panel.plot(curves.axis, curve[column], color=colour.to_rgba(step), linewidth=1.2)
            panel.set_xlabel(horizontal(curves))
            panel.set_title(f"{TITLES[phase]}, {targets(curves)[column]}", fontsize=10)
            panel.grid(alpha=0.25)
        row[0].set_ylabel(measure(curves))
        figure.colorbar(colour, ax=list(row), label="step")
    figure.suptitle(for_picture(title), fontsize=11)
    return figure


def targets(curves: Curves) -> list[str]:
    """The target of each curve."""
    if curves.kind == "regression":
        return [f"y = {REGRESSION_TARGET}"]
    return ["y = 1", "y = 0"] if curves.of_one_output else ["an example"]


def measure(curves: Curves) -> str:
    """What a curve shows."""
    return "learned loss of one output" if curves.of_one_output else "learned loss of an example"


def horizontal(curves: Curves) -> str:
    """What a learned loss is drawn against."""
    if curves.kind == "regression":
        return "error f − y"
    return "probability f" if curves.of_one_output else "probability of the true class"
