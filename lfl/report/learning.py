"""Learning curves: the validation error over the steps, by method."""

from collections.abc import Sequence

from .gather import Comparison
from .panel import Panel
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
