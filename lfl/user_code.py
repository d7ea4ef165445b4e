"""Functions of the user's own, by name."""

import importlib
import sys
from pathlib import Path
from typing import Any

from .errors import UserError, reason


def imported(name: str, what: str) -> Any:
    """The function that `"module:function"` names, from the working directory or the installed packages.

    Whoever calls this has made sure that the user named it.

    Args:
        name: `"module:function"`.
        what: the function is, for the error: `"model"`.

    Raises:
        UserError: it cannot be imported.
    """
    module_name, _, function_name = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # the module is the user's, and raises what it will
        raise UserError(
            f"{what} {name} cannot be imported ({type(error).__name__}: {reason(error)}); give module:function, from "
            "the working directory or an installed package."
        ) from error
    finally:
        sys.path.remove(here)
