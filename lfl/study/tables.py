"""The lines of the paper's tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..catalogue import MODELS, TASKS
from ..errors import UserError, one_of
from ..report.published import paper_results
from ..task import DEFAULTS, Defaults, load_task
from ..task.load import is_file_task
from .line import TUNED, Line, candidates_of

Row = tuple[str, str]
"""A task and a model."""


def parse_row(text: str) -> Row:
    """Read `TASK/MODEL`.

    Raises:
        UserError: not of that form, or an unknown name.

    Example:
        >>> parse_row("mnist/lenet5")
        ('mnist', 'lenet5')
    """
    task, slash, model = text.strip().rpartition("/")
    if not slash or not task or not model:
        raise UserError(f"a row is TASK/MODEL, such as mnist/lenet5, but {text!r} came.")
    if not is_file_task(task):
        one_of("task", task, list(TASKS))
    if ":" not in model:
        one_of("model", model, list(MODELS))
    return task, model


def table_lines(
    table: int, rows: Sequence[Row] | None, labels: Sequence[str] | None, defaults_of: Callable[[str], Defaults]
) -> list[Line]:
    """The lines of a table, row by row.

    Args:
        table: 1 to 7; Table 2 has the lines of Table 1.
        rows: those chosen, which the paper need not have; the paper's when None.
        labels: methods or variants; when None those that the paper has for the row (for a row that it does not have,
            those of the table), and `baseline-tuned`.
        defaults_of: the defaults of a task.

    Raises:
        UserError: an unknown label.
    """
    known = paper_results(table)
    beside = paper_results(2 if table == 2 else 1)  # a method that is not of the table still has its figure
    every = list(dict.fromkeys(label for _, _, label in known))
    lines = []
    for row in rows or dict.fromkeys(key[:2] for key in known):
        own = [label for *place, label in known if tuple(place) == row]
        chosen = labels or [*(own or every), TUNED]
        lines += [
            Line(
                *row,
                label,
                candidates_of(label, defaults_of(row[0]).inner_lr),
                known.get((*row, label), beside.get((*row, label))),
            )
            for label in dict.fromkeys(chosen)
        ]
    return lines


def defaults_of(task: str) -> Defaults:
    """The defaults of a named task, or of a user's own classes or values in a file."""
    return DEFAULTS[task] if task in DEFAULTS else load_task(task, Path()).defaults
