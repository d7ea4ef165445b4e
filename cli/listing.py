"""`lfl list`."""

from . import names


def listing() -> None:
    """Show the tasks, models, methods, losses and objectives."""
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
