"""What a page draws: curves as JSON, rounded to what can be seen."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex

from ..run.history import Curves
from .gather import Comparison, Group
from .losses import TITLES, horizontal, learned_phases, measure, targets
from .panel import Panel
from .read import RunLog
from .style import STEP_COLOURS

DIGITS = 4


def panel_chart(panel: Panel, labels: Sequence[str]) -> dict[str, Any]:
    """A panel for `page.js`: lines with the place of their label among all, which is their style."""
    return {
        "measure": panel.measure,
        "limits": panel.limits,
        "reference": panel.reference and {"name": panel.reference[0], "level": panel.reference[1]},
        "lines": [
            {
                "label": label,
                "style": labels.index(label),
                "x": line.step.tolist(),
                "y": rounded(line.mean),
                "range": [rounded(line.low), rounded(line.high)] if line.num_seeds > 1 else None,
            }
            for label, line in panel.lines.items()
        ],
    }


def loss_charts(comparison: Comparison) -> list[dict[str, Any]]:
    """The learned losses of a comparison, each run's own."""
    return [
        _loss_chart(group, run, run.curves)
        for group in comparison.groups
        for run in group.runs
        if run.curves is not None
    ]


def _loss_chart(group: Group, run: RunLog, curves: Curves) -> dict[str, Any]:
    phases = learned_phases(curves, group.settings["method"])
    kept = [i for i, phase in enumerate(curves.phase.tolist()) if phase in phases]
    last = {phase: int(curves.step[curves.phase == phase].max()) for phase in phases}
    looks = [(str(curves.phase[i]), int(curves.step[i])) for i in kept]
    return {
        "name": f"{group.label}, seed {run.seed}",
        "measure": measure(curves),
        "axis": horizontal(curves),
        "x": rounded(curves.axis),
        "targets": targets(curves),
        "said": [f"{TITLES[phase]}, step {step:,} of {last[phase]:,}" for phase, step in looks],
        "colours": [to_hex(colormaps[STEP_COLOURS](step / max(1, last[phase]))) for phase, step in looks],
        "phases": [phase for phase, _ in looks],
        "curves": [[rounded(curve) for curve in curves.curves[i]] for i in kept],
    }


def rounded(values: Iterable[float]) -> list[float | None]:
    """Numbers with four digits; None for those that are not finite."""
    short = [float(f"{value:.{DIGITS}g}") for value in values]
    return [value if math.isfinite(value) else None for value in short]
