"""`lfl list`."""

from . import names


def listing() -> None:
    """Show the tasks, models, methods and losses."""
    tables = {
        "tasks": names.TASKS | names.OWN_TASKS,
        "models": names.MODELS | names.OWN_MODELS,
        "methods": names.METHODS,
        "losses": names.LOSSES | names.OWN_LOSSES,
    }
    for title, known in tables.items():
        print(title)
        for name, line in known.items():
            print(f"  {name:<22} {line}")
