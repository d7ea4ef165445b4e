"""The flags of settings, with their completion: made from the declarations in `lfl.settings`."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, get_args

import typer

from lfl.setting import Setting, default_words, flag
from lfl.settings import PANELS, SETTINGS, TYPES


def complete(choices: Mapping[str, str]) -> Callable[[str], list[tuple[str, str]]]:
    """Returns what completes a word to one of the choices, each shown with its line."""

    def matches(incomplete: str) -> list[tuple[str, str]]:
        return [(name, line) for name, line in choices.items() if name.startswith(incomplete)]

    return matches


def complete_last(choices: Mapping[str, str]) -> Callable[[str], list[tuple[str, str]]]:
    """Returns what completes the last of several words with commas between them, to a choice that is not there yet."""

    def matches(incomplete: str) -> list[tuple[str, str]]:
        *before, last = incomplete.split(",")
        left = {name: line for name, line in choices.items() if name not in before}
        return [(",".join([*before, name]), line) for name, line in complete(left)(last)]

    return matches


def choice(choices: Mapping[str, str], help: str, name: str, *, several: bool = False, **more: Any) -> Any:
    """Returns an option whose value is one of the choices, or several, which its help lists."""
    completion = (complete_last if several else complete)(choices)
    return typer.Option(name, help=f"{help}: {', '.join(choices)}.", autocompletion=completion, **more)


def with_flags(
    names: Iterable[str],
    settings: Mapping[str, Setting] = SETTINGS,
    types: Mapping[str, Any] = TYPES,
    panels: Sequence[str] = PANELS,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command a flag for each setting, in panels, before its own options.

    Args:
        names: of settings.
        settings, types: the declarations that the names are of.
        panels: of those settings, in order.

    Returns:
        A decorator of a command whose first parameter, `asked`, takes the settings that were given, by name.
    """
    chosen = sorted(names, key=lambda name: panels.index(settings[name].panel))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        def run(**given: Any) -> None:
            asked = {name: given.pop(name) for name in chosen}
            command({name: value for name, value in asked.items() if value is not None}, **given)

        flags = [_parameter(name, settings[name], types[name]) for name in chosen]
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in [*flags, *own]]
        )
        run.__annotations__ = {each.name: each.annotation for each in [*flags, *own]}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _parameter(name: str, setting: Setting, declared: Any) -> inspect.Parameter:
    """The parameter of a command that is a setting's flag; None where the flag is not given."""
    (kind,) = [each for each in get_args(declared) or (declared,) if each is not type(None)]
    spelled = flag(name)
    if kind is bool and setting.default is not False:
        spelled = f"{spelled}/--no-{name.replace('_', '-')}"
    more = {"rich_help_panel": setting.panel, "show_default": default_words(setting)}
    choices = {**setting.choices, **setting.own}
    option = (
        choice(choices, setting.help, spelled, several=setting.several, **more)
        if choices
        else _plain(setting, spelled, more)
    )
    annotation: Any = Annotated[declared | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain(setting: Setting, spelled: str, more: Mapping[str, Any]) -> Any:
    return typer.Option(spelled, help=setting.help, **more)
