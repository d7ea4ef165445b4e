"""Curves of runs and their picture files: validation errors, learning rates and learned losses over the steps."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..catalogue import METHODS
from ..errors import UserError
from ..loss.curve import REGRESSION_TARGET
from ..run import read_settings
from ..run.folder import explained, make_folder, write_bytes
from ..run.history import Curves, read_curves
from ..text import for_picture
from .collect import Comparison, labels_of
from .figures import FORMATS, STEP_COLOURS, Panel, draw_panels, new_figure, rendered
from .statistics import over_steps


def learning_panels(comparisons: Sequence[Comparison]) -> list[Panel]:
    """Returns one panel of validation errors for each comparison that has measured some.

    Source: the manner of Raymond et al. (2025), Figs. 3 and 7.
    """
    panels = []
    for comparison in comparisons:
        found = {group.label: over_steps(group, "valid_error") for group in comparison.groups}
        lines = {label: line for label, line in found.items() if line is not None}
        if lines:
            panels.append(Panel(comparison.title, f"validation {comparison.error}", lines))
    return panels


_RATES = {"inner_lr": "learned learning rate", "effective_lr": "effective learning rate"}


def rate_panels(comparisons: Sequence[Comparison]) -> list[Panel]:
    """Returns a panel for each kind of learning rate that a comparison has.

    A learned rate is one that training changes. The effective rate of a learned loss is the rate at which gradient
    descent on the task's own loss moves as far along that loss's gradient. The rate in the settings is drawn beside
    them where all groups share it.

    Source: the manner of Raymond et al. (2025), section 5.5.
    """
    panels = []
    for comparison in comparisons:
        for name, measure in _RATES.items():
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
    """Draws the learned loss of a run against the output, coloured by step, and writes it to `losses.png`.

    There is one row for each phase in which phi was learned. Classification has a column for y = 1 and one for y = 0,
    or a single column where the loss is a function of a whole example.

    Args:
        folder: a run folder.

    Returns:
        The file's path; None where no loss was learned.

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
    """Returns the phases in which the loss changes; for a loss that was given, `train` alone."""
    fixed_online = METHODS[method].offline and not METHODS[method].online
    return [name for name in dict.fromkeys(curves.phase.tolist()) if name == "init" or not fixed_online]


def losses_figure(curves: Curves, method: str, title: str) -> Figure:
    """Returns the figure that `draw_losses` saves."""
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
            panel.set_xlabel(horizontal_label(curves))
            panel.set_title(f"{TITLES[phase]}, {target_labels(curves)[column]}", fontsize=10)
            panel.grid(alpha=0.25)
        row[0].set_ylabel(vertical_label(curves))
        figure.colorbar(colour, ax=list(row), label="step")
    figure.suptitle(for_picture(title), fontsize=11)
    return figure


def target_labels(curves: Curves) -> list[str]:
    """Returns the target that each curve belongs to, as text."""
    if curves.kind == "regression":
        return [f"y = {REGRESSION_TARGET}"]
    return ["y = 1", "y = 0"] if curves.of_one_output else ["an example"]


def vertical_label(curves: Curves) -> str:
    """Returns the label of the vertical axis of a learned loss."""
    return "learned loss of one output" if curves.of_one_output else "learned loss of an example"


def horizontal_label(curves: Curves) -> str:
    """Returns the label of the horizontal axis of a learned loss."""
    if curves.kind == "regression":
        return "error f − y"
    return "probability f" if curves.of_one_output else "probability of the true class"


def draw_pictures(comparisons: Sequence[Comparison], folder: Path) -> list[tuple[Path, Path]]:
    """Draws learning curves, rates and each run's learned loss, those that the runs have, as PNG and SVG files.

    Args:
        comparisons: from `collect_runs`.
        folder: created if it does not exist; files of the same name are replaced.

    Returns:
        The `.png` and the `.svg` of each figure: `learning`, `rates` and `losses-TASK-MODEL-METHOD-seed-S`.

    Raises:
        UserError: there is nothing to draw, or the folder cannot be created.
        Failure: a file cannot be written.
    """
    pictures = {name: [rendered(figure, form) for form in FORMATS] for name, figure in _figures(comparisons)}
    if not pictures:
        raise UserError("nothing to draw: no run has measured its validation error yet; wait until one has.")
    make_folder(folder)
    with explained(f"write into {folder}", "choose another --out"):
        for name, contents in pictures.items():
            for form, content in zip(FORMATS, contents, strict=True):
                write_bytes(folder / f"{name}.{form}", content)
    return [(folder / f"{name}.png", folder / f"{name}.svg") for name in pictures]


def _figures(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Figure]]:
    """Yields names and figures one at a time, because a figure of many curves is large."""
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
