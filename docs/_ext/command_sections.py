"""The text of the command line reference, from the command line's own declarations; it needs no Sphinx."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

OTHERS = "Options"
"""The panel of options that are in none."""


def sections() -> Iterator[str]:
    """Yields the lines of all commands, in reStructuredText."""
    import typer
    from lfl_cli.app import app

    for name, command in typer.main.get_command(app).commands.items():
        yield from section(name, command)


def section(name: str, command: Any) -> Iterator[str]:
    """Yields the lines of a command's section, in reStructuredText."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    title = f"lfl {name}"
    yield from [f".. _command-{name}:", "", title, "-" * len(title), "", escaped(command.help or ""), ""]
    words = [title, *(_metavar(each) for each in arguments), "[OPTIONS]"]
    yield from [".. code-block:: text", "", f"   {' '.join(words)}", "", f".. program:: {title}", ""]
    for each in arguments:
        yield from [f":samp:`{_metavar(each)}`", f"   {escaped(each.help or '')}", ""]
    order = list(dict.fromkeys(each.rich_help_panel or OTHERS for each in options))
    options.sort(key=lambda each: order.index(each.rich_help_panel or OTHERS))
    for panel, members in groupby(options, key=lambda each: each.rich_help_panel or OTHERS):
        yield from [f".. rubric:: {panel}", ""]
        for each in members:
            yield from [f".. option:: {', '.join([*each.opts, *each.secondary_opts])}", "", f"   {_about(each)}", ""]


def _about(option: Any) -> str:
    """The help of an option, with its default as `lfl COMMAND --help` shows it."""
    default = option.show_default if isinstance(option.show_default, str) else option.default
    shown = option.show_default and default is not None and default is not False
    words = [escaped(option.help or "")]
    words += ["Required."] if option.required else [f"Default: {escaped(str(default))}."] if shown else []
    words += [f"Environment variable: ``{option.envvar}``."] if option.envvar else []
    return " ".join(words)


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def escaped(text: str) -> str:
    """Returns text of the help without what reStructuredText would read as markup."""
    text = " ".join(text.replace("\\", "\\\\").replace("*", "\\*").replace("`", "\\`").replace("|", "\\|").split())
    return text.replace("_ ", "\\_ ")
