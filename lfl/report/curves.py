"""Curves of runs and their picture files: validation errors, learning rates and learned losses over the steps."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..errors import UserError
from ..loss.curve import REGRESSION_TARGET
from ..method import METHODS, offline_only
from ..run import read_settings
from ..run.curves import Curves, read_curves
from ..run.folder import explained, make_folder, write_bytes
from ..text import for_picture
from .collect import Comparison, labels_of
from .figures import FORMATS, STEP_COLOURS, Panel, draw_panels, new_figure, rendered
from .statistics import over_steps


def learning_panels(comparisons: Sequence[Comparison]) -> list[Panel]:
    """A panel a comparison, where a run has come to its first look at the validation error.

    Source: the manner of Raymond et al. (2025), Figs. 3 and 7.
    """
    panels = []
    for comparison in comparisons:
        found = {group.label: over_steps(group, "valid_error") for group in comparison.groups}
        lines = {label: line for label, line in found.items() if line is not None}
        if lines:
            panels.append(Panel(comparison.title, f"validation {comparison.error}", lines))
    return panels


MEASURES = {"inner_lr": "learned learning rate", "effective_lr": "effective learning rate"}


def rate_panels(comparisons: Sequence[Comparison]) -> list[Panel]:
    """A panel for each rate that a comparison has.

    The effective rate is that of gradient descent on the task's loss which goes as far along its gradient. The rate
    that was set is drawn beside it where it is the same for all.

    Source: the manner of Raymond et al. (2025), section 5.5.
    """
    panels = []
    for comparison in comparisons:
        for name, measure in MEASURES.items():
            found = {group.label: over_steps(group, name) for group in comparison.groups}
            lines = {label: line for label, line in found.items() if line is not None}
            if lines:
                rates = {group.settings.get("inner_lr") for group in comparison.groups if group.label in lines}
                same = rates.pop() if len(rates) == 1 else None
                reference = None if same is None else (f"inner_lr={same:g}", float(same))
                panels.append(Panel(comparison.title, measure, lines, reference))
    return panels


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


def draw_pictures(comparisons: Sequence[Comparison], folder: Path) -> list[tuple[Path, Path]]:
    """Draw learning curves, rates and each run's learned loss, as far as the runs have them.

    Args:
        comparisons: of `gather`.
        folder: made where it is not there; pictures of the same name are replaced.

    Returns:
        The `.png` and the `.svg` of each picture: `learning`, `rates` and `losses-TASK-MODEL-METHOD-seed-S`.

    Raises:
        UserError: there is nothing to draw, or no folder can be there.
        Failure: the disk does not take them.
    """
    pictures = {name: [rendered(figure, form) for form in FORMATS] for name, figure in _figures(comparisons)}
    if not pictures:
        raise UserError("nothing to draw: no run has come to its first validation error; wait until one has.")
    make_folder(folder)
    with explained(f"write into {folder}", "choose another --out"):
        for name, contents in pictures.items():
            for form, content in zip(FORMATS, contents, strict=True):
                write_bytes(folder / f"{name}.{form}", content)
    return [(folder / f"{name}.png", folder / f"{name}.svg") for name in pictures]


def _figures(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Figure]]:
    """Names and figures, one after the other: a figure of many curves is large."""
    for name, panels in (("learning", learning_panels(comparisons)), ("rates", rate_panels(comparisons))):
        if panels:
            yield name, draw_panels(panels, labels_of(comparisons))
    names: list[str] = []
    for comparison in comparisons:
        for group in comparison.groups:
            for run in group.runs:
                if run.curves is not None:
                    title = f"{comparison.title}, {group.label}, seed {run.seed}"
                    stem = "losses-" + re.sub(r"[^\w.+-]+", "-", title.replace(",", "")).strip("-")
                    names.append(stem)
                    number = names.count(stem)
                    name = stem if number == 1 else f"{stem}-{number}"
                    yield name, losses_figure(run.curves, group.settings["method"], title)
