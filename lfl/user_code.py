"""Import and call of a user's own function, named `"module:function"`.

Importing runs the user's code: callers make sure first that the user named it.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .catalogue import MODEL_LIBRARIES
from .errors import UserError, reason


def is_own(name: object) -> bool:
    """Whether a name has the form `"module:function"`; the models `"timm:NAME"` and `"torchvision:NAME"` are none.

    Example:
        >>> is_own("my_losses:robust"), is_own("cross-entropy"), is_own("timm:resnet18")
        (True, False, False)
    """
    return isinstance(name, str) and ":" in name and name.partition(":")[0] not in MODEL_LIBRARIES


def imported(what: str, name: str, takes: str) -> Callable[..., Any]:
    """Imports a user's own function from the working directory or an installed package.

    Args:
        what: what the function is for, in an error message; `"model"`, for instance.
        name: `"module:function"`.
        takes: its arguments in words, in an error message.

    Raises:
        UserError: it cannot be imported, or is not a function.
    """
    module_name, _, function_name = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # the user's module may raise anything
        raise UserError(
            f"{what} {name} cannot be imported ({type(error).__name__}: {reason(error)}); give module:function, a "
            f"function of {takes}, from the working directory or an installed package."
        ) from error
    finally:
        sys.path.remove(here)
    if not callable(function):
        raise UserError(f"{what} {name} must be a function of {takes}, got a {type(function).__name__}.")
    return function  # type: ignore[no-any-return]


def called(what: str, name: str, function: Callable[..., Any], *args: Any, shown: str) -> Any:
    """Calls a user's own function and returns its result; an exception in it becomes a `UserError` that names it.

    Args:
        what, name: as in `imported`.
        function, args: the function and what it is called with.
        shown: the arguments in words.

    Raises:
        UserError: the function raised something.
    """
    try:
        return function(*args)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{what} {name}, called with {shown}, raised {type(error).__name__}: {reason(error)}"
        ) from error
