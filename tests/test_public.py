"""The public names close: whatever class of lfl one of them takes, gives or holds is public too."""

import ast
import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import lfl

PUBLIC = {name: getattr(lfl, name) for name in lfl.__all__}


def classes_in(annotation: Any) -> Iterator[type]:
    """The classes of lfl that an annotation is made of."""
    if isinstance(annotation, (list, tuple)):  # the arguments of a Callable
        for part in annotation:
            yield from classes_in(part)
    elif typing.is_typeddict(annotation):  # keyword arguments by name, unpacked
        yield from classes_in(tuple(typing.get_type_hints(annotation).values()))
    elif isinstance(annotation, type) and annotation.__module__.split(".")[0] == "lfl":
        yield annotation
    for part in typing.get_args(annotation):
        yield from classes_in(part)


def annotated(thing: Any) -> Iterator[tuple[str, Callable[..., Any] | type]]:
    """A public function; or a public class, its methods and properties."""
    yield thing.__name__, thing
    if not isinstance(thing, type):
        return
    for name, member in inspect.getmembers(thing):
        if name.startswith("_") and name not in {"__init__", "__call__"}:
            continue
        function = member.fget if isinstance(member, property) else inspect.unwrap(getattr(member, "__func__", member))
        if inspect.isfunction(function) and function.__module__.split(".")[0] == "lfl":
            yield f"{thing.__name__}.{name}", function


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_public_name_takes_and_gives_is_public(name: str) -> None:
    wanted = {
        (where, cls.__name__)
        for where, holder in annotated(PUBLIC[name])
        for annotation in typing.get_type_hints(holder).values()
        for cls in classes_in(annotation)
        if PUBLIC.get(cls.__name__) is not cls
    }
    assert wanted == set()


def test_the_walk_sees_fields_arguments_results_and_parts_of_types() -> None:
    hints = typing.get_type_hints(lfl.meta_step)
    assert set(classes_in(tuple(hints.values()))) >= {lfl.Carry, lfl.Info, lfl.Optimiser, lfl.Hypergradient}
    assert lfl.Carry in set(classes_in(Callable[[dict[str, lfl.Carry] | None], int]))
    names = [name for name, _ in annotated(lfl.Task)]
    assert {"Task", "Task.to", "Task.splits"} <= set(names)


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    """Not the signature that a NamedTuple or a dataclass without one is given."""
    docs = {name: (thing.__doc__ or "").strip() for name, thing in PUBLIC.items()}
    assert [name for name, doc in docs.items() if not doc or doc.startswith(f"{name}(")] == []


def test_a_name_is_imported_from_where_type_checkers_find_it() -> None:
    tree = ast.parse(Path(lfl.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {alias.name: node.module for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert sorted(declared) == sorted(lfl.__all__)
    for name, module in declared.items():
        assert getattr(lfl, name) is getattr(import_module(f"lfl.{module}"), name), name
