"""`lfl list`: everything that can be chosen by name, and every setting."""

from textwrap import fill
from typing import Annotated

import typer

from lfl import catalogue
from lfl.entry import about
from lfl.evolution_settings import EVOLUTION
from lfl.fewshot_catalogue import EPISODES, FEWSHOT_METHODS, OWN_EPISODES
from lfl.fewshot_settings import FEWSHOT_SETTINGS
from lfl.setting import Setting, default_words, flag
from lfl.settings import PANELS, SETTINGS

INDENT = " " * 25


def listing(
    settings: Annotated[
        bool, typer.Option("--settings", help="Show every setting as a Markdown table for each panel.")
    ] = False,
    few_shot: Annotated[
        bool, typer.Option("--few-shot", help="Show every setting of a few-shot run, likewise.")
    ] = False,
    evolution: Annotated[
        bool, typer.Option("--evolution", help="Show every setting of lfl evolve beside those of a run, likewise.")
    ] = False,
) -> None:
    """Show the tasks, models, methods, losses and objectives; or every setting."""
    if settings or evolution or few_shot:
        print(evolution_table() if evolution else few_shot_table() if few_shot else settings_table())
        return
    tables = {
        "tasks": about(catalogue.TASKS) | catalogue.OWN_TASKS,
        "models": about(catalogue.MODELS) | catalogue.OWN_MODELS,
        "methods": about(catalogue.METHODS),
        "episodes, for few-shot learning": about(EPISODES) | {"FOLDER/": OWN_EPISODES.about},
        "few-shot methods": about(FEWSHOT_METHODS),
        "losses": about(catalogue.LEARNED_LOSSES | catalogue.HANDMADE_LOSSES) | catalogue.OWN_LOSSES,
        "objectives": about(catalogue.OBJECTIVES) | catalogue.OWN_OBJECTIVES,
    }
    for title, known in tables.items():
        print(title)
        for name, line in known.items():
            print(f"  {name:<22} {line}")
            own = catalogue.METHODS[name].defaults if title == "methods" else {}
            if title == "few-shot methods":
                own = FEWSHOT_METHODS[name].defaults_for("omniglot")
            if own:
                flags = (f"{flag(key)} {value}" for key, value in own.items())
                print(fill(" ".join(flags), 100, initial_indent=INDENT + "by default ", subsequent_indent=INDENT))


def settings_table() -> str:
    """Every setting in Markdown, a table for each panel: flag, what it does, default, methods."""
    parts = []
    for panel in PANELS:
        rows = [f"### {panel}", "", "| flag | what it does | default | methods |", "|---|---|---|---|"]
        for name, setting in SETTINGS.items():
            if setting.panel == panel:
                methods = "all" if setting.methods is None else ", ".join(setting.methods)
                rows.append(f"{_row(name, setting)} {methods} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def evolution_table() -> str:
    """Every setting of a search that is none of a run, in Markdown: flag, what it does, default."""
    rows = [_row(name, setting) for name, setting in EVOLUTION.items()]
    return "\n".join(["| flag | what it does | default |", "|---|---|---|", *rows])


def few_shot_table() -> str:
    """Every setting of a few-shot run in Markdown: flag, what it does, default, methods."""
    rows = [
        f"{_row(name, setting)} {'all' if setting.methods is None else ', '.join(setting.methods)} |"
        for name, setting in FEWSHOT_SETTINGS.items()
    ]
    return "\n".join(["| flag | what it does | default | methods |", "|---|---|---|---|", *rows])


def _row(name: str, setting: Setting) -> str:
    choices = ", ".join(f"`{each}`" for each in {**setting.choices, **setting.own})
    about = f"{setting.help}: {choices}." if choices else setting.help
    return f"| `{flag(name)}` | {about} | {default_words(setting)} |"
