"""The picture of a learned loss, from its first step to its last."""

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..method import METHODS, offline_only
from ..run import read_json
from ..run.folder import write_bytes

COLOURS = "viridis"
TITLES = {"init": "offline initialisation", "train": "training"}


def draw_losses(folder: Path) -> Path | None:
    """Draw `losses.png` of a run: l_phi against the output, coloured by step.

    One row a phase in which phi was learned; classification has a column for y = 1 and one for y = 0.

    Args:
        folder: a run folder.

    Returns:
        The picture's path; None where no loss was learned.

    Source: the manner of Raymond et al. (2025), Fig. 4.
    """
    if not (folder / "loss_curves.npz").is_file():
        return None
    config = read_json(folder / "config.json")
    with np.load(folder / "loss_curves.npz") as file:
        axis, phases, steps, curves = (file[name] for name in ("axis", "phase", "step", "curves"))
    stands_still = METHODS[config["method"]].phases is offline_only
    learned = [name for name in dict.fromkeys(phases) if name == "init" or not stands_still]
    columns = curves.shape[1]
    figure = Figure(figsize=(1.0 + 4.2 * columns, 0.6 + 3.0 * len(learned)), dpi=150, layout="constrained")
    panels = figure.subplots(len(learned), columns, squeeze=False)
    for row, phase in zip(panels, learned, strict=True):
        inside = phases == phase
        colour = ScalarMappable(Normalize(0, max(1, int(steps[inside].max()))), COLOURS)
        for column, panel in enumerate(row):
            for step, curve in zip(steps[inside], curves[inside], strict=True):
                panel.plot(axis, curve[column], color=colour.to_rgba(step), linewidth=1.2)
            panel.set_xlabel("error f − y" if columns == 1 else "probability f")
            target = "" if columns == 1 else f", y = {1 - column}"
            panel.set_title(f"{TITLES[phase]}{target}", fontsize=10)
            panel.grid(alpha=0.25)
        row[0].set_ylabel("learned loss of one output")
        figure.colorbar(colour, ax=list(row), label="step")
    figure.suptitle(f"{config['task']}, {config['model']}, {config['method']}, seed {config['seed']}", fontsize=11)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)  # type: ignore[no-untyped-call]
    write_bytes(folder / "losses.png", file.getvalue())
    return folder / "losses.png"
