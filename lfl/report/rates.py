"""Learning rates over the steps: those that are learned, and those that a learned loss amounts to."""

from collections.abc import Sequence

from .gather import Comparison
from .panel import Panel
from .statistics import over_steps

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
