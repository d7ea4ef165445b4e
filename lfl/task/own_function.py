"""A task from a user's own function, `--task module:function`, which returns a `Task` or loaders."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from ..errors import UserError
from ..user_code import called, imported
from .loaders import Loaders, task_from_loaders
from .task import Held, Task

TAKES = "nothing, or of data_dir, that returns an lfl.Task or loaders"
"""What such a function is, for errors."""

PARTS = Loaders._fields


def task_from_function(name: str, data_dir: Path, *, kind: str | None = None, **held: Unpack[Held]) -> Task:
    """Imports and calls `module:function`, and returns its task.

    Args:
        name: `"module:function"`, from the working directory or an installed package.
        data_dir: folder of the data sets, given to the function where it has a parameter `data_dir`.
        kind: of the targets of loaders; inferred when omitted.
        held: as in `task_from_loaders`.

    Returns:
        The task that the function returned; or one of the loaders that it returned: a `Loaders`, or a dict or an object
        with `train` and, where there are any, `valid` and `test`.

    Raises:
        UserError: the function cannot be imported, raised something, or returned something else; options that a
            finished task leaves no room for.
    """
    function = imported("task", name, TAKES)
    takes = "data_dir" in inspect.signature(function).parameters
    given = called(
        "task",
        name,
        partial(function, data_dir=data_dir) if takes else function,
        shown=f"data_dir={data_dir}" if takes else "nothing",
    )
    if isinstance(given, Task):
        asked = {"kind": kind, **held}
        for option, value in asked.items():
            if value:
                raise UserError(f"{option} is set where a Task is made, and task {name} returns one; leave it out.")
        return replace(given, name=name)
    loaders = _loaders(name, given)
    if kind is not None:
        loaders["kind"] = kind
    return task_from_loaders(**loaders, name=name, **held)


def _loaders(name: str, given: Any) -> dict[str, Any]:
    named = given if isinstance(given, Mapping) else {part: getattr(given, part, None) for part in PARTS}
    odd = [str(part) for part in named if part not in PARTS]
    if odd or named.get("train") is None or callable(named["train"]):  # nn.Module.train is a method
        got = f"a dict with {odd[0]}" if odd else f"a {type(given).__name__} without train"
        raise UserError(
            f"task {name} must return an lfl.Task or loaders, lfl.Loaders(train, valid, test), or a dict or an object "
            f"that has these, got {got}."
        )
    return dict(named)
