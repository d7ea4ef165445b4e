"""`lfl list`."""

from textwrap import fill

from . import names

INDENT = " " * 25


def listing() -> None:
    """Show the tasks, models, methods, losses and objectives."""
    from lfl.method import METHODS

    tables = {
        "tasks": names.TASKS | names.OWN_TASKS,
        "models": names.MODELS | names.OWN_MODELS,
        "methods": names.METHODS,
        "losses": names.LOSSES | names.OWN_LOSSES,
        "objectives": names.OBJECTIVE_LOSSES | names.OWN_OBJECTIVES,
    }
    for title, known in tables.items():
        print(title)
        for name, line in known.items():
            print(f"  {name:<22} {line}")
            own = METHODS[name].defaults if title == "methods" else {}
            if own:
                flags = (f"--{key.replace('_', '-')} {value}" for key, value in own.items())
                print(fill(" ".join(flags), 100, initial_indent=INDENT + "by default ", subsequent_indent=INDENT))
