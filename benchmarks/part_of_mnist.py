"""A part of MNIST as a task, so that a benchmark of many runs takes minutes."""

from functools import cache
from pathlib import Path
from typing import Any


@cache
def part_of_mnist(rows: int, data: Path | None) -> Any:
    """Returns the first train images as a task, with all of the test images."""
    import lfl
    from lfl.run import data_folder
    from lfl.task import load_task

    whole = load_task("mnist", data_folder("mnist", data))
    x, y = (t[:rows].numpy() for t in whole.train)
    x_test, y_test = (t.numpy() for t in whole.test)
    return lfl.task_from_arrays(x, y, x_test, y_test, kind="classification")
