"""A line of a table: a method or a variant of one on a task and model, and what the paper has for it."""

from dataclasses import dataclass

from ..report.statistics import Spread
from .variant import Variant, parse_variant

TUNED = "baseline-tuned"
"""The honest rival: the baseline with a cosine schedule, and of the rates below the best on validation error."""

TUNED_FACTORS = (0.1, 0.316, 1.0, 3.16, 10.0)
"""What the task's rate is multiplied by."""

NAMED = {
    "taylor-quadratic": "adalfl loss=taylor-quadratic",
    "taylor-cubic": "adalfl loss=taylor-cubic",
    "ml3 slrelu": "ml3",
    "ml3 relu+softplus": "ml3 loss=relu-softplus",
}
"""Lines of the paper's tables that are not called by their settings."""


@dataclass(frozen=True)
class Line:
    """What a line of a table is made of.

    Args:
        task, model: names.
        label: what it is called.
        candidates: variants to be run; of several the one of least mean validation error is reported.
        published: the paper's figure, if it has one.
    """

    task: str
    model: str
    label: str
    candidates: tuple[Variant, ...]
    published: Spread | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Task, model and label."""
        return self.task, self.model, self.label


def candidates_of(label: str, rate: float) -> tuple[Variant, ...]:
    """The variants behind a label: one, or what `baseline-tuned` chooses from.

    Args:
        label: a method, a method with settings, `baseline-tuned`, or a name of the paper's tables.
        rate: of the task; the middle one of those that `baseline-tuned` chooses from.

    Raises:
        UserError: a label that is none of these.
    """
    if label != TUNED:
        return (parse_variant(NAMED.get(label, label)),)
    rates = [float(f"{rate * factor:.3g}") for factor in TUNED_FACTORS]
    return tuple(Variant("baseline", {"inner_lr": rate, "schedule": "cosine"}) for rate in rates)
