"""The formulas of runs whose loss is one: as they were given, and with the weights that were learned."""

from ..catalogue import METHODS
from ..loss import formula_of, is_formula
from ..run import load_learned_loss
from .collect import Comparison, RunLog
from .tables import Table


def formula_table(comparison: Comparison) -> Table:
    """Returns the formula that each run's loss is, with weights of four digits; no rows where no run has one.

    Raises:
        UserError: a run's formula or weights are damaged.
    """
    rows = [
        [f"{group.label}, seed {run.seed}", str(run.config["loss"]), _learned(run)]
        for group in comparison.groups
        for run in group.runs
        if is_formula(run.config.get("loss"))
    ]
    return Table(["method", "formula given", "after training"], rows)


def _learned(run: RunLog) -> str:
    """The formula of a run with its weights after training, in words where there are none yet."""
    if not METHODS[run.config["method"]].learns_loss:
        return "not learned"
    if not run.result:
        return "not yet"
    phi, loss_fn = load_learned_loss(run.folder)
    return str(formula_of(loss_fn, phi))
