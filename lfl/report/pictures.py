"""All pictures of runs, as PNG and SVG in a folder."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..errors import UserError
from ..run.folder import explained, make_folder, write_bytes
from .gather import Comparison, labels_of
from .learning import learning_panels
from .losses import losses_figure
from .panel import draw_panels
from .rates import rate_panels
from .style import FORMATS, rendered


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
